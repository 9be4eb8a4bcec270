"""Measure how well colours are given back: fade or varnish pictures, correct them, compare.

    python benchmarks/colour.py
    python benchmarks/colour.py --images DIR --json

Damages the works of the demo archive's test split (data/prepared), or the pictures of DIR, by seeds that
no training used; 'none' leaves them as they are. Prints the mean colour difference to the truth (CIE
delta-E 2000) with 95 % bootstrap intervals over pictures, per kind and method, and of the learnt method
the share of pictures that it left alone, bit for bit. --sheet FILE draws them side by side.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import torch
from skimage.color import deltaE_ciede2000, rgb2lab

from pipeline import environment, paths
from pipeline.archive.shards import Shards
from pipeline.archive.sheets import contact_sheet
from pipeline.damage import damage
from pipeline.progress import track
from pipeline.recipes.pictures import read_folder
from pipeline.resampling.bootstrap import mean_interval
from pipeline.restoration.methods.classical import LevelsAndDenoise
from pipeline.restoration.methods.colour import ColourModel
from pipeline.restoration.methods.interface import Pixels, Preview

Method = Callable[[Pixels], Pixels]

KINDS = ("none", "fading", "varnish")


def main() -> None:
    """Parse the command line, damage and correct every picture, print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=Path, metavar="DIR", help="pictures (default: demo test split)")
    parser.add_argument("--split", default="test", choices=("val", "test"))
    parser.add_argument("--model", type=Path, default=paths.PRETRAINED / "colour", metavar="DIR")
    parser.add_argument("--engine", default="torch", choices=("auto", "torch", "onnx", "openvino"))
    parser.add_argument("--seed", type=int, default=20_000, help="of the damage (default 20000)")
    parser.add_argument("--max-side", type=int, default=384, help="pixels (default 384)")
    parser.add_argument("--sheet", type=Path, metavar="FILE", help="draw the first pictures, PNG or JPEG")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    arguments = parser.parse_args()
    cv2.setNumThreads(environment.threads())
    torch.set_num_threads(environment.threads())
    pictures = _pictures(arguments)
    if not pictures:
        parser.error("there is no picture to measure on")
    model = ColourModel(arguments.model, arguments.engine)
    table, drawn = measure(pictures, model, arguments.seed)
    if arguments.sheet:
        contact_sheet(arguments.sheet, drawn, 240, headings=_HEADINGS)
    found = {
        kind: {
            method: mean_interval(group) for method, group in rows.groupby("method", sort=False)["delta_e"]
        }
        for kind, rows in table.groupby("kind", sort=False)
    }
    alone = table[table["method"] == "learnt"].groupby("kind", sort=False)["alone"].mean().round(4).to_dict()
    speed = float(table.loc[table["method"] == "learnt", "seconds"].mean())
    if arguments.json:
        print(json.dumps({"pictures": len(pictures), "delta_e": found, "left_alone": alone}, indent=1))
        return
    print(f"CIE delta-E 2000 to the truth, {len(pictures)} pictures, mean [95 % interval]")
    for kind, methods in found.items():
        for method, value in methods.items():
            print(f"{kind:8} {method:28} {value['value']:6.2f} [{value['low']:.2f}, {value['high']:.2f}]")
        print(f"{kind:8} left alone by the learnt one {100 * alone[kind]:4.0f} %")
    print(f"the learnt one takes {speed * 1000:.0f} ms a picture")


_HEADINGS = (
    "truth", "none: learnt", "fading", "learnt", "levels by channel", "varnish", "learnt", "grey world",
)  # fmt: skip


def measure(pictures: list[Pixels], model: ColourModel, seed: int) -> tuple[pd.DataFrame, list[list[Pixels]]]:
    """One row of figures per picture, kind and method; and rows of some pictures to look at."""
    methods: dict[str, Method] = {
        "as it is": lambda pixels: pixels,
        "grey world": grey_world,
        "levels by channel": levels,
        LevelsAndDenoise.name: classical,
        "learnt": lambda pixels: model.tuned(pixels)(pixels),
    }
    rows, drawn = [], []
    for number, truth in enumerate(track(pictures, "colour")):
        line: dict[str, Pixels] = {}
        for stream, kind in enumerate(KINDS):
            rng = np.random.default_rng([seed, number, stream])
            damaged = truth if kind == "none" else damage(truth, [kind], rng)[0]
            # What a scan would hold.
            damaged = np.round(damaged * 255).astype(np.float32) / np.float32(255)
            for name, method in methods.items():
                began = time.perf_counter()
                corrected = method(damaged)
                seconds = time.perf_counter() - began
                line[f"{kind} {name}"] = corrected
                row = {"kind": kind, "method": name, "seconds": seconds}
                row["delta_e"] = delta_e(corrected, truth)
                rows.append(row | {"alone": np.array_equal(corrected, damaged)})
        chosen = (
            "none as it is", "none learnt", "fading as it is", "fading learnt", "fading levels by channel",
            "varnish as it is", "varnish learnt", "varnish grey world",
        )  # fmt: skip
        if number < 12:
            drawn.append([np.round(line[name] * 255).astype(np.uint8) for name in chosen])
    return pd.DataFrame(rows), drawn


def delta_e(pixels: Pixels, truth: Pixels) -> float:
    """The mean CIE delta-E 2000 of two sRGB pictures, over every fourth pixel."""
    one, other = (rgb2lab(each[::2, ::2]) for each in (pixels, truth))
    return float(deltaE_ciede2000(one, other).mean())


def grey_world(pixels: Pixels) -> Pixels:
    """White balance: every channel brought to the mean of all (Buchsbaum 1980)."""
    means = pixels.mean((0, 1))
    return np.clip(pixels * (means.mean() / np.maximum(means, 1e-3)), 0, 1).astype(np.float32)


def levels(pixels: Pixels) -> Pixels:
    """Every channel stretched from its 0.5 to its 99.5 percentile to the full range."""
    low, high = np.percentile(pixels, (0.5, 99.5), axis=(0, 1))
    return np.clip((pixels - low) / np.maximum(high - low, 1e-3), 0, 1).astype(np.float32)


def classical(pixels: Pixels) -> Pixels:
    """What `enhance` does without a trained model: all channels stretched alike, noise smoothed."""
    return LevelsAndDenoise().tuned(Preview(pixels, (pixels[:256, :256],)))(pixels)


def _pictures(arguments: argparse.Namespace) -> list[Pixels]:
    if arguments.images:
        raw, _ = read_folder(arguments.images, arguments.max_side)
    else:
        shards = Shards(paths.project_root() / paths.PREPARED)
        raw = [shards[row] for row in shards.rows(arguments.split)]
    return [picture.astype(np.float32) / np.float32(255) for picture in raw]


if __name__ == "__main__":
    main()
