"""Creases: folds of paper or canvas; the paint is worn off along the ridge."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.damage.texture import Mask, Pixels, scale, shown, smooth_noise

_PAPERS = ((0.93, 0.90, 0.84), (0.85, 0.78, 0.66), (0.70, 0.64, 0.54))


def creases(pixels: Pixels, rng: np.random.Generator) -> tuple[Pixels, Mask]:
    """One to three folds, across the whole picture or part of it: a worn ridge between light and shade."""
    size = scale(pixels.shape)
    height, width = pixels.shape[:2]
    # Most folds are parallel to a side of the picture.
    direction = (
        rng.choice([0.0, np.pi / 2]) + rng.normal(0, 0.06) if rng.random() < 0.6 else rng.uniform(0, np.pi)
    )
    paper = np.array(_PAPERS[int(rng.integers(len(_PAPERS)))], np.float32)
    wear = smooth_noise(pixels.shape, 9 * size, rng, octaves=3)
    result = pixels
    for number in range(int(rng.integers(1, 4))):
        angle = direction + rng.normal(0, 0.03) + (np.pi / 2 if number and rng.random() < 0.4 else 0.0)
        middle = rng.uniform(0.15, 0.85, 2) * (width, height)
        along, across = _axes(pixels.shape, middle, angle)
        across = across + _bend(along, size, rng)
        reach = rng.uniform(3.0, 7.0) * size  # of light and shade, to each side
        near = np.abs(across) < max(reach, 1.5)
        if rng.random() < 0.35:  # a crease that ends inside the picture
            near &= np.abs(along) < rng.uniform(0.2, 0.45) * max(height, width)
        result = _fold(result, near, across, wear, reach, rng.uniform(0.2, 1.5) * size, paper, rng)
    return shown(pixels, result)


def _fold(
    pixels: Pixels,
    near: Mask,
    across: NDArray[np.float32],
    wear: NDArray[np.float32],
    reach: float,
    core: float,
    paper: NDArray[np.float32],
    rng: np.random.Generator,
) -> Pixels:
    """Shade the slopes of a fold, then expose the paper along its ridge."""
    distance = across[near]
    height = 1 - np.minimum(np.abs(distance) / max(reach, 1.5), 1)
    slope = np.sign(distance) * height**2 * rng.choice([-1, 1]) * rng.uniform(0.10, 0.28)
    worn = np.clip((core * (0.7 + 0.8 * wear[near]) - np.abs(distance)) / max(0.5, 0.3 * core) + 0.5, 0, 1)
    worn *= rng.uniform(0.75, 1.0)
    shaded = pixels[near] * (1 + slope)[:, None] + (0.12 * np.maximum(slope, 0))[:, None]
    result = pixels.copy()
    result[near] = shaded * (1 - worn)[:, None] + paper * worn[:, None]
    return result


def _axes(
    shape: tuple[int, ...], middle: NDArray[np.float64], angle: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """For every pixel, the position along a line and the distance from it, (H, W) each."""
    x = np.arange(shape[1], dtype=np.float32) - np.float32(middle[0])
    y = (np.arange(shape[0], dtype=np.float32) - np.float32(middle[1]))[:, None]
    sine, cosine = np.float32(np.sin(angle)), np.float32(np.cos(angle))
    return x * cosine + y * sine, y * cosine - x * sine


def _bend(along: NDArray[np.float32], size: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Bend a fold, which is rarely straight: a long wave plus a short one."""
    phases = rng.uniform(0, 2 * np.pi, 2)
    long, short = rng.uniform(150, 400) * size, rng.uniform(15, 40) * size
    sway = np.sin(along * np.float32(2 * np.pi / long) + np.float32(phases[0])) * np.float32(
        rng.uniform(0, 3) * size
    )
    tremble = np.sin(along * np.float32(2 * np.pi / short) + np.float32(phases[1])) * np.float32(0.4 * size)
    return np.asarray(sway + tremble, np.float32)
