"""Varnish: yellowed resin absorbs blue light, and its worn surface scatters a grey haze."""

from __future__ import annotations

import cv2
import numpy as np

from pipeline.damage.texture import Mask, Pixels, scale, smooth_noise

_GAMMA = 2.2  # approximately that of sRGB: absorption and haze act on linear light


def varnish(pixels: Pixels, rng: np.random.Generator) -> tuple[Pixels, Mask]:
    """Yellow and haze over the whole picture, a little uneven; the mask is empty.

    In linear light: red, green and blue keep 84 to 98, 60 to 90 and 19 to 61 % of their light; haze
    adds 0.4 to 3.5 % of white light, of the varnish's tint.
    """
    red = rng.uniform(0.84, 0.98)
    green = red * rng.uniform(0.72, 0.92)
    left = np.array([red, green, green * rng.uniform(0.32, 0.68)], np.float32)
    haze = np.float32(rng.uniform(0.004, 0.035)) * np.sqrt(left)
    layer = 1 + np.float32(0.05) * smooth_noise(pixels.shape, 110 * scale(pixels.shape), rng)[..., None]
    light = cv2.pow(pixels, _GAMMA) * (1 - (1 - left) * layer) + haze * layer
    aged = cv2.pow(np.clip(light, 0, 1), 1 / _GAMMA)
    return np.clip(aged, 0, 1).astype(np.float32), np.zeros(pixels.shape[:2], np.bool_)
