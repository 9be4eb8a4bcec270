"""Scratches: long, thin, nearly straight strokes, most of them in one direction."""

from __future__ import annotations

import numpy as np

from pipeline.damage.texture import Mask, Pixels, bezier, scale, shown, stroke

_PARTS = 16  # of a scratch, each with random pressure


def scratches(pixels: Pixels, rng: np.random.Generator) -> tuple[Pixels, Mask]:
    """Pale or dark scratches, quadratic Bezier curves, 1 to 2 pixels wide at 384, with gaps and thin ends."""
    size = scale(pixels.shape)
    height, width = pixels.shape[:2]
    drawn = np.zeros((height, width), np.uint8)
    direction = rng.uniform(0, np.pi)
    for _ in range(int(rng.integers(6, 19))):
        angle = direction + rng.normal(0, 0.25)
        length = rng.uniform(0.1, 0.7) * max(height, width)
        way = length * np.array([np.cos(angle), np.sin(angle)])
        start = rng.uniform(0, 1, 2) * (width, height) - way / 2
        bend = start + way / 2 + rng.normal(0, 0.03 * length, 2)
        curve = bezier(np.stack([start, bend, start + way]), 2 * _PARTS + 1)
        broad, strength = rng.uniform(0.6, 2.2) * size, rng.uniform(0.7, 1.0)
        # The pressure is highest in the middle.
        pressure = np.sin(np.linspace(0.12, 0.88, _PARTS) * np.pi) ** 0.6 * rng.uniform(0.7, 1.1, _PARTS)
        pressure[rng.random(_PARTS) < 0.08] = 0
        for part, press in enumerate(np.minimum(pressure, 1.0)):
            if press > 0:
                piece = curve[2 * part : 2 * part + 3]
                stroke(drawn, piece, strength * (0.5 + 0.5 * press), max(0.6, broad * press))
    shade = rng.uniform(0.75, 0.98) if rng.random() < 0.7 else rng.uniform(0.03, 0.2)
    colour = (shade + rng.normal(0, 0.02, 3)).astype(np.float32)
    opacity = drawn[..., None] * np.float32(1 / 255)
    return shown(pixels, pixels + (colour - pixels) * opacity)
