"""A contact sheet of every kind of damage, so that people can check what a training sees."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.archive.sheets import contact_sheet
from pipeline.damage import KINDS, damage

_SIDE = 240  # pixels of a picture on the sheet
_COLUMNS = 5


def damage_sheet(target: Path, pictures: Sequence[NDArray[np.uint8]], seed: int) -> None:
    """Write a sheet of pictures, each (H, W, 3) 8-bit sRGB, as they are and after each kind of damage.

    A row of the sheet shows one kind (or none) on up to five pictures. The same seed gives the same
    sheet.
    """
    shown = list(pictures[:_COLUMNS])
    rows: list[list[NDArray[np.uint8]]] = [shown]
    for kind in KINDS:
        row = []
        for number, picture in enumerate(shown):
            clean = picture.astype(np.float32) / np.float32(255)
            damaged, _ = damage(clean, [kind], np.random.default_rng([seed, number]))
            row.append(np.round(damaged * 255).astype(np.uint8))
        rows.append(row)
    contact_sheet(target, rows, _SIDE, titles=("as it is", *KINDS))
