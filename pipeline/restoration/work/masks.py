"""Where the damage of a work is: from a given mask, from the detector, or from both.

A mask is a picture of the work's size; white marks damage. A PNG mask may state the kind of damage in a text
chunk `kind` (cracks, scratches, losses, stains). The method that measured best for that kind is then used
instead of the one for the hole's shape. The pages of a TIFF mask belong to the pages of the work, one by one.
Any other mask belongs to the first page. The detector sees windows of one fixed size, so its result does not
depend on the tiles of other steps.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.archive.atomic import write_bytes
from pipeline.archive.canvas import Canvas
from pipeline.archive.imagefile import decode_mask
from pipeline.archive.tiling import Grid
from pipeline.errors import StepFailed
from pipeline.restoration.methods.interface import Detector, Mask, Position

_CELL = 2048  # pixels: side of the detector's windows, without context


@dataclass(frozen=True)
class Damage:
    """The number, origin and kind of the pixels to fill."""

    pixels: int  # number of masked pixels
    origin: str  # 'given', 'detected', 'given and detected' or 'none'
    kind: str | None
    fallbacks: tuple[str, ...] = ()  # notes of detectors that failed and were replaced


def find_damage(
    canvas: Canvas,
    mask: Canvas,
    given: tuple[Path, int] | None,
    detectors: Sequence[tuple[Detector, Detector]],
) -> Damage:
    """Write the damage of a picture into `mask`.

    Args:
        canvas: the picture.
        mask: (H, W, 1) uint8, all 0; the function sets damaged pixels to 255.
        given: a mask file and the number of its page, or None.
        detectors: each detector with the fallback for windows where it fails.

    Raises:
        ItemError: when the given mask is not a picture, or has another size.
        StepFailed: when a fallback fails too.
    """
    origins, kind, fallbacks = [], None, []
    if given is not None:
        kind = decode_mask(given[0], canvas.shape[:2], mask, given[1])
        origins.append("given")
    for detector, fallback in detectors:
        fallbacks += _detect(canvas, mask, detector, fallback)
    if detectors:
        origins.append("detected")
    pixels = sum(int(np.count_nonzero(band)) for _, band in mask.bands()) if origins else 0
    return Damage(pixels, " and ".join(origins) or "none", kind, tuple(fallbacks))


def write_mask(path: Path, mask: Mask, kind: str | None = None) -> None:
    """Write a mask (H, W) as PNG, with the kind of its damage in the text chunk `kind`."""
    from PIL.PngImagePlugin import PngInfo

    text = PngInfo()
    if kind:
        text.add_text("kind", kind)
    buffer = io.BytesIO()
    Image.fromarray(mask.astype(np.uint8) * 255).save(buffer, "PNG", pnginfo=text)
    write_bytes(path, buffer.getvalue())


def _detect(canvas: Canvas, mask: Canvas, detector: Detector, fallback: Detector) -> list[str]:
    height, width, _ = canvas.shape
    context = max(one.context(height, width) for one in (detector, fallback))
    fallbacks = []
    for tile in Grid(_CELL, context, blend=0).tiles(height, width):
        rows, columns = tile.window
        pixels = canvas.colour(tile.window)
        place = Position(rows.start, columns.start, height, width)
        try:
            found = detector(pixels, place)
        except StepFailed as error:
            fallbacks.append(f"{detector.name} -> {fallback.name}: {error}")
            found = fallback(pixels, place)
        found = found[tile.inner]
        if found.any():
            before = mask.read(tile.cell)
            mask.write(tile.cell, np.maximum(before, found[..., None].astype(np.uint8) * 255))
    return sorted(set(fallbacks))
