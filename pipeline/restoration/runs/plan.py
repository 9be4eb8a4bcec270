"""The plan of a run: compare the archive with the ledger, and divide the work into shards.

For ten thousand works this takes about a second. Each file is queried once, paths are plain strings, and
headers are read only of works that will be restored.
"""

from __future__ import annotations

import math
import os
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.archive.fixity import file_sha256
from pipeline.archive.imagefile import open_image
from pipeline.archive.ledger import Ledger
from pipeline.errors import ItemError, PentimentoError
from pipeline.restoration.runs import names, output
from pipeline.restoration.runs.orphans import Orphan, find_orphans
from pipeline.restoration.runs.request import Request
from pipeline.restoration.runs.scan import Found, Masks, Scan, Stat, match_masks, scan, selected
from pipeline.restoration.runs.shard import Shard
from pipeline.restoration.work.work import Tree, Work

_WORKS_PER_SHARD = 64  # so that the ledger also records tiny works often enough
_SHARDS_PER_WORKER = 4  # so that all workers end at about the same time
_LEAST = 1.5  # megapixels of a shard: fewer take less time than starting a process
_PER_WORK = 0.02  # megapixels that a work costs besides its own
_BYTES_PER_MEGAPIXEL = 1.5e6  # an estimate for files with an unreadable header


@dataclass(frozen=True)
class Load:
    """A number of works, with their megapixels and bytes."""

    works: int = 0
    megapixels: float = 0.0  # from the headers
    bytes: int = 0

    def plus(self, megapixels: float, size: int) -> Load:
        """The load with one more work."""
        return Load(self.works + 1, self.megapixels + megapixels, self.bytes + size)


@dataclass
class Plan:
    """The works of an archive, the known results, and the shards to process."""

    works: int = 0  # selected by the request, readable or not
    known: int = 0
    failures: dict[str, str] = field(default_factory=dict)  # encoded path -> reason
    gone: list[Orphan] = field(default_factory=list)
    without_mask: int = 0
    shards: list[Shard] = field(default_factory=list)
    damaged: Load = field(default_factory=Load)  # works to do, with a mask or for steps that need none
    whole: Load = field(default_factory=Load)  # works to do that can only be copied

    @property
    def megapixels(self) -> float:
        """Megapixels of all works to do."""
        return self.damaged.megapixels + self.whole.megapixels


def look_through(request: Request) -> tuple[Scan, Masks]:
    """Scan the archive, and find the masks of its works.

    Raises:
        PentimentoError: when there is no work, or no mask belongs to a work.
    """
    found = scan(request.source, request.include, request.exclude)
    if not found.works and not found.unreadable:
        chosen = " chosen by the patterns" if request.include or request.exclude else ""
        raise PentimentoError(f"the source {request.source} holds no image{chosen}; nothing was done")
    if request.masks is None:
        return found, Masks()
    works = [work.relative for work in found.works]
    known = {*works, *found.unreadable}

    def is_work(relative: str) -> bool:
        left_out = not selected(relative, request.include, request.exclude)
        return relative in known or (left_out and os.path.lexists(request.source / relative))

    return found, match_masks(request.masks, works, is_work)


def expect(request: Request, found: Scan, workers: int) -> int:
    """The number of workers that will certainly have a shard, from the works with a new path.

    It only lists the ledger's paths. It runs before the methods are loaded, so processes can start meanwhile.

    Raises:
        PentimentoError, sqlite3.Error: when the ledger cannot be read.
    """
    ledger, known = output.ledger_path(request.out), set[str]()
    if ledger.exists():
        with Ledger(ledger, "seen") as seen:
            known = seen.keys()
    new = sum(names.encode(work.relative) not in known for work in found.works[: request.limit])
    return min(new, _parts(new * _PER_WORK, workers, request.settings.shard_megapixels)[1])


def make_plan(
    request: Request, space: str, found: Scan, masks: Masks, seen: Ledger | None, workers: int = 1
) -> Plan:
    """Compare the archive with the ledger.

    Args:
        request: the run.
        space: the fingerprint of settings, methods, models and code.
        found: the archive's works.
        masks: the masks of the works.
        seen: the ledger's space `seen`; None when there is no ledger yet.
        workers: number of workers that share the shards.
    """
    plan = Plan()
    plan.failures = {names.encode(path): reason for path, reason in found.unreadable.items()}
    encoded = {names.encode(work.relative): work for work in found.works}
    chosen = dict(list(encoded.items())[: request.limit])
    plan.works = len(chosen) + len(found.unreadable)
    if seen is not None:
        plan.gone = find_orphans(request, seen, {*encoded, *plan.failures}, found.closed)
    refused = _refused(request, encoded, masks)
    plan.failures |= {path: refused[path] for path in chosen if path in refused}
    usable = {path: work for path, work in chosen.items() if path not in refused}
    if request.masks is not None:
        plan.without_mask = sum(work.relative not in masks.stats for work in usable.values())
    todo = list(usable.values()) if seen is None else _unfinished(plan, request, space, usable, masks, seen)
    plan.shards = _shards(plan, request, todo, masks, workers)
    return plan


def _refused(request: Request, encoded: Mapping[str, Found], masks: Masks) -> dict[str, str]:
    """Works that the run refuses because of their mask or their name: encoded path -> reason."""
    refused = {names.encode(relative): reason for relative, reason in masks.failures.items()}
    if request.settings.jpeg_output == "tiff":
        taken = {names.output_name(work.relative) for work in encoded.values()}
        for path, work in encoded.items():
            if f"{names.output_name(work.relative)}.tif" in taken:
                refused.setdefault(path, "its name with .tif is the name of another work")
    return refused | _one_on_this_disk(request.out, encoded)


