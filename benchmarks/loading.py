"""How fast pictures reach a training: from packed shards, against the files that they were made from.

    python benchmarks/loading.py [--images DIR] [--works 174] [--side 384] [--json]

    decode      one picture of at most `side` pixels as an array: read from a file and shrunk (by Pillow, as
                most training code does, and by our reader), against a copy out of a shard
    augmented   the same with the augmentation that params.yaml asks for

The demo archive's pictures, or those of --images. One process, one thread; the files are in the system's
cache, as is the shard. Both ways are timed in one run, three times in turn; the median counts. Every ratio
is against the quicker way to read the files.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")

import cv2
import numpy as np
from figures import pictures, show
from numpy.typing import NDArray
from PIL import Image

from pipeline import paths
from pipeline.archive.images import read_rgb
from pipeline.archive.shards import INDEX, Shards, write_shards
from pipeline.catalog.sets.augmentation import build
from pipeline.params import load_params
from pipeline.stages import load

Picture = NDArray[np.uint8]
LEAST = {"decode: shards over files": 10.0, "augmented: shards over files": 4.0}
ROUNDS = 3


def main() -> None:
    """Time both ways, and print images a second and ratios."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=Path, metavar="DIR", help="default: the demo archive")
    parser.add_argument("--works", type=int, default=174, help="at most")
    parser.add_argument("--side", type=int, default=384, help="pixels of the longer side")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    files, side = pictures(arguments.images)[: arguments.works], arguments.side
    augment = _augmentation()
    figures: dict[str, Any] = {"pictures": len(files), "side": side}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_shards(folder, ((str(n), read_rgb(file, side)) for n, file in enumerate(files))).to_parquet(
            folder / INDEX
        )
        shards = Shards(folder)
        ways: dict[str, Callable[[int], Picture]] = {
            "files, by Pillow": lambda n: by_pillow(files[n], side),
            "files, by our reader": lambda n: read_rgb(files[n], side),
            "shards": lambda n: np.array(shards[n]),
        }
        for task, then in (("decode", lambda picture: picture), ("augmented", augment)):
            rates = measure(ways, then, len(files))
            figures |= {f"{task}: images/s, {way}": round(rate, 1) for way, rate in rates.items()}
            quicker = max(rate for way, rate in rates.items() if way != "shards")
            figures[f"{task}: shards over files"] = round(rates["shards"] / quicker, 1)
    show(figures, LEAST, {}, arguments.json)


def by_pillow(file: Path, side: int) -> Picture:
    """A picture as most training code reads it; `draft` lets JPEGs be decoded at a smaller size."""
    with Image.open(file) as image:
        image.draft("RGB", (side, side))
        small = image.convert("RGB")
    small.thumbnail((side, side), Image.Resampling.BICUBIC)
    return np.asarray(small)


def measure(
    ways: dict[str, Callable[[int], Picture]], then: Callable[[Picture], Picture], count: int
) -> dict[str, float]:
    """Images a second of each way, the median of some rounds in turn."""
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(ROUNDS):
        for way, read in ways.items():
            began = time.perf_counter()
            for number in range(count):
                then(read(number))
            seconds[way].append(time.perf_counter() - began)
    return {way: count / statistics.median(values) for way, values in seconds.items()}


def _augmentation() -> Callable[[Picture], Picture]:
    stage = load("prepare")
    params: Any = load_params(paths.project_root() / paths.PARAMS, stage.name, stage.params)
    return build(params.augmentation, params.seed)


if __name__ == "__main__":
    main()
