"""How fast an archive is taken in, and what a few new pictures cost.

    python benchmarks/ingest.py [--works 2000] [--parts throughput increment] [--json]

    throughput  the stages inventory, ingest and clean (hash, header, decoding, perceptual hash, labels) on
                one core and on two, against a plain loop of Pillow and imagehash for the same columns
    increment   inventory, ingest, clean and prepare of --works pictures, and again after 1 % new ones came

The archive is made of windows of the demo archive's paintings, 1,200 x 900 pixels, JPEG of quality 90; the
figures of the second part are meant for --works 20000 (about 6 GB of disk and 20 minutes on two cores). Every
command is a process of its own, its start included.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import cv2
import imagehash
import numpy as np
from figures import pictures, show
from PIL import Image
from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[1]
LEAST = {"throughput: one core over Pillow": 1.5, "throughput: two cores over Pillow": 2.5}
MOST = {"increment: 1 % new over the first run": 0.03}
STAGES = ("inventory", "ingest", "features", "clean", "prepare")
COMPARED = ("inventory", "ingest", "clean")  # without what a network sees in a picture: no loop does that
WIDTH, HEIGHT = 1200, 900


def main() -> None:
    """Measure the parts asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parts = {"throughput": throughput, "increment": increment}
    parser.add_argument("--parts", nargs="+", choices=parts, default=[*parts])
    parser.add_argument("--works", type=int, default=2000)
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    figures: dict[str, Any] = {"works": arguments.works}
    with tempfile.TemporaryDirectory() as name:
        archive = Path(name) / "archive"
        grow(archive, 0, arguments.works)
        for part in dict.fromkeys(arguments.parts):
            parts[part](Path(name), archive, arguments.works, figures)
    show(figures, LEAST, MOST, arguments.json)


def grow(archive: Path, first: int, count: int) -> None:
    """Add pictures to an archive: windows of real paintings, no two the same."""
    sources = pictures(None)
    for number in range(first, first + count):
        rng = np.random.default_rng(number)
        if number == first or number % 50 == 0:
            whole = cv2.imread(str(sources[number // 50 % len(sources)]))
            factor = max(1.6 * WIDTH / whole.shape[1], 1.6 * HEIGHT / whole.shape[0])
            large = cv2.resize(whole, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
        top, left = (
            int(rng.integers(0, size - side))
            for size, side in zip(large.shape[:2], (HEIGHT, WIDTH), strict=True)
        )
        file = archive / f"School{number % 7}" / f"{number:06d}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        window = large[top : top + HEIGHT, left : left + WIDTH]
        window = cv2.flip(window, int(rng.integers(-1, 2)))
        cv2.imwrite(str(file), window, [cv2.IMWRITE_JPEG_QUALITY, 90])


def throughput(folder: Path, archive: Path, works: int, figures: dict[str, Any]) -> None:
    """Images a second of our stages and of a plain loop; the loop is measured before and after."""
    loops = [plain_loop(archive)]
    for label, workers in (("one core", 1), ("two cores", 2)):
        project = make_project(folder / f"project-{workers}", archive)
        spent = {stage: run(project, stage, workers) for stage in STAGES[:-1]}
        seconds = sum(spent[stage] for stage in COMPARED)
        figures[f"throughput: images/s, {label}"] = round(works / seconds, 1)
    loops.append(plain_loop(archive))
    plain = works / (sum(loops) / 2)
    figures["throughput: images/s, Pillow loop"] = round(plain, 1)
    for label in ("one core", "two cores"):
        rate = figures[f"throughput: images/s, {label}"]
        figures[f"throughput: {label} over Pillow"] = round(rate / plain, 2)


def plain_loop(archive: Path) -> float:
    """Seconds of a loop that computes the columns of inventory, ingest and clean that come from the file."""
    began = time.perf_counter()
    for file in sorted(archive.rglob("*.jpg")):
        content = file.read_bytes()
        with Image.open(file) as image:
            row = {
                "size": len(content), "sha256": hashlib.sha256(content).hexdigest(), "format": image.format,
                "width": image.width, "height": image.height, "mode": image.mode,
                "orientation": image.getexif().get(274, 1), "icc": "icc_profile" in image.info,
            }  # fmt: skip
            row["phash"] = str(imagehash.phash(image.convert("RGB")))
        assert row["phash"]
    return time.perf_counter() - began


def increment(folder: Path, archive: Path, works: int, figures: dict[str, Any]) -> None:
    """All stages on the archive, then again with one picture in a hundred new."""
    project = make_project(folder / "project", archive)
    first = {stage: run(project, stage, 2) for stage in STAGES}
    grow(archive, works, max(1, works // 100))
    again = {stage: run(project, stage, 2) for stage in STAGES}
    for stage in STAGES:
        figures[f"increment: seconds, {stage}"] = f"{first[stage]:.1f} {again[stage]:.1f}"
    total, more = sum(first.values()), sum(again.values())
    figures["increment: seconds of the first run"] = round(total, 1)
    figures["increment: seconds with 1 % new"] = round(more, 1)
    figures["increment: 1 % new over the first run"] = round(more / total, 4)


def make_project(project: Path, archive: Path) -> Path:
    """A project of its own, with an empty state, whose source is the archive."""
    shutil.rmtree(project, ignore_errors=True)
    (project / ".dvc").mkdir(parents=True)
    shutil.copy(ROOT / "dvc.yaml", project)
    yaml = YAML()
    params = yaml.load(ROOT / "params.yaml")
    params["inventory"]["sources"] = [{"kind": "folder", "location": str(archive)}]
    yaml.dump(params, project / "params.yaml")
    return project


def run(project: Path, stage: str, workers: int) -> float:
    """Seconds of a stage, run as DVC runs it; DVC deletes a stage's outputs before."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PENTIMENTO_")}
    settings = {"PENTIMENTO_WORKERS": str(workers), "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    began = time.perf_counter()
    command = [sys.executable, "-m", "pipeline", stage]
    if workers == 1:
        command = ["taskset", "-c", "0", *command]
    answer = subprocess.run(
        command, cwd=project, env=kept | settings, capture_output=True, text=True, check=False
    )
    if answer.returncode:
        raise SystemExit(f"{stage} failed:\n{answer.stderr}")
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
