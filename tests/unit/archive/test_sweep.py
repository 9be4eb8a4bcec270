"""To be added to tests/unit/archive/test_atomic.py."""

import os
import subprocess
import sys
from pathlib import Path

from pipeline.archive.atomic import sweep


def test_what_a_killed_run_left_is_swept_and_nothing_else(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    left = tmp_path / f".prepared.{dead.pid}.partial"
    (left / "inner").mkdir(parents=True)
    (tmp_path / f".works.{dead.pid}.partial.parquet").touch()
    stays = [
        f".prepared.{os.getpid()}.partial",
        ".prepared.x.partial",
        f".other.{dead.pid}.partial",
        "prepared",
    ]
    for name in stays:
        (tmp_path / name).touch()
    sweep(tmp_path / "prepared")
    sweep(tmp_path / "works.parquet")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(stays)
