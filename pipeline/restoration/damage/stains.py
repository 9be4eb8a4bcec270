"""Stains: half-transparent blots of damp, varnish or soot with a darker rim."""

from __future__ import annotations

import cv2
import numpy as np

from pipeline.restoration.damage.texture import Mask, Pixels, blotches, paint, scale, smooth_noise

_TINTS = ((0.30, 0.20, 0.08), (0.42, 0.34, 0.16), (0.12, 0.11, 0.10), (0.78, 0.76, 0.70))


def stains(pixels: Pixels, rng: np.random.Generator) -> tuple[Pixels, Mask]:
    """Blots of 30 to 80 % opacity over 3 to 9 % of the area."""
    size = scale(pixels.shape)
    share = rng.uniform(0.03, 0.09)
    wet = blotches(pixels.shape, share, int(rng.integers(2, 7)), rng, rng.uniform(0.15, 0.45))
    inward = cv2.distanceTransform(wet.astype(np.uint8), cv2.DIST_L2, 3) / np.float32(4 * size)
    rim = np.exp(-inward) * rng.uniform(0.0, 0.3)
    uneven = smooth_noise(pixels.shape, 24 * size, rng, octaves=2) * 0.06
    opacity = np.clip(rng.uniform(0.35, 0.65) + rim + uneven, 0.3, 0.8) * wet
    tint = np.array(_TINTS[int(rng.integers(len(_TINTS)))], np.float32)
    return paint(pixels, tint, opacity.astype(np.float32))
