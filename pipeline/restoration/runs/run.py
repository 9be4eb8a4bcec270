"""A run over an archive: plan, hand out shards, record results, sum up.

`OUT/.pentimento/ledger.sqlite` has two spaces. The space `seen` holds the size, modification time and SHA-256
of each path when it was last processed, so unchanged files are not read again. The other space is named by
the fingerprint of settings, methods, models and code. It holds results by content hash, path and mask hash.
One process at a time owns an output folder, by a lock that ends with it, and only that process writes the
ledger.
"""

from __future__ import annotations

import csv
import io
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.archive.atomic import sweep, write_bytes
from pipeline.archive.ledger import Entry, Ledger
from pipeline.archive.reasons import commonest
from pipeline.errors import PentimentoError
from pipeline.restoration.methods.kit import load_kit
from pipeline.restoration.runs import estimate, output
from pipeline.restoration.runs.orphans import put_aside, write_list
from pipeline.restoration.runs.plan import Plan, expect, look_through, make_plan, result_key
from pipeline.restoration.runs.request import Request, Summary
from pipeline.restoration.runs.shard import Shard, broken_off, journals, machine_trouble, read_journal
from pipeline.restoration.work.work import Tree


@dataclass
class ArchiveRun:
    """An open run: its plan and its progress; `open_run` makes it."""

    request: Request
    space: str
    recipe: estimate.Recipe
    plan: Plan = field(default_factory=Plan)
    summary: Summary = field(default_factory=Summary)
    failures: dict[str, str] = field(default_factory=dict)  # encoded path -> reason
    suspects: set[str] = field(default_factory=set)  # works in progress when a process was killed
    collected: set[int] = field(default_factory=set)  # numbers of the shards that the summary includes
    spent: dict[str, estimate.Spent] = field(default_factory=estimate.nothing_spent)
    started: float = field(default_factory=time.monotonic)

    @property
    def shards(self) -> list[Shard]:
        """The shards to process."""
        return self.plan.shards

    @property
    def delicate(self) -> bool:
        """Whether a work may crash its process: because the run is large, or because a process was killed."""
        return bool(self.suspects) or self.plan.megapixels > _SMALL

    def collect(self, shard: Shard) -> None:
        """Record the journal of a finished or aborted shard in the ledger.

        Raises:
            PentimentoError: when more works failed than max_failure_ratio allows.
            OSError, sqlite3.Error: when the journal or the ledger cannot be read or written.
        """
        self.collected.add(shard.number)
        if shard.journal.exists():
            self.absorb(shard.journal)
        limit = self.request.settings.max_failure_ratio
        if len(self.failures) > limit * self.summary.works:
            self.write_quarantine()
            (first,) = commonest(self.failures, 1)
            raise PentimentoError(
                f"{len(self.failures)} of {self.summary.works} works failed, more than "
                f"max_failure_ratio {limit:g} allows; the commonest reason ({first['works']}): "
                f"{first['reason']}; see {output.quarantine(self.request.out)}"
            )

    def absorb(self, journal: Path) -> None:
        """Record a journal's notes in the ledger and the run log, then delete the journal."""
        notes = list(read_journal(journal))
        self.suspects |= broken_off(journal)
        path = output.ledger_path(self.request.out)
        with Ledger(path, "seen") as seen:
            previous = {work: entry.value for work, entry in seen.get(n["work"] for n in notes).items()}
            for space in sorted({note["space"] for note in notes}):
                mine = [note for note in notes if note["space"] == space and not note["retry"]]
                with Ledger(path, space) as ledger:
                    ledger.put({result_key(n["work"], _seen(n)): _entry(n) for n in mine})
            fresh = {n["work"]: _seen(n, previous.get(n["work"])) for n in notes if not n["retry"]}
            seen.put({work: Entry(value=value) for work, value in fresh.items()})
        output.log(self.request.out, [{"recorded": n["work"], **_outcome(n)} for n in notes])
        for note in notes:
            self._count(note)
            old = previous.get(note["work"], {}).get("output")
            if "value" in note and old and old != note["value"]["output"]:
                (Tree.at(self.request.out).works / old).unlink(missing_ok=True)
        journal.unlink()

    def write_quarantine(self) -> None:
        """Write quarantine.csv: every failed work with its reason, sorted by path."""
        text = io.StringIO(newline="")
        table = csv.writer(text, lineterminator="\n")
        table.writerow(["path", "reason"])
        table.writerows(sorted(self.failures.items()))
        write_bytes(output.quarantine(self.request.out), text.getvalue().encode())

    def finish(self) -> Summary:
        """Write the quarantine, complete the summary and append it to the run log."""
        self.write_quarantine()
        summary = self.summary
        summary.failed, summary.reasons = len(self.failures), commonest(self.failures)
        done = summary.known + summary.restored + summary.copied + summary.failed
        summary.left = max(0, summary.works - done)
        seconds = time.monotonic() - self.started
        summary.megapixels_per_second = round(summary.megapixels / seconds, 3) if seconds else 0.0
        summary.seconds, summary.megapixels = round(seconds, 2), round(summary.megapixels, 3)
        line = {"finished": summary.as_dict(), **estimate.noted(self.recipe, self.spent)}
        output.log(self.request.out, [line])
        return summary

    def take_stock(self, plan: Plan, dry: bool) -> None:
        """Start with a plan, and list the works that are gone from the source.

        With `prune` the run moves their results away. A dry run writes nothing.
        """
        out = self.request.out
        self.plan, self.failures = plan, dict(plan.failures)
        self.summary.works, self.summary.known = plan.works, plan.known
        self.summary.without_mask = plan.without_mask
        self.summary.gone = len(plan.gone)
        if dry:
            return
        if plan.gone and self.request.prune:
            with Ledger(output.ledger_path(out), "seen") as seen:
                self.summary.pruned = put_aside(out, plan.gone, seen)
        write_list(out, [] if self.summary.pruned else plan.gone)

    def _count(self, note: dict[str, Any]) -> None:
        if note["space"] != self.space:
            return
        if "error" in note:
            self.failures[note["work"]] = note["error"]
            return
        value = note["value"]
        changed = not value["copied"]
        self.summary.restored += changed
        self.summary.copied += not changed
        self.summary.fallbacks += value["fallbacks"] > 0
        self.summary.megapixels += value["megapixels"]
        self.spent["restored" if changed else "copied"].add(value["megapixels"], note["seconds"])


