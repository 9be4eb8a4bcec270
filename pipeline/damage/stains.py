"""Stains: blots of damp with a tide line, or half-transparent soot, grease and old overpaint."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.damage.texture import (
    Mask,
    Pixels,
    blotches,
    paint,
    scale,
    shown,
    smooth_noise,
)

_TINTS = ((0.30, 0.20, 0.08), (0.42, 0.34, 0.16), (0.12, 0.11, 0.10), (0.78, 0.76, 0.70))
_LIGHT_LEFT = ((0.72, 0.58, 0.38), (0.66, 0.56, 0.42), (0.58, 0.52, 0.46))  # of red, green, blue


def stains(pixels: Pixels, rng: np.random.Generator) -> tuple[Pixels, Mask]:
    """Blots over 3 to 9 % of the area, darker at the rim.

    Half of the stains are damp, which absorbs light; the others are a layer of 30 to 80 % opacity.
    """
    size = scale(pixels.shape)
    share = rng.uniform(0.03, 0.09)
    wet = blotches(pixels.shape, share, int(rng.integers(2, 7)), rng, rng.uniform(0.15, 0.45))
    inward = cv2.distanceTransform(wet.astype(np.uint8), cv2.DIST_L2, 3) / np.float32(4 * size)
    uneven = smooth_noise(pixels.shape, 24 * size, rng, octaves=2)
    if rng.random() < 0.5:
        return _damp(pixels, wet, inward, uneven, rng)
    rim = np.exp(-inward) * rng.uniform(0.0, 0.3)
    opacity = np.clip(rng.uniform(0.35, 0.65) + rim + uneven * 0.06, 0.3, 0.8) * wet
    tint = np.array(_TINTS[int(rng.integers(len(_TINTS)))], np.float32)
    return paint(pixels, tint, opacity.astype(np.float32))


def _damp(
    pixels: Pixels,
    wet: Mask,
    inward: NDArray[np.float32],
    uneven: NDArray[np.float32],
    rng: np.random.Generator,
) -> tuple[Pixels, Mask]:
    """A damp stain: water carried dirt to the edge of the blot and left it there."""
    swallowed = np.log(np.array(_LIGHT_LEFT[int(rng.integers(len(_LIGHT_LEFT)))], np.float32))
    tide = np.exp(-inward * np.float32(rng.uniform(1.0, 2.5))) * np.float32(rng.uniform(0.5, 1.2))
    density = np.clip(np.float32(rng.uniform(0.45, 1.0)) + tide + 0.1 * uneven, 0.3, 2.2) * wet
    return shown(pixels, pixels * np.exp(density[..., None] * swallowed))
