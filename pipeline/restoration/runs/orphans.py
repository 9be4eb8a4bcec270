"""Orphans: works of earlier runs that the source no longer has. They are kept; --prune moves them away."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from pipeline import paths
from pipeline.archive.atomic import write_bytes
from pipeline.archive.ledger import Ledger
from pipeline.restoration.runs import names, output
from pipeline.restoration.runs.request import Request
from pipeline.restoration.runs.scan import selected
from pipeline.restoration.work.work import Tree


@dataclass(frozen=True)
class Orphan:
    """A work that is gone from the source, and its files in the output tree."""

    path: str  # encoded
    output: str  # path below works; "" = no result of its own
    proof: str  # path below proof


def find_orphans(
    request: Request, seen: Ledger, here: Collection[str], closed: Iterable[str]
) -> list[Orphan]:
    """Works that the ledger knows and the source no longer has, sorted by path.

    Args:
        request: the run; works that its patterns exclude are not checked.
        seen: the ledger's space `seen`.
        here: encoded paths of the works in the source.
        closed: unreadable folders; works below them may still exist, so they are no orphans.
    """
    shut = tuple(f"{folder}/" if folder else "" for folder in closed)
    missing = []
    for path in sorted(seen.keys().difference(here)):
        relative = names.decode(path)
        unsure = relative.startswith(shut) if shut else False
        if not unsure and selected(relative, request.include, request.exclude):
            # A file that still exists, but is no longer an image, is not gone.
            missing += [] if os.path.lexists(request.source / relative) else [path]
    if not missing:
        return []
    entries = seen.get(missing)
    taken = {entry.value.get("output") for entry in seen.get(here).values()}
    found = []
    for path in missing:
        name = entries[path].value.get("output") or ""
        proof = f"{names.output_name(names.decode(path))}.json"
        found.append(Orphan(path, "" if name in taken else name, proof))
    return found


def put_aside(out: Path, gone: Iterable[Orphan], seen: Ledger) -> int:
    """Move the files of gone works to OUT/.pentimento/removed/NNNN, and remove them from the ledger.

    When the run is killed meanwhile, the next run continues. The function deletes no file.

    Returns:
        The number of gone works.
    """
    tree, gone = Tree.at(out), list(gone)
    shelf = _next_folder(out / paths.OUTPUT_STATE / "removed")
    for work in gone:
        for root, name, kind in ((tree.works, work.output, "works"), (tree.proof, work.proof, "proof")):
            if name and os.path.lexists(root / name):
                target = shelf / kind / name
                target.parent.mkdir(parents=True, exist_ok=True)
                (root / name).rename(target)
                _remove_empty((root / name).parent, root)
    seen.remove(work.path for work in gone)
    return len(gone)


def write_list(out: Path, gone: Iterable[Orphan]) -> None:
    """Write gone.csv: one row for each gone work with its path and the name of its result."""
    text = io.StringIO(newline="")
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["path", "output"])
    table.writerows((work.path, work.output) for work in gone)
    write_bytes(output.gone_list(out), text.getvalue().encode())


def _next_folder(parent: Path) -> Path:
    used = [int(p.name) for p in parent.iterdir() if p.name.isdecimal()] if parent.is_dir() else []
    return parent / f"{max(used, default=0) + 1:04d}"


def _remove_empty(folder: Path, root: Path) -> None:
    while folder != root and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent
