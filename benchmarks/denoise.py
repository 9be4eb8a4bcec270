"""Measure denoisers: Gaussian noise on paintings, clipped and rounded to 8 bit, then taken away.

    python benchmarks/denoise.py --limit 5
    python benchmarks/denoise.py --images DIR --sigma 25 --methods learnt bm3d --json

Pictures are the originals of the demo's test split, or those of a folder. The methods are told the level
of the noise, all but `blind`, which is the learnt one with its own estimate. `bm3d` (Dabov et al. 2007,
with colours) takes part where the package bm3d is installed; it is slow: minutes a picture. `nlm` is
scikit-image's non-local means (Buades et al. 2005), its careful version with the settings it recommends.
The table shows PSNR (dB) and SSIM of whole pictures with 95 % bootstrap intervals over pictures, and
seconds of CPU time per megapixel, one thread each.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd
from improving import add_arguments, chosen, middle, one_thread, print_table, report, ssim, timed, whole

from pipeline import paths
from pipeline.errors import PentimentoError
from pipeline.metrics import psnr
from pipeline.progress import track
from pipeline.recipes.pictures import Picture
from pipeline.restoration.methods.interface import Pixels, Preview
from pipeline.restoration.methods.learnt_enhancer import LearntEnhancer

METHODS = ("learnt", "blind", "nlm", "bm3d")
Method = Callable[[Pixels, float], Pixels]  # a noisy picture and its noise's deviation to a clean one


def main() -> None:
    """Parse the command line, denoise every picture by every method, print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_arguments(parser)
    parser.add_argument("--sigma", type=float, nargs="+", default=[15.0, 25.0], help="of 255")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--model", type=Path, default=paths.PRETRAINED / "enhancer", metavar="DIR")
    parser.add_argument("--seed", type=int, default=0, help="of the noise")
    arguments = parser.parse_args()
    one_thread()
    table = measure(chosen(arguments), arguments.sigma, methods(arguments), arguments.seed)
    found = report(table, "sigma", "noisy")
    print(json.dumps(found, indent=1)) if arguments.json else print_table(found, "sigma", "noisy")


def measure(
    pictures: list[Picture], sigmas: list[float], methods: dict[str, Method], seed: int
) -> pd.DataFrame:
    """One row of figures per picture, level of noise and method."""
    rows: list[dict[str, Any]] = []
    for number, picture in enumerate(track(pictures, "denoise")):
        truth = picture.astype(np.float32) / np.float32(255)
        for sigma in sigmas:
            rng = np.random.default_rng([seed, number, round(100 * sigma)])
            noise = rng.normal(0, sigma / 255, truth.shape)
            noisy = np.asarray(np.rint(np.clip(truth + noise, 0, 1) * 255) / 255, np.float32)
            for name, method in methods.items():
                clean, seconds = timed(method, noisy, sigma / 255)
                figures = {"psnr": psnr(clean, truth), "ssim": ssim(clean, truth), "seconds": seconds}
                about = {"sigma": f"{sigma:g}", "method": name, "picture": number}
                rows.append(about | figures | {"megapixels": truth[..., 0].size / 1e6})
    return pd.DataFrame(rows)


def methods(arguments: argparse.Namespace) -> dict[str, Method]:
    """The methods that are wanted and can be had, after doing nothing."""
    found: dict[str, Method] = {"noisy": lambda noisy, _: noisy}
    for name in arguments.methods:
        if name == "bm3d" and find_spec("bm3d") is None:
            print("bm3d is left out: the package bm3d is not installed")
        elif name == "bm3d":
            found[name] = by_bm3d
        elif name == "nlm":
            found[name] = by_means
        else:
            learnt = LearntEnhancer(arguments.model, arguments.engine, precision=arguments.precision)
            learnt.sigma = 0.1
            whole(learnt, np.zeros((256, 256, 3), np.float32), arguments.tile)  # engines plan at first
            found[name] = partial(by_network, learnt, name == "blind", arguments.tile)
    return found


def by_network(learnt: LearntEnhancer, blind: bool, side: int, noisy: Pixels, sigma: float) -> Pixels:
    """The learnt denoiser; when blind it estimates the noise from the middle of the picture."""
    learnt.given = None if blind else sigma
    look = Preview(middle(noisy, 512), (middle(noisy, 512),))
    return whole(learnt.tuned(look), noisy, side)


def by_means(noisy: Pixels, sigma: float) -> Pixels:
    """scikit-image's non-local means."""
    from skimage.restoration import denoise_nl_means

    return np.asarray(
        denoise_nl_means(
            noisy, patch_size=5, patch_distance=6, h=0.8 * sigma, sigma=sigma, fast_mode=False, channel_axis=2
        )
    )


def by_bm3d(noisy: Pixels, sigma: float) -> Pixels:
    """BM3D of colour pictures."""
    return np.asarray(import_module("bm3d").bm3d_rgb(noisy, sigma))


if __name__ == "__main__":
    try:
        main()
    except PentimentoError as error:
        raise SystemExit(str(error)) from None
