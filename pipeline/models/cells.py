"""The input of the colour network; in its own module, so that no worker loads torch for it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SIDE = 64  # cells: a picture of any shape becomes SIDE x SIDE cells
CELL = 4  # pixels of a cell's side; the picture is resized to SIDE * CELL a side
CHANNELS = 12  # of a cell: mean, least, greatest value and one pixel, in red, green and blue


def cells(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """A picture (H, W, 3) in [0, 1] as cells (SIDE, SIDE, CHANNELS).

    The mean of a cell hides a thin black line, so the cell also has its darkest and brightest values, which
    show where black and white lie.
    """
    import cv2

    side = SIDE * CELL
    square = cv2.resize(pixels, (side, side), interpolation=cv2.INTER_AREA)
    rows = square.reshape(SIDE, CELL, side, 3)
    mean = cv2.resize(square, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    least, most = (_columns(function, function.reduce(rows, axis=1)) for function in (np.minimum, np.maximum))
    seen = [mean, least, most, square[1::CELL, 1::CELL]]
    return np.concatenate(seen, axis=2).astype(np.float32)


def _columns(function: np.ufunc, values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Reduce every CELL columns (axis 1) to one; several times as fast as reducing a short axis."""
    result = values[:, ::CELL]
    for column in range(1, CELL):
        result = function(result, values[:, column::CELL])
    return result
