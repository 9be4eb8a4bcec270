"""Hair: hairs and fibres that lay on the picture or on the scanner's glass."""

from __future__ import annotations

import cv2
import numpy as np

from pipeline.damage.texture import Mask, Pixels, bezier, scale, shown, stroke


def hair(pixels: Pixels, rng: np.random.Generator) -> tuple[Pixels, Mask]:
    """Two to eight curved hairs (Bezier curves of the third to fifth degree) with a faint shadow."""
    size = scale(pixels.shape)
    height, width = pixels.shape[:2]
    opacity = np.zeros((height, width), np.uint8)
    for _ in range(int(rng.integers(2, 9))):
        length = rng.uniform(35, 180) * size
        # The control points keep turning the same way: a hair is elastic and curls without kinks.
        turn, heading = rng.normal(0, 0.9), rng.uniform(0, 2 * np.pi)
        degree = int(rng.integers(3, 6))
        ways = heading + turn * np.arange(degree) + rng.normal(0, 0.35, degree)
        legs = np.stack([np.cos(ways), np.sin(ways)], axis=1) * length / degree
        start = rng.uniform(-0.05, 1.05, 2) * (width, height) - legs.sum(axis=0) / 2
        points = np.concatenate([start[None], start + np.cumsum(legs, axis=0)])
        stroke(opacity, bezier(points, 48), rng.uniform(0.6, 0.95), rng.uniform(0.6, 1.3) * size)
    dark = rng.random() < 0.7
    colour = np.array([0.13, 0.10, 0.08] if dark else [0.86, 0.85, 0.82], np.float32)
    colour += rng.normal(0, 0.02, 3).astype(np.float32)
    shadow = np.zeros_like(opacity)
    step = max(1, round(1.2 * size))
    shadow[step:, step:] = opacity[:-step, :-step]
    soft = cv2.GaussianBlur(shadow, (0, 0), 0.8 * max(size, 0.5)).astype(np.float32) / 255
    shaded = pixels * (1 - np.float32(rng.uniform(0.0, 0.3)) * soft)[..., None]
    alpha = opacity[..., None].astype(np.float32) * np.float32(1 / 255)
    laid = shaded + (colour - shaded) * alpha
    return shown(pixels, laid.astype(np.float32))
