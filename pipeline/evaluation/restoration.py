"""How well holes were filled: PSNR and SSIM inside and outside the mask, per kind and method."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.metrics import psnr
from pipeline.resampling.bootstrap import Interval, mean_interval

Pixels = NDArray[np.float32]  # (H, W, C), values in [0, 1]
Mask = NDArray[np.bool_]  # (H, W)


def ssim_map(pixels: Pixels, truth: Pixels) -> NDArray[np.float64]:
    """Structural similarity at every pixel (H, W), mean of the channels (Wang et al. 2004)."""
    from skimage.metrics import structural_similarity

    _, similarity = structural_similarity(  # type: ignore[no-untyped-call]
        pixels,
        truth,
        channel_axis=2,
        data_range=1.0,
        full=True,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )
    return np.asarray(similarity.mean(axis=2), np.float64)


def score(pixels: Pixels, truth: Pixels, mask: Mask) -> dict[str, float]:
    """The metrics of one filled picture.

    Returns:
        psnr and ssim inside the mask, psnr_outside, and ssim_whole of the whole picture.
    """
    similarity = ssim_map(pixels, truth)
    return {
        "psnr": psnr(pixels, truth, mask),
        "ssim": float(similarity[mask].mean()) if mask.any() else float("nan"),
        "psnr_outside": psnr(pixels, truth, ~mask),
        "ssim_whole": float(similarity.mean()),
    }


def summary(table: pd.DataFrame, by: str, figure: str) -> dict[str, dict[str, Interval]]:
    """Means with bootstrap intervals over pictures: by's value -> method -> interval.

    Args:
        table: one row per picture, kind and method, with the columns `by`, method and `figure`.
        by: the column to group by.
        figure: the column to average; rows where it is not defined are left out.
    """
    found: dict[str, dict[str, Interval]] = {}
    for (group, method), rows in table.dropna(subset=figure).groupby([by, "method"], sort=False):
        found.setdefault(str(group), {})[str(method)] = mean_interval(rows[figure].to_numpy())
    return found


def best_methods(table: pd.DataFrame, by: str) -> dict[str, dict[str, Any]]:
    """The method with the highest mean PSNR for each value of `by`, and all their means."""
    means = table.dropna(subset="psnr").groupby([by, "method"], sort=False)["psnr"].mean()
    return {
        str(group): {
            "best": str(figures.droplevel(0).idxmax()),
            "psnr": {str(method): round(float(v), 3) for (_, method), v in figures.items()},
        }
        for group, figures in means.groupby(level=0, sort=False)
    }
