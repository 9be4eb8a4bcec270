"""A picture reduced until it fits in memory, for what depends on the picture as a whole."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.archive.canvas import BAND, Canvas, Window
from pipeline.restoration.methods.interface import Mask, Pixels

SIDE = 1024  # pixels: most of the longer side


@dataclass(frozen=True)
class Overview:
    """A reduced picture: each pixel is the mean of the known pixels in a square of the original.

    pixels: (h, w, C) in [0, 1], without alpha; 0 where `unknown` is True.
    unknown: (h, w), True where a square holds no known pixel.
    factor: pixels of a square's side.
    """

    pixels: Pixels
    unknown: Mask
    factor: int

    def sample(self, window: Window) -> Pixels:
        """A window of the original at full size (H, W, C) in [0, 1], by linear interpolation."""
        rows, columns = (
            self._positions(side, size) for side, size in zip(window, self.pixels.shape[:2], strict=True)
        )
        upper, lower, down = rows
        left, right, across = columns
        band = self.pixels[upper] * (1 - down)[:, None, None] + self.pixels[lower] * down[:, None, None]
        return np.asarray(
            band[:, left] * (1 - across)[None, :, None] + band[:, right] * across[None, :, None], np.float32
        )

    def _positions(
        self, side: slice, size: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
        place = np.clip((np.arange(side.start, side.stop) + 0.5) / self.factor - 0.5, 0, size - 1)
        first = np.floor(place).astype(np.int64)
        return first, np.minimum(first + 1, size - 1), (place - first).astype(np.float32)


def reduce(canvas: Canvas, mask: Canvas | None = None, factor: int | None = None) -> Overview:
    """Reduce a canvas to its overview; pixels under the mask count as unknown.

    Args:
        canvas: the picture.
        mask: (H, W, 1), 0 or 255; 255 where the picture is unknown. None: all pixels are known.
        factor: pixels of a square's side. None: the smallest power of two, at least 4, for which the longer
            side is at most `SIDE` pixels.
    """
    height, width, _ = canvas.shape
    if factor is None:
        factor = 4
        while max(height, width) > SIDE * factor:
            factor *= 2
    small = -(-height // factor), -(-width // factor)
    total = np.zeros((*small, canvas.colours), np.float32)
    known = np.zeros(small, np.float32)
    columns = np.arange(0, width, factor)
    for top, band in canvas.bands(-(-BAND // factor) * factor):
        rows = np.arange(0, len(band), factor)
        here = np.ones(band.shape[:2], np.float32)
        if mask is not None:
            hidden = mask.read((slice(top, top + len(band)), slice(0, width)))[..., 0]
            here[hidden > 0] = 0
        values = band[..., : canvas.colours].astype(np.float32) * here[..., None]
        place = slice(top // factor, top // factor + len(rows))
        total[place] = np.add.reduceat(np.add.reduceat(values, rows, axis=0), columns, axis=1)
        known[place] = np.add.reduceat(np.add.reduceat(here, rows, axis=0), columns, axis=1)
    pixels = total / (np.maximum(known, 1) * np.float32(canvas.peak))[..., None]
    return Overview(np.asarray(pixels, np.float32), known == 0, factor)
