"""Users' masks as a further kind of damage: cracks and losses that users traced on their own works."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from pipeline.archive.filetypes import SUFFIXES
from pipeline.archive.images import read_rgb
from pipeline.damage.texture import Mask, Pixels, paint, smooth_noise
from pipeline.errors import ItemError, PentimentoError

LEAST_SIDE = 16  # pixels of a mask


class UserMasks:
    """A layer that exposes a ground of one colour under the masks of a folder.

    Args:
        folder: picture files, white = damage, black = none; folders inside it too. Sides of 16 pixels or
            more; a mask is rotated, mirrored, scaled to the picture's size and cropped at random.

    Raises:
        PentimentoError: when the folder is missing or holds no mask; when a mask cannot be read, is too
            small, or marks nothing.
    """

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise PentimentoError(
                f"masks: there is no folder {folder}; create it, or leave the setting empty"
            )
        files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
        if not files:
            raise PentimentoError(
                f"masks: {folder} holds no picture; put masks there (PNG, white = damage), "
                "or leave the setting empty"
            )
        self.folder = folder
        self.masks = [_read(path) for path in files]

    def __len__(self) -> int:
        return len(self.masks)

    def __call__(self, pixels: Pixels, rng: np.random.Generator) -> tuple[Pixels, Mask]:
        """A Layer: the damaged picture, and which pixels changed."""
        height, width = pixels.shape[:2]
        for _ in range(8):  # a crop can miss the marked pixels
            mask = self._cut(self.masks[int(rng.integers(len(self.masks)))], height, width, rng)
            if mask.any():
                break
        shade = rng.uniform(0.02, 0.95)
        colour = shade + rng.normal(0, 0.04) * np.array([1.0, 0.2, -1.0]) + rng.normal(0, 0.02, 3)
        grain = smooth_noise(pixels.shape, 6, rng)[..., None] * 0.03
        return paint(pixels, (colour + grain).astype(np.float32), mask.astype(np.float32))

    def _cut(self, mask: Mask, height: int, width: int, rng: np.random.Generator) -> Mask:
        """A part of a mask, turned and mirrored, at the picture's size."""
        turned = np.rot90(mask, int(rng.integers(4)))[:, :: int(rng.choice([-1, 1]))]
        least = max(height / turned.shape[0], width / turned.shape[1])
        factor = least * float(rng.uniform(1.0, 1.6))
        size = max(width, round(turned.shape[1] * factor)), max(height, round(turned.shape[0] * factor))
        values = np.ascontiguousarray(turned, np.float32)
        if factor < 1:  # keeps thin lines: a pixel is damaged if a fifth of it is
            grown = cv2.resize(values, size, interpolation=cv2.INTER_AREA) > 0.2
        else:
            grown = cv2.resize(values, size, interpolation=cv2.INTER_LINEAR) > 0.5
        top, left = int(rng.integers(size[1] - height + 1)), int(rng.integers(size[0] - width + 1))
        return np.asarray(grown[top : top + height, left : left + width], np.bool_)


def _read(path: Path) -> Mask:
    try:
        values = read_rgb(path)
    except ItemError as error:
        raise PentimentoError(f"masks: {path} {error}; replace or remove it") from None
    if min(values.shape[:2]) < LEAST_SIDE:
        raise PentimentoError(
            f"masks: {path} has {values.shape[1]} x {values.shape[0]} pixels; it needs {LEAST_SIDE} a side"
        )
    mask = np.asarray(values.max(axis=2) >= 128, np.bool_)
    if not mask.any():
        raise PentimentoError(f"masks: {path} is black all over; white marks damage: correct or remove it")
    return mask
