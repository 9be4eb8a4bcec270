"""How fast an archive is taken in, and what a few new pictures cost.

    python benchmarks/ingest.py [--works 2000] [--width 2400] [--parts throughput increment] [--json]

    throughput  the stages inventory and ingest (hash, header, decoding, perceptual hash) on one core and on
                two, against a plain loop of Pillow and imagehash for the same columns
    increment   the stages from inventory to prepare on --works pictures, and again after 1 % new ones came

The archive is made of windows of the demo archive's paintings, --width pixels wide and three quarters of that
high, JPEG of quality 90; the second part is meant for --works 20000 (about 25 GB of disk and an hour on two
cores). Every command is a process of its own, its start included. Beside the seconds stand those of one core
(CPU), which other work on the machine changes less.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import imagehash
import numpy as np
from figures import pictures, show
from PIL import Image
from ruamel.yaml import YAML

from pipeline import stages

ROOT = Path(__file__).resolve().parents[1]
LEAST = {"throughput: one core over Pillow": 1.5, "throughput: two cores over Pillow": 2.5}
MOST = {"increment: 1 % new over the first run": 0.03}
STAGES = ("inventory", "ingest", "features", "clean", "duplicates", "prepare")
COMPARED = ("inventory", "ingest")  # all columns that a file gives; the later stages do what no loop does
Spent = tuple[float, float]  # seconds, and of one core


def main() -> None:
    """Measure the parts asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parts = {"throughput": throughput, "increment": increment}
    parser.add_argument("--parts", nargs="+", choices=parts, default=[*parts])
    parser.add_argument("--works", type=int, default=2000)
    parser.add_argument("--width", type=int, default=2400, help="pixels of a picture")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    figures: dict[str, Any] = {"works": arguments.works, "pixels of a picture's width": arguments.width}
    with tempfile.TemporaryDirectory() as name:
        warm_up(Path(name))
        archive = Archive(Path(name) / "archive", arguments.width)
        archive.grow(arguments.works)
        for part in dict.fromkeys(arguments.parts):
            parts[part](Path(name), archive, figures)
    show(figures, LEAST, MOST, arguments.json)


def warm_up(folder: Path) -> None:
    """Let Python compile what the stages import, as it has where they ran before."""
    few = Archive(folder / "few", 240)
    few.grow(2)
    project = make_project(folder / "warm", few.folder)
    for stage in STAGES[:-1]:
        run(project, stage, 2)


