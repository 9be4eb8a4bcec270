"""Peak signal-to-noise ratio, one definition and one ceiling for training, evaluation and reports."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

CEILING = 100.0  # dB; the value for equal pictures, so a mean stays finite


def psnr(
    pixels: NDArray[Any], truth: NDArray[Any], mask: NDArray[np.bool_] | None = None, peak: float = 1.0
) -> float:
    """Peak signal-to-noise ratio in dB, at most CEILING; NaN when the mask is empty.

    Args:
        pixels, truth: (H, W, C), or any equal shape without a mask; values in [0, peak].
        mask: (H, W), the pixels to compare; None: all of them.
        peak: the largest value, 1 for floats and 255 for 8 bit.
    """
    if mask is not None:
        pixels, truth = pixels[mask], truth[mask]
    if not pixels.size:
        return float("nan")
    error = float(np.mean(np.square(pixels.astype(np.float64) - truth))) / peak**2
    return CEILING if error == 0 else min(CEILING, -10 * float(np.log10(error)))


def decibels(errors: Tensor) -> Tensor:
    """Mean squared errors of values in [0, 1] as PSNR in dB, at most CEILING; any shape."""
    return -10 * errors.clamp(min=10 ** (-CEILING / 10)).log10()
