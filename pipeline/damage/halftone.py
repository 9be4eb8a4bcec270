"""Halftone: the dots of a printed reproduction that was scanned; the whole picture changes."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.damage.texture import Mask, Pixels

_ANGLES = (15.0, 75.0, 0.0)  # degrees, of the screens of cyan, magenta and yellow in offset print


def halftone(pixels: Pixels, rng: np.random.Generator) -> tuple[Pixels, Mask]:
    """Three rotated screens of dots, 2.5 to 6 pixels apart, slightly blurred; the mask is empty."""
    period, turn = rng.uniform(2.5, 6.0), rng.uniform(-5, 5)
    hard = rng.uniform(2.0, 6.0)
    strength = np.float32(rng.uniform(0.35, 0.9))
    dots = np.empty_like(pixels)
    for channel, angle in enumerate(_ANGLES):
        screen = _screen(pixels.shape, period, np.deg2rad(angle + turn), rng.uniform(0, 2 * np.pi, 2))
        # Ink lies where the picture is darker than the screen.
        dots[..., channel] = np.clip(0.5 + np.float32(hard) * (pixels[..., channel] - screen), 0, 1)
    soft = cv2.GaussianBlur(dots, (0, 0), 0.2 * period)
    printed = pixels + strength * (soft - pixels)
    return np.clip(printed, 0, 1).astype(np.float32), np.zeros(pixels.shape[:2], np.bool_)


def _screen(
    shape: tuple[int, ...], period: float, angle: float, phases: NDArray[np.float64]
) -> NDArray[np.float32]:
    """A grid of hills (H, W) in [0.05, 0.95]; the angle's sums are products of two lines' values."""
    step = 2 * np.pi / period
    x, y = np.arange(shape[1]) * step, np.arange(shape[0])[:, None] * step
    sine, cosine = np.sin(angle), np.cos(angle)

    def wave(along: float, down: float, phase: float) -> NDArray[np.float32]:
        column = np.exp(1j * (y * down + phase)).astype(np.complex64)
        row = np.exp(1j * x * along).astype(np.complex64)
        return np.asarray(column.real * row.real - column.imag * row.imag, np.float32)

    hills = wave(cosine, sine, phases[0]) + wave(-sine, cosine, phases[1])
    return np.asarray(0.5 + 0.225 * hills, np.float32)
