"""A run over an archive: scan, compare with the ledger, plan shards, record what was done, sum up.

`OUT/.pentimento/ledger.sqlite` has two spaces. `seen`: what a path was when it was last worked on
(size, modification time, SHA-256), so that an unchanged file is not read again. The fingerprint of
settings, methods, model and code: results by content hash, path and mask hash. One process at a time
owns an output folder (a lock that dies with it); only that process writes the ledger.
"""

from __future__ import annotations

import csv
import io
import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pipeline.archive.atomic import write_bytes
from pipeline.archive.fixity import file_sha256
from pipeline.archive.ledger import Entry, Ledger
from pipeline.errors import PentimentoError
from pipeline.restoration import names, output
from pipeline.restoration.engine import Tree, Work
from pipeline.restoration.methods import load_kit
from pipeline.restoration.scan import Found, Masks, Scan, match_masks, scan, selected
from pipeline.restoration.settings import Settings
from pipeline.restoration.shard import Shard, journals, machine_trouble, read_journal

_WORKS_PER_SHARD = 64  # so that tiny works are noted in the ledger often enough, too
_BYTES_PER_MEGAPIXEL = 1.5e6  # a guess for files whose header cannot be read
MP_PER_SECOND = 1.0  # of one worker, for the first estimate; later runs know their own


@dataclass(frozen=True)
class Request:
    """What is asked for: an archive, where its restoration goes, and how."""

    source: Path
    out: Path
    settings: Settings
    methods: Path
    model: Path
    masks: Path | None = None
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    limit: int | None = None


@dataclass
class Summary:
    """What a run found and did; `failed` is never silent."""

    works: int = 0
    known: int = 0  # done by an earlier run, and still there
    restored: int = 0
    copied: int = 0  # needed nothing: byte copies
    failed: int = 0
    left: int = 0  # not reached
    ignored_files: int = 0
    skipped_links: int = 0
    without_mask: int = 0  # works for which the folder of masks has none
    unused_masks: int = 0  # masks of no work
    fallbacks: int = 0  # works in which a method failed and the classical one took over
    megapixels: float = 0.0  # done by this run
    seconds: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


@dataclass
class ArchiveRun:
    """An open run: its shards, and what is known so far. Made by `open_run`."""

    request: Request
    summary: Summary
    ledger: Ledger | None  # None in a dry run over an output that does not exist yet
    space: str
    masks: dict[str, Path] = field(default_factory=dict)  # relative path of a work -> its mask
    shards: list[Shard] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)  # encoded path -> reason
    todo_megapixels: float = 0.0
    started: float = field(default_factory=time.monotonic)

    def collect(self, shard: Shard) -> None:
        """Put a finished (or broken-off) shard's journal into the ledger.

        Raises:
            PentimentoError: when more works failed than max_failure_ratio allows.
        """
        if shard.journal.exists():
            self.absorb(shard.journal)
        limit = self.request.settings.max_failure_ratio
        if len(self.failures) > limit * self.summary.works:
            self.write_quarantine()
            raise PentimentoError(
                f"{len(self.failures)} of {self.summary.works} works failed, more than "
                f"max_failure_ratio {limit:g} allows; see {output.quarantine(self.request.out)}"
            )

    def absorb(self, journal: Path) -> None:
        """Record a journal's notes, then remove it."""
        assert self.ledger is not None
        notes = list(read_journal(journal))
        with Ledger(output.ledger_path(self.request.out), "seen") as seen:
            previous = seen.get(note["work"] for note in notes)
            for space in sorted({note["space"] for note in notes}):
                mine = [note for note in notes if note["space"] == space]
                done = {_key(n["work"], _seen(n)): _entry(n) for n in mine if not n["retry"]}
                with Ledger(output.ledger_path(self.request.out), space) as ledger:
                    ledger.put(done)
            seen.put({n["work"]: Entry(value=_seen(n)) for n in notes if not n["retry"]})
        output.log(self.request.out, [{"recorded": n["work"], **_outcome(n)} for n in notes])
        for note in notes:
            self._count(note)
            old = previous[note["work"]].value.get("output") if note["work"] in previous else None
            if "value" in note and old and old != note["value"]["output"]:
                (Tree.at(self.request.out).works / old).unlink(missing_ok=True)
        journal.unlink()

    def write_quarantine(self) -> None:
        """Write quarantine.csv: every failed work and the reason, sorted by path."""
        text = io.StringIO(newline="")
        table = csv.writer(text, lineterminator="\n")
        table.writerow(["path", "reason"])
        table.writerows(sorted(self.failures.items()))
        write_bytes(output.quarantine(self.request.out), text.getvalue().encode())

    def finish(self) -> Summary:
        """Write the quarantine and close the account."""
        self.write_quarantine()
        summary = self.summary
        summary.failed = len(self.failures)
        done = summary.known + summary.restored + summary.copied + summary.failed
        summary.left = max(0, summary.works - done)
        summary.seconds = round(time.monotonic() - self.started, 2)
        summary.megapixels = round(summary.megapixels, 3)
        output.log(self.request.out, [{"finished": summary.as_dict()}])
        return summary

    def speed(self, workers: int) -> float:
        """Megapixels a second to expect: as the last run over this output, else a cautious guess."""
        done = [r for r in output.finished_runs(self.request.out) if r["megapixels"] and r["seconds"]]
        return float(done[-1]["megapixels"] / done[-1]["seconds"]) if done else MP_PER_SECOND * workers

    def fail(self, relative: str, reason: str) -> None:
        """Note a failure that no journal tells of, such as a worker that was killed."""
        self.failures[names.encode(relative)] = reason

    def _count(self, note: dict[str, Any]) -> None:
        if note["space"] != self.space:
            return
        if "error" in note:
            self.failures[note["work"]] = note["error"]
            return
        value = note["value"]
        self.summary.restored += value["damage"] > 0
        self.summary.copied += value["damage"] == 0
        self.summary.fallbacks += value["fallbacks"] > 0
        self.summary.megapixels += value["megapixels"]


