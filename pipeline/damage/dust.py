"""Dust: specks on the picture or on the glass of the scanner, out of focus or sharp."""

from __future__ import annotations

import cv2
import numpy as np

from pipeline.damage.texture import Mask, Pixels, scale, shown, stroke


def dust(pixels: Pixels, rng: np.random.Generator) -> tuple[Pixels, Mask]:
    """40 to 300 pale, seldom dark, specks and short fibres of 0.5 to 2.5 pixels at 384."""
    size = scale(pixels.shape)
    height, width = pixels.shape[:2]
    opacity = np.zeros((height, width), np.uint8)
    count = int(rng.integers(40, 301))
    places = rng.uniform(0, 1, (count, 2)) * (width, height)
    radii = np.clip(rng.lognormal(-0.35, 0.45, count), 0.45, 2.5) * size
    strengths = rng.uniform(0.45, 0.95, count)
    for place, radius, strength in zip(places, radii, strengths, strict=True):
        if rng.random() < 0.12:
            way = rng.normal(0, 2.5 * size, (3, 2))
            stroke(opacity, place + np.cumsum(way, axis=0), strength, 0.8 * size)
            continue
        # A speck smaller than a pixel is fainter instead.
        faint = min(1.0, (radius / 0.6) ** 2)
        cv2.ellipse(
            opacity, tuple(np.round(place * 16).astype(int).tolist()),
            tuple(max(8, round(16 * radius * stretch)) for stretch in rng.uniform(0.6, 1.3, 2)),
            float(rng.uniform(0, 180)), 0, 360, round(255 * strength * faint), -1, cv2.LINE_AA, 4,
        )  # fmt: skip
    if rng.random() < 0.5:  # on the glass, out of focus
        opacity = np.asarray(
            cv2.GaussianBlur(opacity, (0, 0), rng.uniform(0.4, 0.9) * max(size, 0.6)), np.uint8
        )
    shade = rng.uniform(0.78, 0.95) if rng.random() < 0.75 else rng.uniform(0.05, 0.2)
    colour = (shade + rng.normal(0, 0.015, 3)).astype(np.float32)
    alpha = opacity[..., None].astype(np.float32) * np.float32(1 / 255)
    return shown(pixels, pixels + (colour - pixels) * alpha)
