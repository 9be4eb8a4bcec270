"""Inventory: what the sources hold, each picture with its size and SHA-256."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
from pydantic import Field

from pipeline import paths
from pipeline.archive.fixity import file_sha256
from pipeline.archive.tables import write_table
from pipeline.catalog.sources import AnySpec, file_of, list_items
from pipeline.errors import ItemError
from pipeline.params import StageParams
from pipeline.stage import Context, Files, Metrics, Stage


class Params(StageParams):
    """Where the archive lies."""

    sources: tuple[AnySpec, ...] = Field(min_length=1)


def take(params: Params, ctx: Context) -> pd.DataFrame:
    """The inventory as it is now: every picture, hashed where its size or modification time is new."""
    rows, keys = [], {}
    for item in list_items(params.sources, ctx.root):
        row: dict[str, Any] = {
            "id": item.id,
            "source": item.source,
            "location": item.location,
            "path": item.path,
            "size": -1,
            "sha256": None,
            "problem": None,
            "fields": json.dumps(item.fields, ensure_ascii=False),
            "record": json.dumps(item.record, ensure_ascii=False, default=str),
        }
        if not item.path.isprintable():
            # A table cannot hold such a name; the row keeps a spelt-out one, for the quarantine.
            spelt = {name: ascii(row[name])[1:-1] for name in ("id", "path")}
            problem = "the file's name has bytes that are no printable UTF-8"
            rows.append(row | spelt | {"problem": problem, "fields": "{}", "record": "{}"})
            continue
        try:
            file = file_of(item.location, item.path, ctx.root)
            stat = file.stat()
            row["size"] = stat.st_size
            keys[f"{file}\0{stat.st_size}\0{stat.st_mtime_ns}"] = (file, row)
        except (OSError, ItemError) as error:
            row["problem"] = getattr(error, "strerror", None) or str(error)
        rows.append(row)
    hashes, failures = ctx.map(lambda pair: file_sha256(pair[0]), keys, "inventory: hashing")
    for key, (_, row) in keys.items():
        row["sha256"], row["problem"] = hashes.get(key), failures.get(key)
    return pd.DataFrame(rows)


def run(params: Params, inputs: Files, outputs: Files, ctx: Context) -> Metrics:
    """Write the inventory."""
    table = take(params, ctx)
    write_table(outputs["inventory"], table)
    return {
        "works": len(table),
        "bytes": int(table["size"].clip(lower=0).sum()),
        "unreadable": int(table["problem"].notna().sum()),
        "sources": {str(name): int(n) for name, n in table["source"].value_counts().sort_index().items()},
    }


STAGE = Stage("inventory", Params, run, outputs={"inventory": paths.INVENTORY})
