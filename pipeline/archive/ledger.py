"""The ledger: a record of finished items, so that no item is computed twice.

It is a SQLite file (write-ahead log) with one row per finished item. The key holds everything that the
result depends on. After `kill -9` at any moment, all committed rows are there.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from pipeline.archive.versions import check_version
from pipeline.errors import PentimentoError

VERSION = 1  # of the table and of the stages' values in it
_SCHEMA = """
CREATE TABLE IF NOT EXISTS item (
    space TEXT NOT NULL,          -- stage + params + code: results of another space do not count
    key   TEXT NOT NULL,          -- the item: content hash and whatever else it depends on
    value TEXT,                   -- its result, JSON
    error TEXT,                   -- or the reason why there is none
    PRIMARY KEY (space, key)
) WITHOUT ROWID
"""


@dataclass(frozen=True)
class Entry:
    """One finished item: its result, or the reason why it has none."""

    value: Any = None
    error: str | None = None


class Ledger:
    """Finished items of one space in a SQLite file; safe to share between processes."""

    def __init__(self, path: Path, space: str) -> None:
        self.space = space
        path.parent.mkdir(parents=True, exist_ok=True)
        # Autocommit: the code opens transactions itself, so each `put` is durable when it returns.
        try:
            self._db = sqlite3.connect(path, timeout=60, isolation_level=None, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            ((found,),) = self._db.execute("PRAGMA user_version").fetchall()
            remedy = "move the file away: its results are computed again"
            check_version(path, "ledger", found or None, VERSION, remedy)
            if found == 0:
                self._db.execute(_SCHEMA)
                self._db.execute(f"PRAGMA user_version = {VERSION}")
        except sqlite3.DatabaseError as error:
            raise PentimentoError(
                f"{path} cannot be used as a ledger ({error}); if the disk is not full, move the file away: "
                "its results are computed again"
            ) from None

    def get(self, keys: Iterable[str]) -> dict[str, Entry]:
        """The entries of those `keys` that are finished."""
        wanted = list(dict.fromkeys(keys))
        found: dict[str, Entry] = {}
        for start in range(0, len(wanted), 500):
            chunk = wanted[start : start + 500]
            marks = ",".join("?" * len(chunk))
            query = f"SELECT key, value, error FROM item WHERE space = ? AND key IN ({marks})"
            rows = self._db.execute(query, [self.space, *chunk]).fetchall()
            # One JSON text for all keys: thousands of short ones take twice as long.
            values = json.loads(f"[{','.join(value or 'null' for _, value, _ in rows)}]")
            for (key, _, error), value in zip(rows, values, strict=True):
                found[key] = Entry(value, error)
        return found

    def put(self, entries: Mapping[str, Entry]) -> None:
        """Record finished items, all of them or none; durable when it returns."""
        rows = [
            (self.space, key, None if e.error else json.dumps(e.value), e.error) for key, e in entries.items()
        ]
        self._db.execute("BEGIN IMMEDIATE")
        try:
            self._db.executemany("INSERT OR REPLACE INTO item VALUES (?, ?, ?, ?)", rows)
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def keys(self) -> set[str]:
        """The keys of all finished items."""
        query = "SELECT key FROM item WHERE space = ?"
        return {key for (key,) in self._db.execute(query, [self.space])}

    def remove(self, keys: Iterable[str]) -> None:
        """Forget items; durable when it returns."""
        rows = [(self.space, key) for key in keys]
        self._db.execute("BEGIN IMMEDIATE")
        self._db.executemany("DELETE FROM item WHERE space = ? AND key = ?", rows)
        self._db.execute("COMMIT")

    def __len__(self) -> int:
        query = "SELECT count(*) FROM item WHERE space = ?"
        return int(self._db.execute(query, [self.space]).fetchone()[0])

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
