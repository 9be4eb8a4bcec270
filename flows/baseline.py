"""A copy of the last run's data, so that the next run can detect drift."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from pipeline import environment, paths
from pipeline.archive.atomic import atomic_path
from pipeline.archive.fixity import file_sha256, value_sha256

_KEPT = (paths.FEATURES, paths.WORKS)  # the works last: a folder with works is complete


def folder(root: Path) -> Path:
    """The folder with the data of the project's last run; each worktree has its own."""
    return environment.state_dir(root) / paths.LAST_DATA / value_sha256(str(root.resolve()))[:12]


def keep(root: Path) -> None:
    """Keep a copy of the current data; the next run compares its data with it."""
    for name in _KEPT:
        target = folder(root) / name.name
        if not (root / name).exists():
            target.unlink(missing_ok=True)
            continue
        with atomic_path(target) as temporary:
            _link(root / name, temporary)


def begin(root: Path) -> None:
    """Before a run: keep the current data, unless an earlier run has kept its own."""
    if not (folder(root) / paths.WORKS.name).exists() and (root / paths.WORKS).exists():
        keep(root)


def moved(root: Path) -> bool:
    """Whether an earlier run's data exist and differ from the current data."""
    before, now = folder(root) / paths.WORKS.name, root / paths.WORKS
    return before.exists() and now.exists() and file_sha256(before) != file_sha256(now)


def compare(root: Path) -> dict[str, Any]:
    """Today's works against those of the last run; see `flows.drift.compare`."""
    from flows.drift import compare_tables, read
    from pipeline.catalog.checks.drift import LEVEL, described

    kept = {name: folder(root) / name.name for name in _KEPT}
    before = read(
        kept[paths.WORKS], str(kept[paths.WORKS]), "remove it, and the next run has none to compare"
    )
    features = described(before, kept[paths.FEATURES]) if kept[paths.FEATURES].exists() else None
    return compare_tables(root, before, features, "in the last run", LEVEL)


def _link(source: Path, target: Path) -> None:
    """Hard-link a file. This is safe, because stages and DVC replace files and never write into them."""
    try:
        os.link(source.resolve(), target)
    except OSError:  # another file system
        shutil.copyfile(source, target)
