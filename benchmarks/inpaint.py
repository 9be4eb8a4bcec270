"""Measure fillers on pictures with damage masks: paint the mask white, fill it, compare inside it.

    python benchmarks/inpaint.py --index DIR/index.csv
    python benchmarks/inpaint.py --index DIR/index.csv --methods biharmonic learnt --json
    python benchmarks/inpaint.py --index DIR/index.csv --enlarge 2

The index is a CSV file with the columns clean, mask, kind: paths of a picture and of its mask (white
= damage), relative to the index's folder or to --root. Each method fills every picture; the table
shows PSNR (dB) and SSIM inside the mask with 95 % bootstrap intervals over pictures, per kind, and
seconds per megapixel on this machine. With --enlarge the masks lie on the middle of each picture, enlarged
to the picture's size: paint is smooth there, and the damage as wide as before.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from improving import add_enlarge, larger
from numpy.typing import NDArray

from pipeline import environment, paths
from pipeline.archive.images import read_rgb
from pipeline.evaluation.restoration import score, summary
from pipeline.progress import track
from pipeline.restoration.methods.fill import fillers
from pipeline.restoration.methods.interface import Filler, Mask, Pixels
from pipeline.restoration.methods.learnt_filler import LearntFiller


def main() -> None:
    """Parse the command line, fill every picture by every method, print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--index", type=Path, required=True, metavar="CSV")
    parser.add_argument("--root", type=Path, help="what the paths in the index are relative to")
    parser.add_argument("--model", type=Path, default=paths.PRETRAINED / "restorer", metavar="DIR")
    parser.add_argument("--methods", nargs="+", choices=[*fillers(), "learnt"])
    parser.add_argument("--limit", type=int, help="only so many rows of each kind")
    add_enlarge(parser)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    arguments = parser.parse_args()
    index = pd.read_csv(arguments.index)
    missing = {"clean", "mask", "kind"} - set(index.columns)
    if missing:
        parser.error(f"{arguments.index} lacks the columns {', '.join(sorted(missing))}")
    if arguments.limit:
        index = index.groupby("kind", sort=False).head(arguments.limit)
    _one_thread()
    table = measure(index, arguments.root or arguments.index.parent, _methods(arguments), arguments.enlarge)
    figures = {figure: summary(table, "kind", figure) for figure in ("psnr", "ssim")}
    if arguments.json:
        print(json.dumps({**figures, "seconds_per_megapixel": _speeds(table)}, indent=1))
    else:
        _print_table(table, figures)


def measure(index: pd.DataFrame, root: Path, methods: dict[str, Filler], enlarge: int = 1) -> pd.DataFrame:
    """One row of figures per picture and method; the filled picture is rounded to 8 bit."""
    rows: list[dict[str, Any]] = []
    for entry in track(list(index.itertuples()), "inpaint"):
        picture = _middle(read_rgb(root / str(entry.clean)), enlarge)
        truth = picture.astype(np.float32) / np.float32(255)
        mask = _read_mask(root / str(entry.mask), truth)
        damaged = truth.copy()
        damaged[mask] = 1
        for name, method in methods.items():
            began = time.perf_counter()
            filled = method(damaged, mask)
            seconds = time.perf_counter() - began
            rounded = np.round(filled * 255).astype(np.float32) / np.float32(255)
            row = {"kind": str(entry.kind), "method": name, "speed": seconds / mask.size * 1e6}
            rows.append(row | score(rounded, truth, mask))
    return pd.DataFrame(rows)


def _methods(arguments: argparse.Namespace) -> dict[str, Filler]:
    wanted = arguments.methods or [*fillers(), "learnt"]
    known: dict[str, Filler] = dict(fillers())
    if "learnt" in wanted:
        known["learnt"] = LearntFiller(arguments.model)
    return {name: known[name] for name in wanted}


def _one_thread() -> None:
    import cv2
    import torch

    torch.set_num_threads(environment.threads())
    cv2.setNumThreads(environment.threads())


def _middle(picture: NDArray[np.uint8], enlarge: int) -> NDArray[np.uint8]:
    """The middle of a picture, enlarged to the picture's size."""
    if enlarge == 1:
        return picture
    height, width = picture.shape[:2]
    rows, columns = -(-height // enlarge), -(-width // enlarge)
    top, left = (height - rows) // 2, (width - columns) // 2
    part = picture[top : top + rows, left : left + columns]
    return np.ascontiguousarray(larger(part, enlarge)[:height, :width])


def _read_mask(path: Path, truth: Pixels) -> Mask:
    mask = read_rgb(path)[..., 0] > 127
    if mask.shape != truth.shape[:2]:
        raise SystemExit(f"{path}: the mask is {mask.shape}, its picture {truth.shape[:2]}")
    return np.asarray(mask, np.bool_)


def _speeds(table: pd.DataFrame) -> dict[str, float]:
    return {str(k): round(float(v), 2) for k, v in table.groupby("method")["speed"].mean().items()}


def _print_table(table: pd.DataFrame, figures: dict[str, Any]) -> None:
    speeds = table.groupby(["kind", "method"])["speed"].mean()
    print(f"{'kind':10} {'method':14} {'PSNR in the mask':>24} {'SSIM in the mask':>24} {'s/MP':>6}")
    for kind, methods in figures["psnr"].items():
        for method, psnr in methods.items():
            ssim = figures["ssim"][kind][method]
            print(
                f"{kind:10} {method:14} "
                f"{psnr['value']:9.2f} [{psnr['low']:.2f}, {psnr['high']:.2f}] "
                f"{ssim['value']:9.3f} [{ssim['low']:.3f}, {ssim['high']:.3f}] "
                f"{speeds[kind, method]:6.2f}"
            )


if __name__ == "__main__":
    main()
