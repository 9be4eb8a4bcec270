"""Contact sheets: many small pictures as one file to look at."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from pipeline.archive.atomic import atomic_path

_PAPER = (250, 248, 244)
_INK = (60, 55, 50)
_GAP, _LINE = 4, 14  # pixels


def contact_sheet(
    target: Path,
    rows: Sequence[Sequence[NDArray[np.uint8]]],
    side: int,
    titles: Sequence[str] = (),
    headings: Sequence[str] = (),
    caption: Sequence[str] = (),
) -> None:
    """Write rows of pictures, each (H, W, 3) 8-bit sRGB fitted into `side` pixels, as PNG, JPEG or WebP.

    `headings` stand above the columns, `titles` above the rows and the lines of `caption` below all of them.
    The target's suffix sets the format.
    """
    columns = max(len(row) for row in rows)
    top = _LINE if headings else 0
    step = side + _GAP + (_LINE if titles else 0)
    bottom = top + len(rows) * step + _GAP
    size = (columns * (side + _GAP) + _GAP, bottom + len(caption) * _LINE + (_GAP if caption else 0))
    sheet = Image.new("RGB", size, _PAPER)
    pen = ImageDraw.Draw(sheet)
    for column, heading in enumerate(headings):
        pen.text((_GAP + column * (side + _GAP), 1), heading, fill=_INK)
    for line, row in enumerate(rows):
        y = top + _GAP + line * step
        if titles:
            pen.text((_GAP, y - 2), titles[line], fill=_INK)
            y += _LINE
        for column, pixels in enumerate(row):
            sheet.paste(_fitted(pixels, side), (_GAP + column * (side + _GAP), y))
    for number, text in enumerate(caption):
        pen.text((_GAP, bottom + number * _LINE), text, fill=_INK)
    with atomic_path(target) as temporary:
        sheet.save(temporary, quality=88)


def _fitted(pixels: NDArray[np.uint8], side: int) -> Image.Image:
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    scale = side / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    resample = Image.Resampling.NEAREST if scale >= 2 else Image.Resampling.LANCZOS
    return picture.resize(size, resample)
