"""Compare what two checkouts make of the same pictures, byte for byte; for changes that should alter nothing.

    python benchmarks/same_bytes.py BEFORE [AFTER]

AFTER is this checkout where it is not given. Both run with this Python. `pentimento restore` works on an
archive of every format, depth and layout that the tests know, in each of the chains and with several
methods; the stages up to `prepare` work on the demo archive; `generate` draws from the shipped generator.
It prints a line for each part, with the files that differ, and exits with 1 where any does. Sidecars are
compared without what names the code.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

HOME = Path(__file__).resolve().parents[1]
SUFFIXES = {"png": ".png", "webp": ".webp", "tiff": ".tif", "bigtiff": ".tif", "jpeg": ".jpg"}
MASKED = ("--masks", "masks")
RUNS = {
    "conserve, as measured": MASKED,
    "conserve, telea": (*MASKED, "--fill", "telea"),
    "conserve, learnt, JPEG to TIFF": (*MASKED, "--fill", "learnt", "--jpeg-output", "tiff"),
    "conserve, damage found (learnt)": ("--detect", "learnt"),
    "conserve, damage found (classical) and given": (*MASKED, "--detect", "classical"),
    "enhance, as measured": (*MASKED, "--mode", "enhance"),
    "enhance, classical": (*MASKED, "--mode", "enhance", "--enhance", "classical"),
    "upscale twice": (*MASKED, "--mode", "upscale", "--scale", "2"),
    "upscale four times, classical": ("--mode=upscale", "--scale=4", "--upscale=classical", "--detect=none"),
}  # fmt: skip
STAGES = ("inventory", "ingest", "features", "clean", "duplicates", "prepare")
OF_THE_CODE = ("code_sha256", "software", "settings", "format", "format_version", "version")


def main() -> int:
    """Run both checkouts and compare."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("before", type=Path, help="a checkout")
    parser.add_argument("after", type=Path, nargs="?", default=HOME, help="another (default: this one)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        count = make_archive(home / "source", home / "masks")
        print(f"{count} files of every format, depth and layout; the demo archive; the shipped generator")
        sides = []
        for name, checkout in (("before", arguments.before), ("after", arguments.after)):
            (home / name).mkdir()
            sides.append(everything(checkout.resolve(), home, home / name))
        return compare(*sides)


def make_archive(source: Path, masks: Path) -> int:
    """Every file of the tests' round trips, with a small mask; how many there are."""
    sys.path.insert(0, str(HOME))
    import numpy as np
    from PIL import Image

    from tests.pictures import HEIGHT, WIDTH
    from tests.unit.archive.test_round_trip import JPEG, LOSSLESS

    source.mkdir()
    masks.mkdir()
    hole = np.zeros((HEIGHT, WIDTH), np.uint8)
    hole[20:24, 5:70], hole[40:52, 30:44] = 255, 255
    made = LOSSLESS | JPEG
    for name, content in made.items():
        file = source / (name.replace(" ", "_") + SUFFIXES[name.split()[0]])
        file.write_bytes(content())
        Image.fromarray(hole).save(masks / f"{file.name}.png")
    return len(made)


def everything(checkout: Path, home: Path, out: Path) -> dict[str, dict[str, str]]:
    """The files that a checkout makes: part -> relative path -> SHA-256."""
    found = {}
    for number, (name, options) in enumerate(RUNS.items()):
        target = out / f"restored{number}"
        given = [str(home / "masks") if option == "masks" else option for option in options]
        code = "from flows.cli import main; main()"
        run(
            checkout,
            out,
            ["-c", code, "restore", str(home / "source"), str(target), "--no-prefect", *given],
            (0, 1),
        )
        found[f"restore: {name}"] = hashes(target / "data/works") | sidecars(target / "data/proof")
    project = out / "project"
    (project / ".dvc").mkdir(parents=True)
    for file in ("dvc.yaml", "params.yaml"):
        shutil.copy(checkout / file, project / file)
    for stage in STAGES:
        run(checkout, out, ["-m", "pipeline", stage], (0,), project)
    found["prepare"] = hashes(project / "data/prepared")
    shutil.copytree(checkout / "pretrained/generator", project / "models/generator")
    run(checkout, out, ["-m", "pipeline", "generate"], (0,), project)
    found["generate"] = {
        name: digest for name, digest in hashes(project / "data/generated").items() if name.endswith(".png")
    }
    return found


def run(
    checkout: Path, out: Path, command: list[str], allowed: tuple[int, ...], cwd: Path | None = None
) -> None:
    """Run this Python on a checkout's code; its words are shown where it fails."""
    environment = {**os.environ, "PYTHONPATH": str(checkout), "PENTIMENTO_STATE": str(out / "state")}
    done = subprocess.run(
        [sys.executable, *command],
        cwd=cwd or out,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode not in allowed:
        raise SystemExit(
            f"{checkout}: {' '.join(command)} ended with {done.returncode}:\n{done.stderr[-2000:]}"
        )


def hashes(folder: Path) -> dict[str, str]:
    """The SHA-256 of every file below a folder, by its relative path."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def sidecars(folder: Path) -> dict[str, str]:
    """What sidecars say beside the code: every value, by its file and its keys."""
    found: dict[str, str] = {}
    for path in sorted(folder.rglob("*.json")):
        told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        for key in told.keys() - set(OF_THE_CODE):
            found |= values(f"{path.relative_to(folder)}: {key}", told[key])
    return found


def values(name: str, told: Any) -> dict[str, str]:
    """Every plain value of a nested one, by its keys."""
    if not isinstance(told, (dict, list)) or not told:
        return {name: json.dumps(told)}
    inner = told.items() if isinstance(told, dict) else enumerate(told)
    return {key: value for part, deeper in inner for key, value in values(f"{name}/{part}", deeper).items()}


def compare(before: dict[str, dict[str, str]], after: dict[str, dict[str, str]]) -> int:
    """Print how many files of each part are equal, and which are not."""
    different = 0
    for part, old in before.items():
        new = after[part]
        unequal = sorted(name for name in old if old[name] != new.get(name))
        more = sorted({re.sub(r"/\d+", "", name.rpartition(": ")[2]) for name in new.keys() - old.keys()})
        equal = len(old) - len(unequal)
        print(f"{part:48} {equal:6} equal, {len(unequal)} differ; new: {', '.join(more) or 'nothing'}")
        for name in unequal[:5]:
            print(f"    {name}: {old[name][:300]} -> {new.get(name, 'missing')[:300]}")
        different += len(unequal)
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
