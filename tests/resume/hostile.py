"""Archives as bad as they come, and runs over them that are killed: for tests and benchmarks/endurance.py."""

from __future__ import annotations

import csv
import io
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.restoration.runs import shard as shard_module
from pipeline.restoration.runs.output import quarantine
from pipeline.restoration.runs.shard import Shard

ROOT = Path(__file__).resolve().parents[2]
SUFFIXES = ("png", "jpg", "tif", "webp")
DEADLY = "deadly"  # a work with this in its name kills the process that restores it, see run_deadly_shard
_DOOR = """
import sys, typer
from flows.commands.restore import restore
from pipeline.errors import PentimentoError
app = typer.Typer()
app.command()(restore)
try:
    app()
except PentimentoError as error:
    print(f"error: {error}", file=sys.stderr)
    sys.exit(1)
"""


@dataclass
class Archive:
    """A source with its masks, and what is known of its files."""

    source: Path
    masks: Path
    good: set[str] = field(default_factory=set)  # relative paths that can be restored or copied
    bad: dict[str, str] = field(default_factory=dict)  # relative path -> a word of the reason

    def add(self, name: str, content: bytes, mask: bytes | None = None) -> None:
        """Put a file into the source."""
        write(self.source / name, content)
        if mask is not None:
            write(self.masks / f"{name}.png", mask)


