"""Cracks in the paint layer: branches that keep their direction, and the fine net of old paint."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.restoration.damage.texture import Mask, Pixels, paint, scale, smooth_noise

_STEP = 5.0  # pixels at the reference side


def cracks(pixels: Pixels, rng: np.random.Generator) -> tuple[Pixels, Mask]:
    """Dark or pale cracks over 1 to 14 % of the picture: long branches or a fine net (craquelure)."""
    size = scale(pixels.shape)
    drawn = np.zeros(pixels.shape[:2], np.uint8)
    if rng.random() < 0.4:
        _net(drawn, size, rng)
    else:
        for _ in range(int(rng.integers(5, 12))):
            start = rng.uniform(0, 1, 2) * pixels.shape[1::-1]
            heading, steps = rng.uniform(0, 2 * np.pi), int(rng.integers(20, 60))
            _walk(drawn, start, heading, steps, width=rng.uniform(0.8, 2.8), size=size, rng=rng)
    shade = rng.uniform(0.02, 0.25) if rng.random() < 0.8 else rng.uniform(0.75, 0.95)
    tint = shade + rng.normal(0, 0.02, 3)
    depth = smooth_noise(pixels.shape, 12 * size, rng)[..., None] * 0.03
    opacity = drawn.astype(np.float32) * np.float32(rng.uniform(0.85, 1.0))
    return paint(pixels, (tint + depth).astype(np.float32), opacity)


def _net(drawn: NDArray[np.uint8], size: float, rng: np.random.Generator) -> None:
    """Borders between the regions nearest to scattered points, warped, and broken in places."""
    height, width = drawn.shape
    cell = rng.uniform(12, 40) * max(1.0, size)  # a line has one pixel at least
    count = max(2, round(height * width / cell**2))
    field = np.ones(drawn.shape, np.uint8)
    field[rng.integers(0, height, count), rng.integers(0, width, count)] = 0
    _, regions = cv2.distanceTransformWithLabels(field, cv2.DIST_L2, 5)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    bend = [smooth_noise(drawn.shape, cell / 2, rng, octaves=2) * cell * 0.12 for _ in range(2)]
    warped = cv2.remap(
        regions.astype(np.float32), x + bend[0], y + bend[1], cv2.INTER_NEAREST,
        borderMode=cv2.BORDER_REPLICATE,
    )  # fmt: skip
    border = np.zeros(drawn.shape, np.uint8)
    border[1:] = warped[1:] != warped[:-1]
    border[:, 1:] |= warped[:, 1:] != warped[:, :-1]
    whole = smooth_noise(drawn.shape, cell * 1.5, rng) < rng.uniform(0.3, 2.0)
    thickness = max(1, round(rng.uniform(0.6, 1.4) * size))
    if thickness > 1:
        border = np.asarray(cv2.dilate(border, np.ones((thickness, thickness), np.uint8)), np.uint8)
    drawn[:] = border & whole


def _walk(
    drawn: NDArray[np.uint8],
    start: NDArray[np.float64],
    heading: float,
    steps: int,
    *,
    width: float,
    size: float,
    rng: np.random.Generator,
) -> None:
    points = [start]
    drift = 0.0
    for step in range(steps):
        drift = 0.93 * drift + rng.normal(0, 0.12)  # comes back to the heading: no curls
        way = heading + drift + rng.normal(0, 0.35)  # jagged, since paint breaks
        points.append(points[-1] + _STEP * size * np.array([np.cos(way), np.sin(way)]))
        if rng.random() < 0.07 and width > 0.7 and steps - step > 6:
            side = way + rng.choice([-1, 1]) * rng.uniform(0.7, 1.5)
            left = (steps - step) // 2
            _walk(drawn, points[-1], side, left, width=width * 0.7, size=size, rng=rng)
    line = np.round(np.array(points)).astype(np.int32)
    thickness = int(np.clip(round(width * size), 1, max(1.0, 3 * size)))
    cv2.polylines(drawn, [line], isClosed=False, color=1, thickness=thickness, lineType=cv2.LINE_8)
