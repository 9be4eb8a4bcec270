"""The command in a process of its own, and small archives to give it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
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


@pytest.fixture
def methods(tmp_path: Path) -> Path:
    """A choice of classical methods: torch is not imported, so the process starts fast."""
    path = tmp_path / "methods.json"
    chosen = {"thin": {"best": "telea"}, "wide": {"best": "navier_stokes"}}
    path.write_text(json.dumps({"by_shape": chosen}))
    return path


@pytest.fixture
def start(methods: Path) -> Callable[..., subprocess.Popen[str]]:
    """start(src, out, *options): `pentimento restore` in a process of its own."""

    def run(source: Path, out: Path, *options: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", _DOOR, str(source), str(out), "--methods", str(methods)]
        return subprocess.Popen(
            [*command, "--workers", "1", "--no-prefect", "--json", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        )

    return run


@pytest.fixture
def archive(tmp_path: Path) -> Callable[[int], tuple[Path, Path]]:
    """archive(n): a folder of n tiny works of several formats, and their masks."""

    def make(count: int) -> tuple[Path, Path]:
        source, masks = tmp_path / "src", tmp_path / "masks"
        rng = np.random.default_rng(0)
        for number in range(count):
            suffix = ("png", "jpg", "tif", "webp")[number % 4]
            name = f"room {number % 3}/work-{number:02d}.{suffix}"
            pixels = rng.integers(0, 255, (48, 64, 3), dtype=np.uint8)
            hole = np.zeros((48, 64), np.uint8)
            if number % 5:
                hole[10:12, 5:60] = 255
                hole[20:32, 20:34] = 255
            for path in (source / name, masks / f"{name}.png"):
                path.parent.mkdir(parents=True, exist_ok=True)
            lossless = {"lossless": True} if suffix == "webp" else {}
            Image.fromarray(pixels).save(source / name, **lossless)
            Image.fromarray(hole).save(masks / f"{name}.png")
        return source, masks

    return make