@contextmanager
def open_run(request: Request, dry: bool = False) -> Iterator[ArchiveRun]:
    """Check the folders, take the lock, and plan; a dry run takes no lock and writes nothing.

    Raises:
        PentimentoError: when a folder is missing, empty, cannot be written or lies in another, or
            another run works on the same output.
    """
    output.check_folders(request.source, request.out, request.masks)
    kit = load_kit(request.settings, request.methods, request.model)
    found = _look_through(request)  # what cannot start leaves nothing behind
    with ExitStack() as stack:
        try:
            if not dry:
                stack.enter_context(output.lock(request.out))
                output.clear(Tree.at(request.out).partial)
            ledger = None
            if not dry or output.ledger_path(request.out).exists():
                path = output.ledger_path(request.out)
                ledger = stack.enter_context(Ledger(path, kit.fingerprint))
            run = ArchiveRun(request, Summary(), ledger, kit.fingerprint)
            if not dry:
                for journal in sorted(journals(request.out).glob("*.jsonl")):
                    run.absorb(journal)  # of a run that was killed
                run.summary, run.failures = Summary(), {}
            _plan(run, *found)
            yield run
        except sqlite3.OperationalError as error:
            raise PentimentoError(
                f"{output.ledger_path(request.out)}: {error}; is the disk full, or another run at work?"
            ) from None
        except sqlite3.DatabaseError:
            raise PentimentoError(
                f"{output.ledger_path(request.out)} is damaged; move it away and run again: works are "
                "checked again"
            ) from None
        except OSError as error:
            raise PentimentoError(machine_trouble(request.out, error)) from None


def _look_through(request: Request) -> tuple[Scan, Masks]:
    """What the archive holds, and the masks of its works."""
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


def _plan(run: ArchiveRun, found: Scan, masks: Masks) -> None:
    request, summary = run.request, run.summary
    summary.ignored_files, summary.skipped_links = found.ignored, found.links
    run.failures |= {names.encode(path): reason for path, reason in found.unreadable.items()}
    works = found.works[: request.limit]
    summary.works = len(works) + len(found.unreadable)
    run.masks, summary.unused_masks = masks.paths, masks.unused
    usable = []
    for work in works:
        if reason := masks.failures.get(work.relative):
            run.fail(work.relative, reason)
        else:
            usable.append(work)
    if request.masks is not None:
        summary.without_mask = sum(work.relative not in run.masks for work in usable)
    taken = {names.output_name(work.relative) for work in found.works}
    todo = []
    for work in _unfinished(run, usable):
        if request.settings.jpeg_output == "tiff" and f"{names.output_name(work.relative)}.tif" in taken:
            run.fail(work.relative, "its name with .tif is the name of another work")
        else:
            todo.append(work)
    run.shards = list(_shards(run, todo))


