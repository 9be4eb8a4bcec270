"""What restoration is timed on: scans with damage; and the command in a process of its own."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[1]
DAMAGE, GRAIN = 0.02, 2.0

Pixels = NDArray[np.uint8]


def telea_everywhere(folder: Path) -> Path:
    """A choice of the quickest method for every shape."""
    path = folder / "telea.json"
    path.write_text(json.dumps({"by_shape": {shape: {"best": "telea"} for shape in ("thin", "wide")}}))
    return path


def enlarged(path: Path, pixels: float, seed: int = 0) -> Pixels:
    """A picture (H, W, 3) of so many pixels, with the grain that a scan has."""
    picture = cv2.imread(str(path))
    factor = (pixels / (picture.shape[0] * picture.shape[1])) ** 0.5
    large = cv2.resize(picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
    large = large[: len(large) // 16 * 16]
    grain = np.random.default_rng(seed).normal(0, GRAIN, large.shape[:2]).astype(np.float32)
    return (large + grain[..., None]).clip(0, 255).astype(np.uint8)


def damage(shape: tuple[int, ...], seed: int) -> Pixels:
    """A mask (H, W) of cracks and losses, 0 or 255, that covers 2 % of a picture."""
    rng = np.random.default_rng(seed)
    mask = np.zeros(shape, np.uint8)
    some = max(1, mask.size // 500_000)  # as many at a time as make a tenth of a percent
    while np.count_nonzero(mask) < DAMAGE / 2 * mask.size:
        for _ in range(some):
            _crack(mask, rng)
    while np.count_nonzero(mask) < DAMAGE * mask.size:
        for _ in range(max(1, some // 8)):
            centre = (int(rng.integers(shape[1])), int(rng.integers(shape[0])))
            axes = (int(rng.integers(8, 60)), int(rng.integers(8, 60)))
            cv2.ellipse(mask, centre, axes, float(rng.uniform(0, 180)), 0, 360, 255, -1)
    return mask


def _crack(mask: Pixels, rng: np.random.Generator) -> None:
    start = rng.uniform((0, 0), mask.shape[::-1])
    path = np.vstack([start, start + rng.normal(0, 25, (12, 2)).cumsum(axis=0)])
    cv2.polylines(mask, [path.round().astype(np.int32)], False, 255, int(rng.integers(2, 5)))


def restore(
    source: Path, out: Path, arguments: argparse.Namespace, *options: str, fresh: bool = True
) -> dict[str, Any]:
    """The command in a process of its own: its summary, `wall` in seconds, `peak` of a process in bytes."""
    if fresh:
        shutil.rmtree(out, ignore_errors=True)
    methods = [] if "--methods" in options or not arguments.methods else ["--methods", str(arguments.methods)]
    command = [sys.executable, "-c", "from flows.cli import main; main()", "restore", str(source), str(out)]
    began = time.perf_counter()
    answer = subprocess.run(
        [sys.executable, "-c", _MEASURED, *command, *methods, *options, "--no-prefect", "--json"],
        cwd=ROOT, env=_environment(out.parent), stdout=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    wall = time.perf_counter() - began
    if answer.returncode:
        raise SystemExit(f"{' '.join(command[3:])} failed:\n{answer.stdout}")
    summary, peak = answer.stdout.rsplit("\n", 1)
    return {**json.loads(summary), "wall": wall, "peak": int(peak) * 1024}


# A small process between, since a new one is charged with the memory of the one that it is made by.
_MEASURED = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:]).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, end="")
sys.exit(code)
"""


def _environment(folder: Path) -> dict[str, str]:
    """One thread a process; compiled code is kept, as it is where packages are installed."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    places = {"PYTHONPATH": str(ROOT), "PYTHONPYCACHEPREFIX": str(folder / "compiled")}
    return {**kept, **places, "OMP_NUM_THREADS": "1", "PREFECT_API_URL": ""}
