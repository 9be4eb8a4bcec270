"""Fading: pigments bleached by light and varnish gone yellow; the whole picture changes."""

from __future__ import annotations

import numpy as np

from pipeline.restoration.damage.texture import Mask, Pixels


def fading(pixels: Pixels, rng: np.random.Generator) -> tuple[Pixels, Mask]:
    """A gain and a gamma per channel, less contrast, a yellow cast; the mask is empty."""
    gamma = rng.uniform(0.75, 1.1, 3)
    gain = np.array([rng.uniform(0.92, 1.0), rng.uniform(0.86, 0.98), rng.uniform(0.65, 0.9)])
    lift = rng.uniform(0.04, 0.16)
    faded = lift + (1 - lift) * np.power(pixels, gamma) * gain
    return np.clip(faded, 0, 1).astype(np.float32), np.zeros(pixels.shape[:2], np.bool_)
