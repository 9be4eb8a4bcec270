"""What the measures of enhancing and enlarging share: pictures, whole pictures through a step, the table."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
from originals import originals

from pipeline import environment, paths
from pipeline.archive.filetypes import SUFFIXES
from pipeline.archive.images import read_rgb
from pipeline.archive.tiling import Grid, Tile, Values, run_tiles
from pipeline.errors import PentimentoError
from pipeline.evaluation.restoration import ssim_map, summary
from pipeline.recipes.pictures import Picture
from pipeline.restoration.methods.interface import Enhancer, Pixels
from pipeline.restoration.work.enhancing import apply

_ALIGN = 64  # windows of tiles begin at multiples of it, as in a restoration


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of both measures."""
    parser.add_argument("--images", type=Path, metavar="DIR", help="instead of the demo's test split")
    parser.add_argument("--limit", type=int, help="only so many pictures")
    parser.add_argument("--middle", type=int, metavar="PIXELS", help="only a square of this side of each")
    add_enlarge(parser)
    parser.add_argument("--engine", choices=("auto", "torch", "onnx", "openvino"), default="auto")
    parser.add_argument("--precision", choices=("fp32", "bf16"), help="default: the engine's own")
    parser.add_argument("--tile", type=int, default=1024, help="pixels of a tile's side (default 1024)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")


def add_enlarge(parser: argparse.ArgumentParser) -> None:
    """The option by which pictures are made as smooth as those of a finer scan."""
    parser.add_argument(
        "--enlarge", type=int, default=1, metavar="N", help="so many times, bicubic: smooth as a finer scan"
    )


def chosen(arguments: argparse.Namespace) -> list[Picture]:
    """The pictures to measure on, (H, W, 3) 8-bit sRGB.

    Raises:
        PentimentoError: when there is none.
    """
    if arguments.images is None:
        found = originals(paths.project_root(), "test")[: arguments.limit]
    else:
        folder: Path = arguments.images
        files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
        if not files:
            raise PentimentoError(f"{folder} holds no picture; --images takes a folder of them")
        found = [read_rgb(file) for file in files[: arguments.limit]]
    if arguments.middle:
        found = [middle(picture, arguments.middle) for picture in found]
    if arguments.enlarge > 1:
        found = [larger(picture, arguments.enlarge) for picture in found]
    return found


def middle(picture: Any, side: int) -> Any:
    """The middle square of a picture, as far as it reaches."""
    top, left = (max(0, (length - side) // 2) for length in picture.shape[:2])
    return picture[top : top + side, left : left + side]


def larger(picture: Any, times: int) -> Any:
    """A picture enlarged by bicubic interpolation."""
    return cv2.resize(picture, None, fx=times, fy=times, interpolation=cv2.INTER_CUBIC)


def one_thread() -> None:
    """Hold OpenCV and torch to one thread each."""
    import torch

    torch.set_num_threads(environment.threads())
    cv2.setNumThreads(environment.threads())


def whole(method: Enhancer, pixels: Pixels, side: int) -> Pixels:
    """A picture (H, W, C) of any size through a step, tile by tile as in a restoration."""
    result = np.empty((pixels.shape[0] * method.scale, pixels.shape[1] * method.scale, 3), np.float32)
    align = int(np.lcm(_ALIGN, method.multiple))

    def work(tile: Tile) -> Values:
        rows, columns = (slice(s.start * method.scale, s.stop * method.scale) for s in tile.inner)
        return apply(method, pixels[tile.window])[rows, columns]

    run_tiles(
        (*pixels.shape[:2], 3),
        Grid(max(align, side // method.scale), method.reach, align),
        work,
        result.__setitem__,
        method.scale,
    )
    return result


def timed(work: Any, *arguments: Any) -> tuple[Pixels, float]:
    """What a function makes, rounded as 8 bit would hold it, and its seconds of CPU time."""
    began = time.process_time()
    made = work(*arguments)
    seconds = time.process_time() - began
    return np.asarray(np.rint(np.clip(made, 0, 1) * 255) / 255, np.float32), seconds


def ssim(pixels: Pixels, truth: Pixels) -> float:
    """Structural similarity, mean over pixels and channels (Wang et al. 2004)."""
    return float(ssim_map(pixels, truth).mean())


def report(table: pd.DataFrame, by: str, first: str) -> dict[str, Any]:
    """All figures: PSNR, SSIM, the gain in PSNR over a method, and seconds per megapixel."""
    base = table[table["method"] == first].set_index([by, "picture"])["psnr"]
    keys = pd.MultiIndex.from_frame(table[[by, "picture"]])
    gains = table.assign(gain=table["psnr"].to_numpy() - base.reindex(keys).to_numpy())
    speeds = table.groupby([by, "method"], sort=False)[["seconds", "megapixels"]].sum()
    speeds = speeds["seconds"] / speeds["megapixels"]
    found: dict[str, Any] = {figure: summary(gains, by, figure) for figure in ("psnr", "ssim", "gain")}
    found["seconds_per_megapixel"] = {
        group: {method: round(float(speeds[group, method]), 3) for method in methods}
        for group, methods in found["psnr"].items()
    }
    return found


def print_table(found: dict[str, Any], by: str, first: str) -> None:
    """The figures of `report` as a table."""
    heading = f"PSNR over {first}"
    print(f"{by:8} {'method':14} {'PSNR':>24} {heading:>24} {'SSIM':>24} {'s/MP':>8}")
    for group, methods in found["psnr"].items():
        for method, value in methods.items():
            gain, similar = found["gain"][group][method], found["ssim"][group][method]
            print(
                f"{group:8} {method:14} "
                f"{value['value']:9.2f} [{value['low']:.2f}, {value['high']:.2f}] "
                f"{gain['value']:+9.2f} [{gain['low']:+.2f}, {gain['high']:+.2f}] "
                f"{similar['value']:9.3f} [{similar['low']:.3f}, {similar['high']:.3f}] "
                f"{found['seconds_per_megapixel'][group][method]:8.3f}"
            )
