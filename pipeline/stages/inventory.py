"""Inventory: list the pictures of all sources, each with its size and SHA-256."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import Field

from pipeline import paths
from pipeline.archive.fixity import file_sha256
from pipeline.archive.tables import write_table
from pipeline.catalog.location import file_of
from pipeline.catalog.sources import AnySpec, list_items
from pipeline.catalog.sources.base import as_json, is_writable, spelt
from pipeline.catalog.sources.disappeared import note_disappeared
from pipeline.errors import ItemError
from pipeline.params import StageParams
from pipeline.stage import Context, Files, Metrics, Stage


class Params(StageParams):
    """Where the archive lies."""

    sources: tuple[AnySpec, ...] = Field(min_length=1)


def take(params: Params, ctx: Context) -> pd.DataFrame:
    """The present inventory: every picture, hashed if its size or modification time is new."""
    rows: list[dict[str, Any]] = []
    files: dict[str, Path] = {}
    works: dict[str, list[dict[str, Any]]] = {}  # of a file: several may share it
    for item in list_items(params.sources, ctx.root):
        row: dict[str, Any] = {
            "id": spelt(item.id),
            "source": item.source,
            "location": item.location,
            "path": spelt(item.path),  # a table cannot hold every name; the quarantine shows it spelt out
            "size": -1,
            "sha256": None,
            "problem": item.problem,
            "fields": as_json(item.fields),
            "record": as_json(item.record),
        }
        rows.append(row)
        if item.problem is None and not is_writable(item.path):
            row["problem"] = "the file's name has bytes that are no printable UTF-8"
        if row["problem"] is not None:
            continue
        try:
            file = file_of(item.location, item.path, ctx.root)
            stat = file.stat()
            row["size"] = stat.st_size
            key = f"{file}\0{stat.st_size}\0{stat.st_mtime_ns}"
            files[key] = file
            works.setdefault(key, []).append(row)
        except (OSError, ItemError) as error:
            row["problem"] = getattr(error, "strerror", None) or str(error)
    hashes, failures = ctx.map(file_sha256, files, "inventory: hashing", depends_on={})
    for key, sharing in works.items():
        for row in sharing:
            row["sha256"], row["problem"] = hashes.get(key), failures.get(key)
    return pd.DataFrame(rows)


def run(params: Params, inputs: Files, outputs: Files, ctx: Context) -> Metrics:
    """Write the inventory."""
    table = take(params, ctx)
    write_table(outputs["inventory"], table)
    now = datetime.now(UTC).isoformat(timespec="seconds")  # kept in the state folder alone
    gone = note_disappeared(ctx.state, table, [spec.title for spec in params.sources], now)
    if len(gone):
        ctx.log.info("%d works are gone from the sources, the first: %s", len(gone), gone["id"].iloc[0])
    return {
        "works": len(table),
        "bytes": int(table["size"].clip(lower=0).sum()),
        "unreadable": int(table["problem"].notna().sum()),
        "sources": {str(name): int(n) for name, n in table["source"].value_counts().sort_index().items()},
    }


STAGE = Stage("inventory", Params, run, outputs={"inventory": paths.INVENTORY})
