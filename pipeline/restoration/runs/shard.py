"""A shard: some works that one process restores. It notes each finished work in a journal.

`run_shard` depends only on paths and settings, so any runner may call it, on any machine that sees the
folders. The journal counts, not the return value: it can be read after a worker was killed.
"""

from __future__ import annotations

import errno
import json
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline import paths
from pipeline.archive.fixity import file_sha256
from pipeline.archive.versions import KEY, check_version
from pipeline.errors import ItemError, PentimentoError
from pipeline.restoration.methods.kit import Kit, load_kit
from pipeline.restoration.runs.request import Request
from pipeline.restoration.work.engine import SourceChanged, restore_work
from pipeline.restoration.work.work import Tree, Work

VERSION = 1  # of the journal's notes
_MACHINE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE, errno.ENFILE)  # not the work's fault
_NOTED = {"work", "id", "space", "retry", "seconds"}  # fields of every complete note of a journal
_RESULT = {"output", "source_sha256", "mask_sha256", "megapixels", "damage", "copied", "fallbacks"}


@dataclass(frozen=True)
class Shard:
    """Some works of an archive, with everything that a process needs to restore them."""

    number: int
    works: tuple[Work, ...]
    request: Request
    parent: int = 0  # the worker stops when this process is no longer its parent; 0 = no check

    @property
    def journal(self) -> Path:
        """The file that records finished works until the ledger has them."""
        return journals(self.request.out) / f"{self.number:06d}.jsonl"


def journals(out: Path) -> Path:
    """The folder of the journals that the ledger does not include yet."""
    return out / paths.OUTPUT_STATE / "journal"


def run_shard(shard: Shard) -> int:
    """Restore the works of a shard that its journal does not record yet, one after another.

    Returns:
        The number of works processed.

    Raises:
        PentimentoError: when the machine cannot continue, for example because the disk is full.
    """
    kit = load_kit(shard.request.settings, shard.request.methods)
    tree, done = Tree.at(shard.request.out), 0
    try:
        shard.journal.parent.mkdir(parents=True, exist_ok=True)
        todo = left(shard)  # a runner may restart a shard whose worker was killed
        with shard.journal.open("a", encoding="ascii") as journal:
            if journal.tell():
                journal.write("\n")  # ends a line that a killed process left incomplete
            for work in todo:
                if shard.parent and os.getppid() != shard.parent:
                    break  # the run was killed, so no process needs the result
                # No fsync: this line names the work of a killed process; it need not survive a power failure.
                journal.write(json.dumps({"begun": work.path}) + "\n")
                journal.flush()
                journal.write(json.dumps(attempt(work, tree, kit)) + "\n")
                journal.flush()
                os.fsync(journal.fileno())
                done += 1
    except OSError as error:
        raise PentimentoError(machine_trouble(shard.request.out, error)) from None
    return done


def left(shard: Shard) -> list[Work]:
    """The works of a shard that its journal does not record yet."""
    done = {note["work"] for note in read_journal(shard.journal)} if shard.journal.exists() else set()
    return [work for work in shard.works if work.path not in done]


def attempt(work: Work, tree: Tree, kit: Kit) -> dict[str, Any]:
    """Restore one work, and return its journal note; a failed work has a note with `error`.

    Raises:
        OSError: when the machine cannot continue, for example because the disk is full.
    """
    started = time.monotonic()
    note: dict[str, Any] = {
        KEY: VERSION,
        "work": work.path,
        "id": f"{os.getpid()}-{time.time_ns()}",  # distinguishes a work done twice from a note read twice
        "space": kit.fingerprint,
        "retry": False,  # whether the next run should try again even without a change
    }
    try:
        note["stat"] = _stat(work.source)
        note["mask_stat"] = _stat(work.mask) if work.mask else None
        note["value"] = restore_work(work, tree, kit)
    except ItemError as error:
        note["error"] = str(error)
        note |= _hashes(work) if not isinstance(error, SourceChanged) else {"retry": True}
    except OSError as error:
        if error.errno in _MACHINE:
            raise
        note |= {"error": f"cannot be read or written: {error.strerror or error}", "retry": True}
    except MemoryError:
        note |= {"error": "needs more memory than there is", "retry": True}
    except Exception as error:  # noqa: BLE001  one work that trips a library must not stop an archive
        note |= {"error": " ".join([type(error).__name__ + ":", *str(error).split()])[:300], "retry": True}
    note["seconds"] = round(time.monotonic() - started, 3)
    return note


def killed(shard: Shard) -> None:
    """Record in the journal of a shard with one work that its worker was killed."""
    kit = load_kit(shard.request.settings, shard.request.methods)
    (work,) = shard.works
    reason = "its worker process was killed; the machine may be short of memory"
    failed = {"retry": True, "error": reason, "seconds": 0.0}
    shard.journal.parent.mkdir(parents=True, exist_ok=True)
    note = {KEY: VERSION, "work": work.path, "id": f"{os.getpid()}-{time.time_ns()}"}
    with shard.journal.open("a", encoding="ascii") as journal:
        journal.write("\n" + json.dumps(note | {"space": kit.fingerprint} | failed) + "\n")


def read_journal(path: Path) -> Iterator[dict[str, Any]]:
    """The notes of a journal; incomplete and damaged lines are skipped.

    Raises:
        PentimentoError: when a note has an unknown version.
    """
    for line in path.read_text(encoding="ascii", errors="replace").splitlines():
        try:
            note = json.loads(line)
        except ValueError:
            continue
        if isinstance(note, dict):
            remedy = "delete the file: its works are restored again"
            check_version(path, "journal", note.get(KEY), VERSION, remedy)
        if _is_whole(note):
            yield note


def broken_off(path: Path) -> set[str]:
    """The works of a journal that were begun but not finished, because the process was killed."""
    begun = set()
    for line in path.read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith('{"begun": '):
            with suppress(ValueError):  # incomplete line
                begun.add(str(json.loads(line)["begun"]))
    return begun - {note["work"] for note in read_journal(path)}


def _is_whole(note: Any) -> bool:
    if not isinstance(note, dict) or not _NOTED.issubset(note) or not isinstance(note["work"], str):
        return False
    if not note["retry"] and not {"stat", "mask_stat"} <= note.keys():
        return False
    value = note.get("value")
    return "error" in note or (isinstance(value, dict) and value.keys() >= _RESULT)


def machine_trouble(out: Path, error: OSError) -> str:
    """The message, one line, for an error of the machine and not of a work."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"the disk of {out} is full: make room, then run the same command again; it goes on"
    return f"{out}: {error.strerror or error}; mend it, then run the same command again; it goes on"


def _hashes(work: Work) -> dict[str, Any]:
    try:
        mask = file_sha256(work.mask) if work.mask else None
        return {"source_sha256": file_sha256(work.source), "mask_sha256": mask}
    except OSError:
        return {"retry": True}


def _stat(path: Path) -> list[int]:
    found = path.stat()
    return [found.st_size, found.st_mtime_ns]
