"""A folder of downloads: `pictures/`, `documents/`, what is half done in `partial/`, and a ledger.

The ledger says what the servers said. A file is renamed into place when it is whole and read as what it
should be, and only then noted in the ledger: after a kill at any moment the next run goes on with what
is there.
"""

from __future__ import annotations

import fcntl
import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any, Literal

import httpx

from pipeline.archive.ledger import Entry, Ledger
from pipeline.catalog.sources.contents import document_suffix, picture_suffix
from pipeline.catalog.sources.responses import Unreachable
from pipeline.errors import ItemError
from pipeline.progress import say

Kind = Literal["documents", "pictures"]


@dataclass(frozen=True)
class Target:
    """What is to be had, and what is known of it from before (of a file that is there)."""

    url: httpx.URL
    kind: Kind
    key: str
    known: dict[str, Any] | None


class Store:
    """The folder; several threads may use it, one process at a time: another one waits for it.

    Args:
        folder: is made when it does not exist.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._lock = folder, Lock()
        for name in ("pictures", "documents", "partial"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        self._guard = (folder / ".lock").open("w")
        try:
            fcntl.flock(self._guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"another run downloads into {folder}; this one waits")  # and then finds fresh copies
            fcntl.flock(self._guard, fcntl.LOCK_EX)
        self._ledger = Ledger(folder / "downloads.sqlite", "download")

    def close(self) -> None:
        """Close the ledger and let another process in."""
        self._ledger.close()
        self._guard.close()

    def target(self, url: httpx.URL, kind: Kind) -> Target:
        """What is known of a URL."""
        key = hashlib.sha256(str(url).encode()).hexdigest()[:40]
        known = self._get(f"{kind}:{key}")
        if known and not _is_there(self._folder / known["path"], known["size"]):
            known = None
        return Target(url, kind, key, known)

    def part(self, target: Target) -> Path:
        """The file that holds what is half done."""
        return self._folder / "partial" / target.key

    def begun(self, target: Target) -> dict[str, Any]:
        """What the server said when the download that is half done began."""
        return self._get(f"partial:{target.key}") or {}

    def begin(self, target: Target, said: dict[str, Any]) -> None:
        """Forget what is half done, and note what the server says of what comes instead."""
        self.part(target).unlink(missing_ok=True)  # in this order: never old bytes under a new name
        self._put(f"partial:{target.key}", said)

    def place(self, target: Target, said: dict[str, Any]) -> str:
        """Rename a whole download into place when it is what it should be; then note it.

        Returns:
            Its path, relative to the folder.

        Raises:
            Unreachable: when it is something else; it is removed.
        """
        part = self.part(target)
        check: Callable[[Path], str] = document_suffix if target.kind == "documents" else picture_suffix
        try:
            suffix = check(part)
        except ItemError as error:
            part.unlink()
            reason = f"{target.url}: {error} (the server calls it {said.get('type') or 'nothing'})"
            raise Unreachable(reason) from None
        path = f"{target.kind}/{target.key[:2]}/{target.key}{suffix}"
        (self._folder / path).parent.mkdir(exist_ok=True)
        size = part.stat().st_size
        part.replace(self._folder / path)
        self.note(target, said | {"path": path, "size": size})
        return path

    def note(self, target: Target, said: dict[str, Any]) -> None:
        """Note what is known of a file, and that it was asked for now."""
        self._put(f"{target.kind}:{target.key}", said | {"url": str(target.url), "asked": time.time()})

    def _get(self, key: str) -> dict[str, Any] | None:
        with self._lock:
            entry = self._ledger.get([key]).get(key)
        return entry.value if entry else None

    def _put(self, key: str, value: dict[str, Any]) -> None:
        with self._lock:
            self._ledger.put({key: Entry(value)})


def _is_there(file: Path, size: int) -> bool:
    try:
        return file.stat().st_size == size
    except FileNotFoundError:
        return False