def write(path: Path, content: bytes) -> None:
    """Write a file and the folders it needs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def encoded(pixels: np.ndarray, kind: str) -> bytes:
    """A picture as the bytes of a file."""
    buffer = io.BytesIO()
    kind = {"jpg": "jpeg", "tif": "tiff"}.get(kind, kind)
    Image.fromarray(pixels).save(buffer, kind, **({"lossless": True} if kind == "webp" else {}))
    return buffer.getvalue()


def add_good(archive: Archive, count: int, seed: int = 0) -> None:
    """Tiny works of several formats; four in five are damaged, by a thin and a wide hole."""
    rng = np.random.default_rng(seed)
    for number in range(count):
        suffix = SUFFIXES[number % 4]
        name = f"room {number % 3}/work-{number:02d}.{suffix}"
        hole = np.zeros((48, 64), np.uint8)
        if number % 5:
            hole[10:12, 5:60] = 255
            hole[20:32, 20:34] = 255
        pixels = rng.integers(0, 255, (48, 64, 3), dtype=np.uint8)
        archive.add(name, encoded(pixels, suffix), encoded(hole, "png"))
        archive.good.add(name)


def add_hostile(archive: Archive, count: int, seed: int = 1) -> None:
    """Files that cannot be restored, of every kind in turn; `archive.bad` tells why."""
    rng = np.random.default_rng(seed)
    kinds = list(_BAD)
    if os.geteuid() != 0:  # the superuser may read everything
        kinds.append("forbidden.png")
    for number in range(count):
        kind = kinds[number % len(kinds)]
        name = f"bad {number % 2}/{number:03d}-{kind}"
        pixels = rng.integers(0, 255, (48, 64, 3), dtype=np.uint8)
        if kind == "forbidden.png":
            archive.add(name, encoded(pixels, "png"))
            (archive.source / name).chmod(0)
            archive.bad[name] = "Permission denied"
            continue
        make, archive.bad[name] = _BAD[kind]
        make(archive, name, pixels)


def _cut(archive: Archive, name: str, pixels: np.ndarray) -> None:
    content = encoded(pixels, Path(name).suffix[1:])
    archive.add(name, content[: len(content) * 2 // 3])


def _bomb(archive: Archive, name: str, pixels: np.ndarray) -> None:
    content = encoded(pixels, "png")
    archive.add(name, content[:16] + (100_000).to_bytes(4, "big") * 2 + content[24:])


def _other_mask(archive: Archive, name: str, pixels: np.ndarray) -> None:
    archive.add(name, encoded(pixels, "png"), encoded(np.full((9, 9), 255, np.uint8), "png"))


def _link(archive: Archive, name: str, target: str) -> None:
    path = archive.source / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)


_BAD: dict[str, tuple[Callable[[Archive, str, np.ndarray], None], str]] = {
    "cut.png": (_cut, ""),
    "cut.jpg": (_cut, ""),
    "cut.tif": (_cut, ""),
    "cut.webp": (_cut, ""),
    "empty.tif": (lambda archive, name, _: archive.add(name, b""), "empty"),
    "text.jpg": (lambda archive, name, _: archive.add(name, b"no picture at all"), "no image"),
    "bomb.png": (_bomb, "max_megapixels"),
    "mask.png": (_other_mask, "9 x 9 pixels, the picture has 64 x 48"),
    "nothing.png": (lambda archive, name, _: _link(archive, name, "nowhere.png"), "link to nothing"),
    "loop.png": (lambda archive, name, _: _link(archive, name, Path(name).name), "link"),
    "out.png": (lambda archive, name, _: _link(archive, name, "/etc/hosts"), "leads out of the source"),
}


def add_odd(archive: Archive) -> None:
    """Works that look bad and are good: shapes, names and endings; and a folder that leads in a circle."""
    pixels = np.arange(48 * 64 * 3, dtype=np.uint8).reshape(48, 64, 3)
    names = ["a b.png", "quote'\".png", "line\nbreak.png", os.fsdecode(b"caf\xe9.png"), "100%25.png",
             "x" * 251 + ".png", "A.png", "a.png", "[1].png", "-rf.png", "jpeg inside.tif"]  # fmt: skip
    for name in names:
        archive.add(f"odd/{name}", encoded(pixels, "jpg" if "jpeg" in name else "png"))
    archive.add("odd/dot.png", encoded(pixels[:1, :1], "png"), encoded(np.zeros((1, 1), np.uint8), "png"))
    strip = np.zeros((20_000, 1, 3), np.uint8)
    hole = np.zeros((20_000, 1), np.uint8)
    hole[500:520] = 255
    archive.add("odd/strip.tif", encoded(strip, "tif"), encoded(hole, "png"))
    archive.good |= {f"odd/{name}" for name in [*names, "dot.png", "strip.tif"]}
    _link(archive, "odd/circle", "..")


def reasons(out: Path) -> dict[str, str]:
    """The quarantine of an output folder: encoded path -> reason."""
    with quarantine(out).open(encoding="utf-8", newline="") as handle:
        return {row["path"]: row["reason"] for row in csv.DictReader(handle)}


def methods_file(folder: Path) -> Path:
    """A choice of classical methods: torch is not imported, so a process starts fast."""
    chosen = {"thin": {"best": "telea"}, "wide": {"best": "navier_stokes"}}
    path = folder / "methods.json"
    path.write_text(json.dumps({"by_shape": chosen}))
    return path


def start(source: Path, out: Path, methods: Path, *options: str) -> subprocess.Popen[str]:
    """`pentimento restore` in a process of its own, without a Prefect server."""
    command = [sys.executable, "-c", _DOOR, str(source), str(out), "--methods", str(methods)]
    return subprocess.Popen(
        [*command, "--json", "--no-prefect", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    )


def placed(out: Path) -> int:
    """How many results are in an output tree."""
    return sum(1 for path in (out / "data/works").rglob("*") if path.is_file())


def run_killed(begin: Callable[[], subprocess.Popen[str]], out: Path, target: int, delay: float) -> bool:
    """Kill a run (SIGKILL) `delay` seconds after it has `target` results; False when it was over before."""
    process = begin()
    while not (out / "data").exists() and process.poll() is None:
        time.sleep(0.02)  # it imports for a second or more: looking all the time would slow it down
    while placed(out) < target and process.poll() is None:
        time.sleep(0.001)
    time.sleep(delay)
    process.kill()
    process.communicate()
    return process.returncode == -signal.SIGKILL


def moments(works: int, kills: int, seed: int) -> Iterator[tuple[int, float]]:
    """When to kill: numbers of results, rising, and seconds after them."""
    rng = random.Random(seed)
    for target in sorted(rng.sample(range(2, works * 4 // 5), kills)):
        yield target, rng.uniform(0, 0.005)


def worker_processes(parent: int, forked: bool = False) -> list[int]:
    """The processes that a run has started to work on shards (Linux): spawned ones, or forked ones."""
    sign = _of_process(f"{parent}/cmdline") if forked else b"spawn_main"
    threads = [thread.name for thread in Path(f"/proc/{parent}/task").iterdir()]
    children = b" ".join(_of_process(f"{parent}/task/{thread}/children") for thread in threads).split()
    return [int(child) for child in children if sign in _of_process(f"{int(child)}/cmdline")]


def _of_process(name: str) -> bytes:
    """What /proc says; nothing when the process or thread has ended since it was listed."""
    try:
        return Path("/proc", name).read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def run_deadly_shard(shard: Shard) -> int:
    """run_shard, as if the out-of-memory killer struck at every work that has DEADLY in its name."""
    original = shard_module.restore_work

    def restore_work(work: shard_module.Work, *others: object) -> object:
        if DEADLY in work.path:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(work, *others)

    shard_module.restore_work = restore_work
    try:
        return shard_module.run_shard(shard)
    finally:
        shard_module.restore_work = original
