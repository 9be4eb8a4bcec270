"""Cracks in the paint layer: jagged branches, the net of old paint, the lattice of paint on a panel."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.damage.texture import Mask, Pixels, bezier, scale, shown, smooth_noise, stroke

_STEP = 5.0  # pixels at the reference side


def cracks(pixels: Pixels, rng: np.random.Generator) -> tuple[Pixels, Mask]:
    """Dark or pale cracks over 1 to 14 % of the picture: long branches or craquelure (a net, a lattice)."""
    size = scale(pixels.shape)
    drawn = np.zeros(pixels.shape[:2], np.uint8)
    form = rng.random()
    if form < 0.3:
        _net(drawn, size, rng)
    elif form < 0.6:
        _lattice(drawn, size, rng)
    else:
        for _ in range(int(rng.integers(5, 12))):
            start = rng.uniform(0, 1, 2) * pixels.shape[1::-1]
            heading, steps = rng.uniform(0, 2 * np.pi), int(rng.integers(20, 60))
            _walk(drawn, start, heading, steps, width=rng.uniform(0.8, 2.8), size=size, rng=rng)
    shade = rng.uniform(0.02, 0.25) if rng.random() < 0.8 else rng.uniform(0.75, 0.95)
    tint = shade + rng.normal(0, 0.02, 3)
    depth = smooth_noise(pixels.shape, 12 * size, rng)
    # Depth and dirt vary along a crack.
    strongest = rng.uniform(0.6, 1.0) if form < 0.6 else rng.uniform(0.85, 1.0)
    # Drawn lines fade out over two pixels; broken paint has hard edges.
    hard = np.clip(drawn * np.float32(1.6 / 255) - 0.45, 0.0, 1.0)
    opacity = hard * np.float32(strongest) * np.clip(0.85 + 0.15 * depth, 0.4, 1.0)
    colour = (tint + depth[..., None] * 0.03).astype(np.float32)
    return shown(pixels, pixels + (colour - pixels) * opacity[..., None])


def _net(drawn: NDArray[np.uint8], size: float, rng: np.random.Generator) -> None:
    """Borders of the Voronoi cells of random points, warped, and interrupted in places."""
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
    drawn[:] = (border & whole) * np.uint8(255)


def _lattice(drawn: NDArray[np.uint8], size: float, rng: np.random.Generator) -> None:
    """Cracks along the grain of a panel and bridges between them, each a Bezier curve of its own width."""
    height, width = drawn.shape
    long, short = rng.uniform(18, 48) * max(size, 0.6), rng.uniform(13, 30) * max(size, 0.6)
    angle = rng.choice([0.0, np.pi / 2]) + rng.normal(0, 0.12)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    reach = 0.5 * float(np.hypot(height, width))
    u = np.arange(-reach, reach + long, long)
    v = np.arange(-reach, reach + short, short)
    grid = np.stack(np.meshgrid(u, v, indexing="ij"), axis=-1)
    knots = (grid + rng.normal(0, 0.22, grid.shape) * (long, short)) @ turn + (width / 2, height / 2)
    keep_along, keep_across = rng.uniform(0.6, 0.97), rng.uniform(0.25, 0.8)
    widths = rng.uniform(0.8, 1.4) * size * rng.uniform(0.8, 1.2, 3)
    ends = [(knots[:-1], knots[1:], keep_along), (knots[:, :-1], knots[:, 1:], keep_across)]
    for first, last, keep in ends:
        starts, stops = first.reshape(-1, 2), last.reshape(-1, 2)
        middles = (starts + stops) / 2
        jag = rng.normal(0, 0.3 * short, (2, *starts.shape))
        kept = rng.random(len(starts)) < keep
        inside = ((middles > -long) & (middles < (width + long, height + long))).all(axis=1)
        strengths = rng.uniform(0.6, 1.0, len(starts))
        for number in np.flatnonzero(kept & inside):
            curve = bezier(np.stack([starts[number], *(middles[number] + jag[:, number]), stops[number]]), 7)
            stroke(drawn, curve, float(strengths[number]), float(widths[number % 3]))


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
        drift = 0.93 * drift + rng.normal(0, 0.12)  # returns to the heading, so that no curls arise
        way = heading + drift + rng.normal(0, 0.35)  # jagged, because paint breaks
        points.append(points[-1] + _STEP * size * np.array([np.cos(way), np.sin(way)]))
        if rng.random() < 0.07 and width > 0.7 and steps - step > 6:
            side = way + rng.choice([-1, 1]) * rng.uniform(0.7, 1.5)
            left = (steps - step) // 2
            _walk(drawn, points[-1], side, left, width=width * 0.7, size=size, rng=rng)
    # It is widest at its root and closes at its tip.
    thickness = float(np.clip(width * size, 0.8, max(1.0, 3 * size)))
    line = np.array(points)
    for part, share in ((line[: steps // 3 + 1], 1.0), (line[steps // 3 : 2 * steps // 3 + 1], 0.8)):
        stroke(drawn, part, 1.0, max(0.8, thickness * share))
    stroke(drawn, line[2 * steps // 3 :], 1.0, max(0.8, thickness * 0.5))
