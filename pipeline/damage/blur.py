"""Blur: a scan out of focus or shaken; the whole picture changes."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.damage.texture import Mask, Pixels

_SIDE = 13  # pixels of the largest kernel


def blur(pixels: Pixels, rng: np.random.Generator) -> tuple[Pixels, Mask]:
    """A Gaussian, round or stretched (0.6 to 2.2 pixels), or a shake of 3 to 9 pixels; the mask is empty.

    Sizes are in pixels of the scan and do not depend on the picture's size.
    """
    kernel = _gaussian(rng) if rng.random() < 0.75 else _shake(rng)
    soft = cv2.filter2D(pixels, -1, kernel, borderType=cv2.BORDER_REFLECT)
    return np.clip(soft, 0, 1).astype(np.float32), np.zeros(pixels.shape[:2], np.bool_)


def _gaussian(rng: np.random.Generator) -> NDArray[np.float32]:
    wide = rng.uniform(0.6, 2.2)
    narrow = wide if rng.random() < 0.6 else max(0.4, wide * rng.uniform(0.4, 1.0))
    angle = rng.uniform(0, np.pi)
    offset = np.arange(_SIDE) - _SIDE // 2
    x, y = np.meshgrid(offset, offset)
    u, v = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    kernel = np.exp(-0.5 * ((u / wide) ** 2 + (v / narrow) ** 2))
    return np.asarray(kernel / kernel.sum(), np.float32)


def _shake(rng: np.random.Generator) -> NDArray[np.float32]:
    angle, half = rng.uniform(0, np.pi), rng.uniform(1.5, 4.5)
    way = half * np.array([np.cos(angle), np.sin(angle)])
    ends = np.round((_SIDE // 2 + np.stack([-way, way])) * 16).astype(np.int32)
    kernel = np.zeros((_SIDE, _SIDE), np.uint8)
    cv2.polylines(kernel, [ends], isClosed=False, color=255, lineType=cv2.LINE_AA, shift=4)
    return np.asarray(kernel / kernel.sum(dtype=np.float64), np.float32)
