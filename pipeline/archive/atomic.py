"""Atomic writes: a file is written under a temporary name beside its target and then renamed."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_TEMPORARY = re.compile(r"\.(?P<stem>.*)\.(?P<process>\d+)\.partial(?P<suffix>(\.[^.]*)?)", re.DOTALL)


@contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """Yield a temporary path beside `target`; on success it replaces `target`, on failure it is removed.

    The caller creates a file or a folder there. The temporary path keeps the suffix, because many libraries
    choose a format by it. A file is flushed to disk before the rename, so a power cut leaves either the old
    or the new file.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.stem[:80]}.{os.getpid()}.partial{target.suffix}")
    _remove(temporary)
    try:
        yield temporary
        if temporary.is_dir():
            _remove(target)
        else:
            with temporary.open("rb") as handle:
                os.fsync(handle.fileno())
        temporary.replace(target)
    finally:
        _remove(temporary)


def sweep(folder: Path, target: str | None = None, *, owned: bool = False) -> None:
    """Remove the temporary files of killed processes from a folder; those of running processes stay.

    Args:
        folder: may be missing.
        target: remove temporary files of this file name only; None: of all names.
        owned: remove the whole folder. Only for a folder of temporary files whose lock the caller holds.
    """
    if owned:
        shutil.rmtree(folder, ignore_errors=True)
        return
    wanted = None if target is None else (Path(target).stem[:80], Path(target).suffix)
    for path in folder.glob(".*.partial*"):
        named = _TEMPORARY.fullmatch(path.name)
        if named and wanted in (None, (named["stem"], named["suffix"])) and not _lives(int(named["process"])):
            _remove(path)


def is_temporary(path: Path) -> bool:
    """Whether a path has the name of a temporary one, as atomic_path gives it."""
    return _TEMPORARY.fullmatch(path.name) is not None


def write_bytes(target: Path, content: bytes) -> None:
    """Write `content` to `target` atomically."""
    with atomic_path(target) as temporary:
        temporary.write_bytes(content)


def write_json(target: Path, value: Any) -> None:
    """Write `value` as indented JSON, keys in the order given, numbers as they are."""
    text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False)
    write_bytes(target, (text + "\n").encode())


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # it belongs to another user
    return True


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
