"""Measure the engines that can run the learnt filler: how fast on one thread, and at what loss.

    python benchmarks/inference.py
    python benchmarks/inference.py --index DIR/index.csv --limit 20

Pictures are those of the demo's test split, damaged anew, or those of an index (a CSV file with the
columns clean, mask, kind, as benchmarks/inpaint.py reads it). All engines take turns on the same
pictures in one run. The table shows:

    MP/s      megapixels a second of CPU time through the network on one tile of 512 x 512 pixels
    on work   the same while it fills: windows around holes, each of its own size
    ratio     `on work`, against torch in fp32
    diff      largest difference of a filled value (in [0, 1]) from torch's in fp32
    dB, worst PSNR inside the masks minus torch's in fp32: the mean over pictures, and the lowest

The classical filling that the network starts from is the same for all, and not counted. CPU time is
what counts, since works are restored side by side, one thread each.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd

from pipeline import paths
from pipeline.archive.images import read_rgb
from pipeline.archive.shards import Shards
from pipeline.damage import damage
from pipeline.errors import PentimentoError
from pipeline.metrics import psnr
from pipeline.models.inference import PACKAGES, Array, Engine, Precision, Session
from pipeline.progress import track
from pipeline.restoration.methods.interface import Mask, Pixels
from pipeline.restoration.methods.learnt_filler import LearntFiller

KINDS = ("cracks", "scratches", "losses", "stains")
CANDIDATES: tuple[tuple[Engine, Precision], ...] = (
    ("torch", "fp32"),
    ("torch", "bf16"),
    ("onnx", "fp32"),
    ("openvino", "fp32"),
    ("openvino", "bf16"),
)
_TILE = 512
_TURNS = 5


@dataclass
class Result:
    """What was measured of one engine in one precision."""

    tile: float = float("inf")  # seconds of CPU time, the shortest
    seconds: float = 0.0  # in the network, while filling
    pixels: int = 0
    largest: float = 0.0
    losses: list[float] = field(default_factory=list)  # dB, a picture each


class _Timed:
    """A session that keeps account of its time."""

    def __init__(self, session: Session, result: Result) -> None:
        self._session, self._result = session, result
        self.engine, self.precision = session.engine, session.precision

    def run(self, *arrays: Array) -> Array:
        began = time.process_time()
        made = self._session.run(*arrays)
        self._result.seconds += time.process_time() - began
        self._result.pixels += arrays[1].size
        return made


def main() -> None:
    """Parse the command line, run every engine, print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, default=paths.PRETRAINED / "restorer", metavar="DIR")
    parser.add_argument("--index", type=Path, metavar="CSV")
    parser.add_argument("--root", type=Path, help="what the paths in the index are relative to")
    parser.add_argument("--limit", type=int, default=24, help="only so many pictures")
    arguments = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    os.environ["PENTIMENTO_DEVICE"] = "cpu"
    fillers = _fillers(arguments.model)
    results = {name: Result() for name in fillers}
    tile(fillers, results)
    scenes = (
        from_index(arguments.index, arguments.root or arguments.index.parent, arguments.limit)
        if arguments.index
        else from_demo(arguments.limit)
    )
    fill(fillers, results, scenes)
    _print_table(results)


def tile(fillers: dict[str, LearntFiller], results: dict[str, Result]) -> None:
    """The shortest of a few turns on one tile; the first turn, which some engines plan in, is not counted."""
    rng = np.random.default_rng(0)
    picture = rng.random((1, 3, _TILE, _TILE), dtype=np.float32)
    hole = (rng.random((1, 1, _TILE, _TILE)) < 0.1).astype(np.float32)
    for turn in range(_TURNS + 1):
        for name, filler in fillers.items():
            began = time.process_time()
            filler.session.run(picture, hole)
            if turn:
                results[name].tile = min(results[name].tile, time.process_time() - began)


def fill(
    fillers: dict[str, LearntFiller], results: dict[str, Result], scenes: Iterator[tuple[Pixels, Mask]]
) -> None:
    """Fill every scene by every engine, and compare with the first one."""
    first = next(iter(fillers.values()))
    for truth, mask in track(list(scenes), "inference"):
        damaged = truth.copy()
        damaged[mask] = 1
        start = first.start(damaged, mask)
        exact = None
        for name, filler in fillers.items():
            result = results[name]
            filled = np.clip(_timed(filler, start, mask, result), 0, 1)
            exact = filled if exact is None else exact
            result.largest = max(result.largest, float(np.abs(filled - exact)[mask].max()))
            result.losses.append(psnr(filled, truth, mask) - psnr(exact, truth, mask))


def _timed(filler: LearntFiller, start: Pixels, mask: Mask, result: Result) -> Pixels:
    session = filler.session
    filler.session = _Timed(session, result)
    try:
        return filler.refined(start, mask)
    finally:
        filler.session = session


def from_demo(limit: int) -> Iterator[tuple[Pixels, Mask]]:
    """Pictures of the test split with every kind of damage in turn: (H, W, 3) in [0, 1], and masks."""
    shards = Shards(paths.PREPARED)
    for number, row in enumerate(shards.rows("test")[:limit]):
        truth = shards[row].astype(np.float32) / np.float32(255)
        _, mask = damage(truth, [KINDS[number % len(KINDS)]], np.random.default_rng(number))
        if mask.any():
            yield truth, mask


def from_index(index: Path, root: Path, limit: int) -> Iterator[tuple[Pixels, Mask]]:
    """Pictures and masks (white = damage) of an index, as many of each kind."""
    table = pd.read_csv(index)
    each = -(-limit // table["kind"].nunique())
    for entry in table.groupby("kind", sort=False).head(each).itertuples():
        truth = read_rgb(root / str(entry.clean)).astype(np.float32) / np.float32(255)
        yield truth, np.asarray(read_rgb(root / str(entry.mask))[..., 0] > 127, np.bool_)


def _fillers(model: Path) -> dict[str, LearntFiller]:
    found: dict[str, LearntFiller] = {}
    for engine, precision in CANDIDATES:
        try:
            filler = LearntFiller(model, engine, precision=precision)
        except PentimentoError as error:
            if engine == "torch":
                raise
            print(f"{PACKAGES[engine]} is left out: {error}")
            continue
        if filler.session.precision != precision:
            print(f"{engine} {precision} is left out: this CPU has no such instructions")
            continue
        found[filler.engine] = filler
    return found


def _print_table(results: dict[str, Result]) -> None:
    speeds = {name: result.pixels / result.seconds / 1e6 for name, result in results.items()}
    base = next(iter(speeds.values()))
    print(f"{len(next(iter(results.values())).losses)} pictures")
    print(f"{'engine':16} {'MP/s':>6} {'on work':>8} {'ratio':>6} {'diff':>9} {'dB':>9} {'worst':>9}")
    for name, result in results.items():
        print(
            f"{name:16} {_TILE**2 / result.tile / 1e6:6.2f} {speeds[name]:8.2f} {speeds[name] / base:6.2f} "
            f"{result.largest:9.1e} {np.mean(result.losses):+9.5f} {min(result.losses):+9.5f}"
        )


if __name__ == "__main__":
    try:
        main()
    except PentimentoError as error:
        raise SystemExit(str(error)) from None
