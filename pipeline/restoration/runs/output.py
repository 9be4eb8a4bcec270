"""The folder `OUT/.pentimento`: lock, ledger, run log, quarantine; and which folders are refused."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline import paths
from pipeline.errors import PentimentoError


def check_folders(source_folder: Path, out_folder: Path, masks: Path | None) -> None:
    """Check the folders of a run before it writes anything.

    Raises:
        PentimentoError: when the source or the masks are missing, the output lies in one of them or contains
            the source, or the output cannot be written.
    """
    for what, folder in (("source", source_folder), ("masks", masks)):
        if folder is not None and not folder.is_dir():
            raise PentimentoError(f"the {what} folder {folder} does not exist or is no folder")
    source, out = source_folder.resolve(), out_folder.resolve()
    if source == out or source in out.parents:
        raise PentimentoError(f"the output {out} lies in the source {source}: choose one outside it")
    if out in source.parents:
        raise PentimentoError(f"the source {source} lies in the output {out}: choose another output")
    if masks is not None and (masks.resolve() == out or masks.resolve() in out.parents):
        raise PentimentoError(f"the output {out} lies in the masks {masks}: choose one outside them")
    if out_folder.exists() and not out_folder.is_dir():
        raise PentimentoError(f"the output {out_folder} is a file; name a folder")
    existing = next(folder for folder in (out, *out.parents) if folder.exists())
    if not existing.is_dir():
        raise PentimentoError(
            f"the output {out_folder} cannot be made: {existing} is a file; name another folder"
        )
    if not os.access(existing, os.W_OK | os.X_OK):
        raise PentimentoError(f"the output {out_folder} cannot be written: no permission in {existing}")


def quarantine(out: Path) -> Path:
    """The table of failed works."""
    return out / paths.OUTPUT_STATE / "quarantine.csv"


def gone_list(out: Path) -> Path:
    """The table of works that are in the output tree but no longer in the source."""
    return out / paths.OUTPUT_STATE / "gone.csv"


@contextmanager
def lock(out: Path) -> Iterator[None]:
    """Lock an output folder while the block runs; the lock ends with the process.

    Raises:
        PentimentoError: when another run holds the lock, or the folder cannot be written.
    """
    folder = out / paths.OUTPUT_STATE
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = (folder / "lock").open("a+")
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise PentimentoError(f"the output {out} cannot be written: {error.strerror}") from None
        raise
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            handle.seek(0)
            owner = handle.read().strip() or "unknown"
            raise PentimentoError(
                f"another run (process {owner}) works on {out}; wait until it ends"
            ) from None
        handle.seek(0)
        handle.truncate()
        handle.write(str(os.getpid()))
        handle.flush()
        yield


def tells_case_apart(out: Path) -> bool:
    """Whether the output's file system is case-sensitive; True when the output folder does not exist yet."""
    return not (out / paths.OUTPUT_STATE / "LOCK").exists()  # every output folder has a file `lock`


def ledger_path(out: Path) -> Path:
    """The ledger of an output folder."""
    return out / paths.OUTPUT_STATE / paths.LEDGER


def log(out: Path, lines: Sequence[dict[str, Any]]) -> None:
    """Append lines with the current time (UTC) to the run log, which no result depends on."""
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    with log_path(out).open("a", encoding="utf-8") as handle:
        handle.writelines(json.dumps({"time": stamp, **line}) + "\n" for line in lines)


def finished_runs(out: Path) -> list[dict[str, Any]]:
    """The lines of the run log about finished runs, oldest first; `finished` holds each run's summary.

    Damaged lines are skipped, because only estimates depend on them.
    """
    path = log_path(out)
    if not path.exists():
        return []
    found = []
    for text in path.read_text(encoding="utf-8", errors="replace").splitlines():
        if '"finished"' not in text:  # most lines: the log has one for each work
            continue
        try:
            line = json.loads(text)
            numbers = [line["finished"]["megapixels"], line["finished"]["seconds"]]
        except (ValueError, KeyError, TypeError):
            continue
        if all(isinstance(number, int | float) for number in numbers):
            found.append(line)
    return found


def log_path(out: Path) -> Path:
    """The run log of an output folder."""
    return out / paths.OUTPUT_STATE / "log.jsonl"
