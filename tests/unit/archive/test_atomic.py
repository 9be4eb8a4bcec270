from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest

from pipeline.archive import atomic
from pipeline.archive.atomic import atomic_path, write_bytes, write_json


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_replaces_the_old_one(tmp_path: Path) -> None:
    target = tmp_path / "sub" / "x.json"
    write_json(target, {"a": "é"})
    write_json(target, {"a": 2})
    assert json.loads(target.read_text()) == {"a": 2}
    assert names(target.parent) == ["x.json"]


def test_a_failure_leaves_the_old_file_and_no_trace(tmp_path: Path) -> None:
    target = tmp_path / "x.bin"
    write_bytes(target, b"old")
    with pytest.raises(RuntimeError), atomic_path(target) as temporary:
        temporary.write_bytes(b"half")
        raise RuntimeError
    assert target.read_bytes() == b"old"
    assert names(tmp_path) == ["x.bin"]


def test_a_folder_replaces_the_old_one_whole(tmp_path: Path) -> None:
    target = tmp_path / "out"
    for name in ("a", "b"):
        with atomic_path(target) as temporary:
            temporary.mkdir()
            (temporary / name).write_text(name)
    assert names(target) == ["b"]


def test_a_full_disk_leaves_nothing_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(atomic.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_bytes(tmp_path / "x.bin", b"new")
    assert names(tmp_path) == []


def test_not_a_number_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "x.json", {"a": float("nan")})