def _unfinished(run: ArchiveRun, works: Sequence[Found]) -> list[Found]:
    """The works that the ledger does not know as they are, or whose output is gone or altered."""
    if run.ledger is None:
        return list(works)
    encoded = {names.encode(work.relative): work for work in works}
    with Ledger(output.ledger_path(run.request.out), "seen") as seen:
        known = {path: entry.value for path, entry in seen.get(encoded).items()}
    current = {path: _current(run, encoded[path], before) for path, before in known.items()}
    keys = {path: _key(path, now) for path, now in current.items() if now is not None}
    entries = run.ledger.get(keys.values())
    tree = Tree.at(run.request.out)
    todo = []
    for path, work in encoded.items():
        entry = entries.get(keys.get(path, ""))
        if entry is not None and entry.error is not None:
            run.failures[path] = entry.error
        elif entry is not None and _intact(tree, entry.value):
            run.summary.known += 1
        else:
            todo.append(work)
    return todo


def _current(run: ArchiveRun, work: Found, before: dict[str, Any]) -> dict[str, Any] | None:
    """What was seen before, if the source and its mask still are so; None when they are not."""
    mask = run.masks.get(work.relative)
    now = dict(before)
    pairs = (("stat", "sha256", run.request.source / work.relative), ("mask_stat", "mask_sha256", mask))
    for stat_name, hash_name, path in pairs:
        stat = None if path is None else [path.stat().st_size, path.stat().st_mtime_ns]
        if stat == before[stat_name]:
            continue
        if path is None or stat is None or before[stat_name] is None or not os.access(path, os.R_OK):
            return None
        if stat[0] != before[stat_name][0] or file_sha256(path) != before[hash_name]:
            return None
    return now


def _intact(tree: Tree, value: dict[str, Any]) -> bool:
    for folder, name in ((tree.works, "output"), (tree.proof, "proof")):
        path = folder / value[name]
        try:
            found = path.stat()
        except OSError:
            return False
        stat = [found.st_size, found.st_mtime_ns]
        if stat != value[f"{name}_stat"] and file_sha256(path) != value[f"{name}_sha256"]:
            return False
    return True


def _shards(run: ArchiveRun, todo: Sequence[Found]) -> Iterator[Shard]:
    request = run.request
    group: list[Work] = []
    size, number = 0.0, 0
    for work in todo:
        megapixels = _megapixels(request.source / work.relative, work.size)
        run.todo_megapixels += megapixels
        full = size + megapixels > request.settings.shard_megapixels or len(group) >= _WORKS_PER_SHARD
        if group and full:
            yield _shard(request, number, group)
            group, size, number = [], 0.0, number + 1
        group.append(Work(request.source / work.relative, work.relative, run.masks.get(work.relative)))
        size += megapixels
    if group:
        yield _shard(request, number, group)


def _shard(request: Request, number: int, works: Sequence[Work]) -> Shard:
    settings, methods, model = request.settings, request.methods, request.model
    return Shard(number, tuple(works), request.out, settings, methods, model)


def _megapixels(path: Path, size: int) -> float:
    from pipeline.archive.images import probe
    from pipeline.errors import ItemError

    try:
        info = probe(path)
    except (ItemError, OSError, UnicodeError):  # libvips takes names in UTF-8 only
        return size / _BYTES_PER_MEGAPIXEL
    return info.width * info.height / 1e6


def _seen(note: dict[str, Any]) -> dict[str, Any]:
    value = note.get("value") or {}
    return {
        "stat": note["stat"],
        "mask_stat": note["mask_stat"],
        "sha256": value.get("source_sha256") or note.get("source_sha256"),
        "mask_sha256": value.get("mask_sha256") or note.get("mask_sha256"),
        "output": value.get("output"),
    }


def _key(work: str, seen: dict[str, Any]) -> str:
    return f"{seen['sha256']}:{work}:{seen['mask_sha256'] or ''}"


def _entry(note: dict[str, Any]) -> Entry:
    return Entry(value=note.get("value"), error=note.get("error"))


def _outcome(note: dict[str, Any]) -> dict[str, Any]:
    outcome = {"id": note["id"], "seconds": note["seconds"], "space": note["space"]}
    return outcome | ({"error": note["error"]} if "error" in note else {})
