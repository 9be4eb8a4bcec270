"""Scratches: long, thin, nearly straight strokes, most of them in one direction."""

from __future__ import annotations

import cv2
import numpy as np

from pipeline.restoration.damage.texture import Mask, Pixels, paint, scale


def scratches(pixels: Pixels, rng: np.random.Generator) -> tuple[Pixels, Mask]:
    """Pale or dark scratches, quadratic Bezier curves, 1 to 2 pixels wide at 384."""
    size = scale(pixels.shape)
    height, width = pixels.shape[:2]
    strength = np.zeros((height, width), np.float32)
    direction = rng.uniform(0, np.pi)
    for _ in range(int(rng.integers(6, 19))):
        angle = direction + rng.normal(0, 0.25)
        length = rng.uniform(0.1, 0.7) * max(height, width)
        way = length * np.array([np.cos(angle), np.sin(angle)])
        start = rng.uniform(0, 1, 2) * (width, height) - way / 2
        bend = start + way / 2 + rng.normal(0, 0.03 * length, 2)
        t = np.linspace(0, 1, 24)[:, None]
        curve = (1 - t) ** 2 * start + 2 * t * (1 - t) * bend + t**2 * (start + way)
        thickness = max(1, round(rng.uniform(0.6, 2.2) * size))
        cv2.polylines(
            strength,
            [np.round(curve).astype(np.int32)],
            isClosed=False,
            color=float(rng.uniform(0.7, 1.0)),
            thickness=thickness,
            lineType=cv2.LINE_8,
        )
    shade = rng.uniform(0.75, 0.98) if rng.random() < 0.7 else rng.uniform(0.03, 0.2)
    return paint(pixels, (shade + rng.normal(0, 0.02, 3)).astype(np.float32), strength)
