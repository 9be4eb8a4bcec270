"""Fading: pigments bleached by light; the whole picture changes."""

from __future__ import annotations

import numpy as np

from pipeline.damage.texture import Mask, Pixels


def fading(pixels: Pixels, rng: np.random.Generator) -> tuple[Pixels, Mask]:
    """A gain and a gamma per channel, blacks lifted, less contrast; the mask is empty.

    One degree of fading controls all of them: a bleached picture is paler in its shadows, its middle tones
    and its range. Organic reds and blues fade first, each by its own amount, which leaves a colour cast.
    """
    degree = rng.uniform(0.35, 1.0)
    gamma = (1 - degree * rng.uniform(0.18, 0.30)) * rng.uniform(0.96, 1.04, 3)
    gain = (1 - degree * rng.uniform(0.08, 0.20)) * (1 - degree * rng.uniform(0.0, 0.13, 3))
    lift = degree * rng.uniform(0.11, 0.19) * rng.uniform(0.85, 1.15, 3)
    curves = np.power(pixels, gamma.astype(np.float32)) * (gain * (1 - lift)).astype(np.float32)
    faded = curves + lift.astype(np.float32)
    return np.clip(faded, 0, 1).astype(np.float32), np.zeros(pixels.shape[:2], np.bool_)
