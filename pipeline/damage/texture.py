"""Random fields and paint that several layers of damage share."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.float32]  # (H, W, 3), values in [0, 1]
Mask = NDArray[np.bool_]  # (H, W)

REFERENCE_SIDE = 384  # pixels of the longer side at which sizes are stated
FAINT = 1.5 / 255  # an invisible change


def scale(shape: tuple[int, ...]) -> float:
    """The ratio of a picture's longer side to REFERENCE_SIDE, for which sizes are stated."""
    return max(shape[:2]) / REFERENCE_SIDE


def smooth_noise(
    shape: tuple[int, ...], cell: float, rng: np.random.Generator, octaves: int = 1
) -> NDArray[np.float32]:
    """A smooth random field (H, W) of about zero mean and unit variance.

    Args:
        shape: (H, W, …).
        cell: pixels between two independent values of the coarsest octave.
        rng: the source of randomness.
        octaves: fields added, each of half the cell and half the strength of the one before.
    """
    height, width = shape[:2]
    total = np.zeros((height, width), np.float32)
    for octave in range(octaves):
        size = max(1.0, cell / 2**octave)
        rows, columns = int(np.ceil(height / size)) + 3, int(np.ceil(width / size)) + 3
        grid = rng.standard_normal((rows, columns)).astype(np.float32)
        whole = cv2.resize(
            grid,
            (int(np.ceil(columns * size)), int(np.ceil(rows * size))),
            interpolation=cv2.INTER_CUBIC,
        )
        total += whole[:height, :width] / 2**octave
    deviation = float(total.std())
    return total / deviation if deviation > 0 else total


def blotches(
    shape: tuple[int, ...], share: float, count: int, rng: np.random.Generator, ragged: float
) -> Mask:
    """Blots with ragged outlines that together cover a share of the picture.

    Args:
        shape: (H, W, …).
        share: covered part of the area, in (0, 1).
        count: number of centres; blots that touch run together.
        rng: the source of randomness.
        ragged: 0 = round, 1 = very irregular.
    """
    height, width = shape[:2]
    y, x = np.mgrid[:height, :width].astype(np.float32)
    radius = np.sqrt(share * height * width / (np.pi * count))
    closeness = np.full((height, width), -np.inf, np.float32)
    for _ in range(count):
        cy, cx = rng.uniform(0, height), rng.uniform(0, width)
        size = radius * rng.lognormal(0.0, 0.5)
        stretch, angle = rng.uniform(1.0, 2.2), rng.uniform(0, np.pi)
        u = (x - cx) * np.cos(angle) + (y - cy) * np.sin(angle)
        v = (y - cy) * np.cos(angle) - (x - cx) * np.sin(angle)
        distance = np.sqrt((u / stretch) ** 2 + (v * stretch) ** 2) / size
        closeness = np.maximum(closeness, -distance)
    outline = closeness + ragged * smooth_noise(shape, max(4.0, radius * 0.8), rng, octaves=4) * 0.45
    return np.asarray(outline >= np.quantile(outline, 1.0 - share), np.bool_)


def paint(pixels: Pixels, colour: NDArray[np.float32], opacity: NDArray[np.float32]) -> tuple[Pixels, Mask]:
    """Blend a colour (3,) or (H, W, 3) over a picture: the result, and which pixels changed."""
    alpha = opacity[..., None].astype(np.float32)
    covered = opacity > 0
    mixed = np.clip(pixels * (1 - alpha) + colour * alpha, 0.0, 1.0).astype(np.float32)
    damaged = np.where(covered[..., None], mixed, pixels)
    return damaged, in_any_channel(damaged != pixels)


def shown(before: Pixels, after: Pixels) -> tuple[Pixels, Mask]:
    """A damaged picture without changes that are too faint to see, and which pixels changed.

    Soft edges never end exactly; a mask holds only visible changes.
    """
    held = np.clip(after, 0.0, 1.0).astype(np.float32)
    changed = in_any_channel(np.abs(held - before) > FAINT)
    return np.where(changed[..., None], held, before), changed


def in_any_channel(places: NDArray[np.bool_]) -> Mask:
    """Where one channel of (H, W, 3) is true at least; any(axis=2) takes ten times as long."""
    return np.asarray(places[..., 0] | places[..., 1] | places[..., 2], np.bool_)


def bezier(points: NDArray[np.float64], steps: int) -> NDArray[np.float64]:
    """A Bezier curve (steps, 2) of any degree, from its control points (N, 2), N >= 2."""
    t = np.linspace(0, 1, steps)[:, None, None]
    curve = np.broadcast_to(points, (steps, *points.shape))
    while curve.shape[1] > 1:  # de Casteljau
        curve = curve[:, :-1] * (1 - t) + curve[:, 1:] * t
    return np.asarray(curve[:, 0])


def stroke(canvas: NDArray[np.uint8], points: NDArray[np.float64], strength: float, width: float) -> None:
    """Draw a line (N, 2) of (x, y) with soft edges into a canvas (H, W).

    A line thinner than a pixel becomes fainter instead. `strength` in [0, 1] becomes 0 to 255.
    """
    thickness = max(1, round(width))
    faint = min(1.0, width / thickness)
    fixed = np.round(points * 16).astype(np.int32)
    cv2.polylines(
        canvas, [fixed], isClosed=False, color=round(255 * strength * faint), thickness=thickness,
        lineType=cv2.LINE_AA, shift=4,
    )  # fmt: skip
