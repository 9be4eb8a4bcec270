"""Foxing: rusty spots of mould and iron in paper, soft at the edges, in clusters."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.damage.texture import Mask, Pixels, scale, shown, smooth_noise

_LIGHT_LEFT = ((0.62, 0.40, 0.20), (0.70, 0.52, 0.32), (0.52, 0.34, 0.20))  # of red, green, blue


def foxing(pixels: Pixels, rng: np.random.Generator) -> tuple[Pixels, Mask]:
    """20 to 90 spots of 1 to 7 pixels' radius at 384 that absorb blue and green light."""
    size = scale(pixels.shape)
    height, width = pixels.shape[:2]
    density = np.zeros((height, width), np.float32)
    uneven = smooth_noise(pixels.shape, 5 * size, rng, octaves=2)
    clusters = rng.uniform(0, 1, (int(rng.integers(2, 6)), 2)) * (height, width)
    spread = rng.uniform(0.06, 0.2) * max(height, width)
    for _ in range(int(rng.integers(20, 91))):
        if rng.random() < 0.65:
            centre = clusters[int(rng.integers(len(clusters)))] + rng.normal(0, spread, 2)
        else:
            centre = rng.uniform(0, 1, 2) * (height, width)
        radius = float(np.clip(rng.lognormal(0.75, 0.55), 0.9, 7.0)) * max(size, 0.5)
        _spot(density, centre, radius, rng.uniform(0.35, 1.0), uneven)
    swallowed = np.log(np.array(_LIGHT_LEFT[int(rng.integers(len(_LIGHT_LEFT)))], np.float32))
    # Beer-Lambert law: the transmitted light falls exponentially with the absorbing matter.
    return shown(pixels, pixels * np.exp(density[..., None] * swallowed * np.float32(rng.uniform(0.8, 1.4))))


def _spot(
    density: NDArray[np.float32],
    centre: NDArray[np.float64],
    radius: float,
    strength: float,
    uneven: NDArray[np.float32],
) -> None:
    """A dark core in a pale, irregular halo of twice its radius."""
    reach = int(np.ceil(2.6 * radius))
    top, left = (round(place) - reach for place in centre)
    rows = slice(max(0, top), max(0, top + 2 * reach + 1))
    columns = slice(max(0, left), max(0, left + 2 * reach + 1))
    place = density[rows, columns]
    y = np.arange(rows.start, rows.start + place.shape[0], dtype=np.float32)[:, None] - np.float32(centre[0])
    x = np.arange(columns.start, columns.start + place.shape[1], dtype=np.float32) - np.float32(centre[1])
    away = np.sqrt(x * x + y * y) / np.float32(radius) + 0.25 * uneven[rows, columns]
    core = 1 / (1 + np.exp((away - 1) * 5))
    halo = np.maximum(0, 1 - away / 2.4) ** 2
    np.maximum(place, strength * (0.75 * core + 0.45 * halo), out=place)