def _one_on_this_disk(out: Path, encoded: Mapping[str, Found]) -> dict[str, str]:
    """Works whose names differ only in case, when the output's file system is not case-sensitive."""
    first: dict[str, str] = {}
    clashes: dict[str, str] = {}
    for path in encoded:
        if first.setdefault(unicodedata.normalize("NFC", path).casefold(), path) != path:
            clashes[path] = (
                "its name differs from another work's in case only, and the output cannot hold both"
            )
    if not clashes or output.tells_case_apart(out):
        return {}
    return clashes


def _unfinished(
    plan: Plan, request: Request, space: str, works: Mapping[str, Found], masks: Masks, seen: Ledger
) -> list[Found]:
    """The works that are new or changed since the ledger's entry, or whose output is missing or changed."""
    known = {path: entry.value for path, entry in seen.get(works).items()}
    keys = {}
    for path, before in known.items():
        if _as_before(request, works[path], masks, before):
            keys[path] = result_key(path, before)
    with Ledger(output.ledger_path(request.out), space) as results:
        entries = results.get(keys.values())
    tree = Tree.at(request.out)
    roots = (f"{tree.works}/", f"{tree.proof}/")
    todo = []
    for path, work in works.items():
        entry = entries.get(keys.get(path, ""))
        if entry is not None and entry.error is not None:
            plan.failures[path] = entry.error
        elif entry is not None and _intact(roots, entry.value):
            plan.known += 1
        else:
            todo.append(work)
    return todo


def _as_before(request: Request, work: Found, masks: Masks, before: Mapping[str, Any]) -> bool:
    """Whether a work and its mask are unchanged since the work was last processed."""
    now = [work.size, work.mtime_ns]
    if now != before["stat"] and not _same(request.source / work.relative, now, before, "stat", "sha256"):
        return False
    mask = masks.stats.get(work.relative)
    if mask == before["mask_stat"]:
        return True
    path = masks.of(work.relative)
    return path is not None and mask is not None and _same(path, mask, before, "mask_stat", "mask_sha256")


def _same(path: Path, now: Stat, before: Mapping[str, Any], stat: str, digest: str) -> bool:
    """Whether a file with another modification time holds the same bytes."""
    if before[stat] is None or now[0] != before[stat][0] or not os.access(path, os.R_OK):
        return False
    return bool(file_sha256(path) == before[digest])


def result_key(path: str, seen: Mapping[str, Any]) -> str:
    """The key of a result in the ledger: hash of the work, its path, and hash of its mask."""
    return f"{seen['sha256']}:{path}:{seen['mask_sha256'] or ''}"


def _intact(roots: tuple[str, str], value: Mapping[str, Any]) -> bool:
    for root, name in zip(roots, ("output", "proof"), strict=True):
        path = root + value[name]
        try:
            found = os.stat(path)  # noqa: PTH116  a Path for each of ten thousand works is slow
        except OSError:
            return False
        stat = [found.st_size, found.st_mtime_ns]
        if stat != value[f"{name}_stat"] and file_sha256(Path(path)) != value[f"{name}_sha256"]:
            return False
    return True


def _work(source: Path, relative: str, masks: Masks) -> Work:
    path, name = names.encode(relative), names.output_name(relative)
    return Work(source / relative, path, masks.of(relative), None if name == path else name)


def _shards(plan: Plan, request: Request, todo: Sequence[Found], masks: Masks, workers: int) -> list[Shard]:
    """Divide the works, in order, into shards for all workers; a killed worker loses only a small one."""
    settings = request.settings
    works = []
    for found in todo:
        work = _work(request.source, found.relative, masks)
        megapixels = _megapixels(work.source, found.size, settings.max_megapixels)
        if settings.copies_what_has_no_mask and work.mask is None:
            plan.whole = plan.whole.plus(megapixels, found.size)
        else:
            plan.damaged = plan.damaged.plus(megapixels, found.size)
        works.append((work, megapixels + _PER_WORK))
    limit = _limit(sum(cost for _, cost in works), workers, settings.shard_megapixels)
    groups: list[list[Work]] = []
    size = limit
    for work, cost in works:
        if size + cost > limit or len(groups[-1]) >= _WORKS_PER_SHARD:
            groups.append([])
            size = 0.0
        groups[-1].append(work)
        size += cost
    return [Shard(number, tuple(group), request) for number, group in enumerate(groups)]


def _limit(cost: float, workers: int, most: float) -> float:
    """Megapixels of a shard with which all workers end at about the same time; `cost`: all megapixels."""
    count, hands = _parts(cost, workers, most)
    even = cost / (hands * math.ceil(count / hands))
    return even * (1 + 1e-9)  # tolerance: sums of many costs are not exact


def _parts(cost: float, workers: int, most: float) -> tuple[int, int]:
    """The number of shards for `cost` megapixels, and the number of workers that get one."""
    limit = min(most, max(cost / (workers * _SHARDS_PER_WORKER), _LEAST))
    count = max(1, math.ceil(cost / limit))
    return count, min(workers, count)


def _megapixels(path: Path, size: int, limit: float) -> float:
    """Megapixels from a file's header; an estimate from its size when the file cannot be opened."""
    try:
        file = open_image(path, limit)
    except (ItemError, OSError):
        return size / _BYTES_PER_MEGAPIXEL
    return sum(page.width * page.height for page in file.pages) / 1e6
