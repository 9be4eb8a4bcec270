"""Noise: the grain of a poor scan; the whole picture changes."""

from __future__ import annotations

import numpy as np

from pipeline.damage.texture import Mask, Pixels


def noise(pixels: Pixels, rng: np.random.Generator) -> tuple[Pixels, Mask]:
    """Gaussian noise of 4 to 12 % of the range, partly grey; the mask is empty."""
    strength = rng.uniform(0.04, 0.12)
    shared = rng.standard_normal(pixels.shape[:2], np.float32)[..., None] * np.float32(0.6)
    grain = np.float32(strength) * (shared + np.float32(0.8) * rng.standard_normal(pixels.shape, np.float32))
    return np.clip(pixels + grain, 0, 1).astype(np.float32), np.zeros(pixels.shape[:2], np.bool_)
