"""What killed processes left half-written is removed, and nothing else."""

import os
import subprocess
import sys
from pathlib import Path

from pipeline.archive.atomic import atomic_path, is_temporary, sweep


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
    sweep(tmp_path, "prepared")
    sweep(tmp_path, "works.parquet")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(stays)
    sweep(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        {*stays} - {f".other.{dead.pid}.partial"}
    )


def test_a_folder_of_temporary_files_goes_as_a_whole_where_its_lock_is_held(tmp_path: Path) -> None:
    folder = tmp_path / "partial"
    (folder / "inner").mkdir(parents=True)
    (folder / f".work.{os.getpid()}.partial").touch()
    sweep(folder, owned=True)
    sweep(folder, owned=True)
    sweep(folder)
    assert not folder.exists()


def test_the_names_of_temporary_files_are_known(tmp_path: Path) -> None:
    for name in ("a.png", "a", "a.b.tar.gz", ".hidden", "x" * 200 + ".png", "a\nb.png"):
        with atomic_path(tmp_path / name) as temporary:
            assert is_temporary(temporary)
            assert not is_temporary(tmp_path / name)
            temporary.touch()