_SMALL = 32.0  # megapixels: a run of at most this size cannot exhaust the memory


@contextmanager
def open_run(
    request: Request, workers: int = 1, dry: bool = False, begin: Callable[[int], None] | None = None
) -> Iterator[ArchiveRun]:
    """Check the folders, lock the output, and make the plan.

    A dry run takes no lock and writes nothing.

    Args:
        request: the archive, the output and the settings.
        workers: number of worker processes that share the shards.
        dry: whether to plan only.
        begin: called well before the plan is ready, with the number of workers that the run certainly
            needs, so that they can start meanwhile.

    Raises:
        PentimentoError: when a folder is missing, empty, not writable or inside another one, another run
            holds the output's lock, or the ledger is damaged.
    """
    started = time.monotonic()
    output.check_folders(request.source, request.out, request.masks)
    found, masks = look_through(request)  # before anything is written
    if begin is not None and not dry:
        with _trouble(request.out):
            begin(expect(request, found, workers))
    kit = load_kit(request.settings, request.methods)
    ledger = output.ledger_path(request.out)
    with ExitStack() as stack:
        stack.enter_context(_trouble(request.out))
        run = ArchiveRun(request, kit.fingerprint, estimate.Recipe.of(kit))
        if not dry:
            stack.enter_context(output.lock(request.out))
            sweep(Tree.at(request.out).partial, owned=True)
            for journal in sorted(journals(request.out).glob("*.jsonl")):
                run.absorb(journal)  # of a killed run
        summary = Summary(ignored_files=found.ignored, skipped_links=found.links)
        summary.unused_masks = masks.unused
        run = ArchiveRun(request, run.space, run.recipe, summary=summary, suspects=run.suspects)
        run.started = started
        seen = stack.enter_context(Ledger(ledger, "seen")) if not dry or ledger.exists() else None
        run.take_stock(make_plan(request, kit.fingerprint, found, masks, seen, workers), dry)
        yield run


@contextmanager
def _trouble(out: Path) -> Iterator[None]:
    """Turn errors of the ledger or the machine into a PentimentoError with a message of one line."""
    ledger = output.ledger_path(out)
    try:
        yield
    except sqlite3.OperationalError as error:
        raise PentimentoError(f"{ledger}: {error}; is the disk full, or another run at work?") from None
    except sqlite3.DatabaseError:
        raise PentimentoError(
            f"{ledger} is damaged; move it away and run again: works are checked again"
        ) from None
    except OSError as error:
        raise PentimentoError(machine_trouble(out, error)) from None


def _seen(note: dict[str, Any], before: dict[str, Any] | None = None) -> dict[str, Any]:
    """The entry of a path in the space `seen`; a failed work keeps the name of its earlier result."""
    value = note.get("value") or {}
    return {
        "stat": note["stat"],
        "mask_stat": note["mask_stat"],
        "sha256": value.get("source_sha256") or note.get("source_sha256"),
        "mask_sha256": value.get("mask_sha256") or note.get("mask_sha256"),
        "output": value.get("output") or (before or {}).get("output"),
    }


def _entry(note: dict[str, Any]) -> Entry:
    return Entry(value=note.get("value"), error=note.get("error"))


def _outcome(note: dict[str, Any]) -> dict[str, Any]:
    outcome = {"id": note["id"], "seconds": note["seconds"], "space": note["space"]}
    return outcome | ({"error": note["error"]} if "error" in note else {})