class Archive:
    """A folder of windows of real paintings, no two the same."""

    def __init__(self, folder: Path, width: int) -> None:
        self.folder, self.works = folder, 0
        self.size = (width * 3 // 4, width)

    def grow(self, count: int) -> None:
        """Add so many pictures."""
        sources, (height, width) = pictures(None), self.size
        for number in range(self.works, self.works + count):
            rng = np.random.default_rng(number)
            if number == self.works or number % 50 == 0:
                whole = cv2.imread(str(sources[number // 50 % len(sources)]))
                factor = max(1.6 * width / whole.shape[1], 1.6 * height / whole.shape[0])
                large = cv2.resize(whole, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
            top, left = (
                int(rng.integers(0, size - side))
                for size, side in zip(large.shape[:2], self.size, strict=True)
            )
            file = self.folder / f"School{number % 7}" / f"{number:06d}.jpg"
            file.parent.mkdir(parents=True, exist_ok=True)
            window = large[top : top + height, left : left + width]
            window = cv2.flip(window, int(rng.integers(-1, 2)))
            cv2.imwrite(str(file), window, [cv2.IMWRITE_JPEG_QUALITY, 90])
        self.works += count


def throughput(folder: Path, archive: Archive, figures: dict[str, Any]) -> None:
    """Images a second of our stages and of a plain loop; the loop is measured before and after."""
    works = archive.works
    loops = [plain_loop(archive.folder)]
    ours = {}
    for label, workers in (("one core", 1), ("two cores", 2)):
        project = make_project(folder / f"project-{workers}", archive.folder)
        ours[label] = total(run(project, stage, workers) for stage in COMPARED)
        shutil.rmtree(project)
    loops.append(plain_loop(archive.folder))
    plain = [sum(both) / 2 for both in zip(*loops, strict=True)]
    figures["throughput: images/s, Pillow loop"] = round(works / plain[0], 1)
    for label, spent in ours.items():
        figures[f"throughput: images/s, {label}"] = round(works / spent[0], 1)
        figures[f"throughput: {label} over Pillow"] = round(plain[0] / spent[0], 2)
    figures["throughput: CPU of Pillow over ours"] = round(plain[1] / ours["one core"][1], 2)


def plain_loop(archive: Path) -> Spent:
    """What a loop takes that computes the columns of inventory and ingest that come from the file."""
    began, busy = time.perf_counter(), time.process_time()
    for file in sorted(archive.rglob("*.jpg")):
        content = file.read_bytes()
        with Image.open(file) as image:
            row = {
                "size": len(content), "sha256": hashlib.sha256(content).hexdigest(), "format": image.format,
                "width": image.width, "height": image.height, "mode": image.mode,
                "orientation": image.getexif().get(274, 1), "icc": "icc_profile" in image.info,
                "pages": getattr(image, "n_frames", 1),
            }  # fmt: skip
            row["phash"] = str(imagehash.phash(image.convert("RGB")))
        assert row["phash"]
    return time.perf_counter() - began, time.process_time() - busy


def increment(folder: Path, archive: Archive, figures: dict[str, Any]) -> None:
    """All stages on the archive, then again with one picture in a hundred new."""
    project = make_project(folder / "project", archive.folder)
    first = {stage: run(project, stage, 2) for stage in STAGES}
    archive.grow(max(1, archive.works // 100))
    again = {stage: run(project, stage, 2) for stage in STAGES}
    for stage in STAGES:
        figures[f"increment: seconds, {stage}"] = f"{first[stage][0]:.1f} {again[stage][0]:.1f}"
        figures[f"increment: CPU seconds, {stage}"] = f"{first[stage][1]:.1f} {again[stage][1]:.1f}"
    whole, more = total(first.values()), total(again.values())
    figures["increment: seconds of the first run"] = round(whole[0], 1)
    figures["increment: seconds with 1 % new"] = round(more[0], 1)
    figures["increment: CPU, 1 % new over the first run"] = round(more[1] / whole[1], 4)
    figures["increment: 1 % new over the first run"] = round(more[0] / whole[0], 4)


def total(spent: Iterable[Spent]) -> Spent:
    """What several commands took together."""
    seconds, busy = zip(*spent, strict=True)
    return sum(seconds), sum(busy)


def make_project(project: Path, archive: Path) -> Path:
    """A project of its own, with an empty state, whose source is the archive."""
    shutil.rmtree(project, ignore_errors=True)
    (project / ".dvc").mkdir(parents=True)
    shutil.copy(ROOT / "dvc.yaml", project)
    yaml = YAML()
    params = yaml.load(ROOT / "params.yaml")
    params["inventory"]["sources"] = [{"kind": "folder", "location": str(archive), "labels": ["school"]}]
    yaml.dump(params, project / "params.yaml")
    return project


def run(project: Path, stage: str, workers: int) -> Spent:
    """What a stage takes, run as DVC runs it; DVC deletes a stage's outputs before."""
    ours = ("PENTIMENTO_", "PYTHONDONTWRITEBYTECODE")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    settings = {"PENTIMENTO_WORKERS": str(workers), "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    # Python keeps what it has compiled, as it does where nobody forbids it.
    settings["PYTHONPYCACHEPREFIX"] = str(project.parent / "compiled")
    for output in stages.load(stage).outputs.values():
        shutil.rmtree(project / output, ignore_errors=True)
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "pipeline", stage]
    if workers == 1:
        command = ["taskset", "-c", "0", *command]
    answer = subprocess.run(
        command, cwd=project, env=kept | settings, capture_output=True, text=True, check=False
    )
    if answer.returncode:
        raise SystemExit(f"{stage} failed:\n{answer.stderr}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    busy = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - began, busy


if __name__ == "__main__":
    main()
