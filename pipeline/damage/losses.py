"""Losses: flakes of paint fallen off, so that the ground or the canvas shows."""

from __future__ import annotations

import numpy as np

from pipeline.damage.texture import Mask, Pixels, blotches, paint, scale, smooth_noise

_GROUNDS = ((0.90, 0.87, 0.80), (0.80, 0.71, 0.56), (0.62, 0.58, 0.52), (0.36, 0.28, 0.22))


def losses(pixels: Pixels, rng: np.random.Generator) -> tuple[Pixels, Mask]:
    """Ragged flakes over 2 to 6 % of the area that expose a pale, ochre or brown ground.

    The edge of the remaining paint casts a narrow shadow into the hole.
    """
    size = scale(pixels.shape)
    share = rng.uniform(0.02, 0.06)
    fallen = blotches(pixels.shape, share, int(rng.integers(4, 15)), rng, rng.uniform(0.6, 1.2))
    ground = np.array(_GROUNDS[int(rng.integers(len(_GROUNDS)))])
    grain = smooth_noise(pixels.shape, 3 * size, rng, octaves=2)[..., None] * 0.04
    step = max(1, round(1.2 * size))
    down, right = rng.choice([-step, step], 2)
    lit = np.roll(fallen, (int(down), int(right)), (0, 1))
    shadow = 1 - np.float32(rng.uniform(0.1, 0.45)) * (fallen & ~lit)
    return paint(pixels, ((ground + grain) * shadow[..., None]).astype(np.float32), fallen.astype(np.float32))
