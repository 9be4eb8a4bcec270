"""The local mean and contrast of a picture, which a network gets separately from the pattern.

Without them, dark and bright, low- and high-contrast passages look alike. They are computed here, on the
whole window and in cells of a few pixels. Inside the network they took a third of its time and added to
its reach.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float32]
Window = tuple[slice, slice]

CELL = 8  # pixels of a cell's side
CELLS = 5  # cells a side that a mean is taken over
REACH = CELLS * CELL  # pixels to each side on which mean and contrast depend
_ALL = (slice(None), slice(None))
_FLOOR = 0.01  # contrast of a flat passage, so that noise is not amplified


@dataclass(frozen=True)
class Surroundings:
    """Mean (h, w, 3) and contrast (h, w, 1) around each cell of a picture."""

    mean: Values
    contrast: Values

    def normal(self, pixels: Values, window: Window = _ALL) -> Values:
        """A picture (H, W, 3), or a window of it, normalised by the local mean and contrast.

        Values are about 0, with a deviation of 1. The window begins and ends at multiples of CELL.
        """
        rows, columns = (
            slice(side.start and side.start // CELL, side.stop and side.stop // CELL) for side in window
        )
        mean, contrast = self.mean[rows, columns], self.contrast[rows, columns]
        import cv2

        # By OpenCV, several times as fast as NumPy is here.
        gain = _spread(np.repeat(1 / contrast, 3, axis=2))
        return np.asarray(cv2.multiply(cv2.subtract(pixels[window], _spread(mean)), gain), np.float32)

    def spread_contrast(self) -> Values:
        """The contrast of every pixel (H, W, 1), by which a residual of `normal` is multiplied."""
        return _spread(self.contrast)


def surroundings(pixels: Values) -> Surroundings:
    """Compute them for a picture (H, W, 3) in [0, 1]; H and W are multiples of CELL."""
    import cv2

    size = (pixels.shape[1] // CELL, pixels.shape[0] // CELL)
    cells: Values = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.float32)
    squares = _squares(pixels)
    mean = _around(cells)
    # The mean square of the difference from the local mean.
    variance = (squares - 2 * mean * cells + np.square(mean)).mean(axis=2, keepdims=True)
    deviation = np.sqrt(np.maximum(_around(np.asarray(variance, np.float32)), 0))
    return Surroundings(mean, np.asarray(deviation + np.float32(_FLOOR), np.float32))


def _squares(pixels: Values, rows: int = 8 * CELL) -> Values:
    """The mean square of each cell; a few rows at a time, which stay in the processor's cache."""
    import cv2

    bands = (pixels[top : top + rows] for top in range(0, len(pixels), rows))
    width = pixels.shape[1] // CELL
    means = [
        cv2.resize(np.square(band), (width, len(band) // CELL), interpolation=cv2.INTER_AREA)
        for band in bands
    ]
    return np.asarray(np.concatenate(means), np.float32)


def _around(cells: Values) -> Values:
    """The mean over CELLS x CELLS cells; cells outside the picture do not count."""
    import cv2

    kernel = (CELLS, CELLS)
    sums = cv2.boxFilter(cells, -1, kernel, normalize=False, borderType=cv2.BORDER_CONSTANT)
    ones = np.ones(cells.shape[:2], np.float32)
    counts = cv2.boxFilter(ones, -1, kernel, normalize=False, borderType=cv2.BORDER_CONSTANT)
    return np.asarray(sums.reshape(cells.shape) / counts[..., None], np.float32)


def _spread(cells: Values) -> Values:
    import cv2

    height, width, channels = cells.shape
    whole = cv2.resize(cells, (width * CELL, height * CELL), interpolation=cv2.INTER_NEAREST)
    return np.asarray(whole, np.float32).reshape(height * CELL, width * CELL, channels)
