"""Merges sources into one catalog: a picture that two sources hold becomes one work with two records."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from pipeline.catalog.sources.base import FIELDS
from pipeline.errors import PentimentoError

# Columns that belong together: years come from a record whose written date is the kept one, or equals it.
_WITH: dict[str, str] = {"year_begin": "date", "year_end": "date"}
CONFLICT_COLUMNS = ("id", "field", "source", "value", "other_id", "other_source", "other_value")


def merge(catalog: pd.DataFrame, order: Sequence[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Merge works of several sources that are the same file, byte for byte (SHA-256).

    The row of the first source in `order` is kept; each field takes the value of the first source that has
    one. Copies within one source are not merged: `clean` quarantines them.

    Args:
        catalog: one row per picture, with id, source, sha256, location, path, problem, record and FIELDS.
            A row with a problem is never merged.
        order: names of the sources, the preferred one first.

    Returns:
        The catalog, in its order, without the rows that were merged into others, and with the column
        `other_records`: those rows, as JSON (a list of {id, source, location, path, fields, record}, empty
        for most works). And the conflicts: where two sources state different values, one row each with
        the columns of CONFLICT_COLUMNS, values as JSON.

    Raises:
        PentimentoError: when a source of the catalog is not in `order`.
    """
    unknown = sorted(set(catalog["source"]) - set(order))
    if unknown:
        raise PentimentoError(f"merge: the order names no source '{unknown[0]}'; it has {list(order)}")
    merged = catalog.reset_index(drop=True)
    groups = _groups(merged, order)
    others = np.full(len(merged), "[]", dtype=object)
    changed: dict[str, dict[int, Any]] = {name: {} for name in FIELDS}
    conflicts: list[dict[str, Any]] = []
    gone: list[int] = []
    shared = [place for places in groups for place in places]
    row_at = dict(zip(shared, merged.iloc[shared].to_dict("records"), strict=True))
    for places in groups:
        rows = [row_at[place] for place in places]
        fields, found = _merged(rows)
        for name, value in fields.items():
            changed[name][places[0]] = value
        conflicts += found
        others[places[0]] = json.dumps([_record(row) for row in rows[1:]], ensure_ascii=False)
        gone += places[1:]
    for name, values in changed.items():
        if values:
            merged[name] = _replaced(merged[name], values)
    merged["other_records"] = pd.Series(others, dtype="string")
    kept = merged.drop(index=gone).set_index(catalog.index.delete(gone))
    return kept, pd.DataFrame(conflicts, columns=list(CONFLICT_COLUMNS)).astype("string")


def _groups(catalog: pd.DataFrame, order: Sequence[str]) -> list[list[int]]:
    """Positions of rows that are the same file in several sources, in the order of the sources."""
    readable = catalog[catalog["sha256"].notna() & catalog["problem"].isna()]
    shared = readable[readable["sha256"].duplicated(keep=False)]
    rank = {name: number for number, name in enumerate(order)}
    ranked = shared.assign(_rank=shared["source"].map(rank)).sort_values(["_rank", "id"], kind="stable")
    firsts = ranked.drop_duplicates(["sha256", "source"])
    firsts = firsts[firsts["sha256"].duplicated(keep=False)]
    groups: dict[str, list[int]] = {}
    for place, sha256 in zip(firsts.index, firsts["sha256"], strict=True):
        groups.setdefault(sha256, []).append(place)
    return [groups[sha256] for sha256 in sorted(groups)]


def _merged(rows: list[dict[str, Any]]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The merged fields of one work, and its conflicts; rows are in the order of the sources."""
    fields: dict[str, Any] = {}
    conflicts: list[dict[str, Any]] = []
    for name in FIELDS:
        stated = [row for row in rows if _has(row[name])]
        if name in _WITH:
            head = fields.get(_WITH[name])
            stated = [row for row in stated if not _has(row[_WITH[name]]) or _same(row[_WITH[name]], head)]
        if not stated:
            continue
        winner, *losers = stated
        fields[name] = winner[name]
        conflicts += [
            {
                "id": rows[0]["id"],
                "field": name,
                "source": winner["source"],
                "value": _json(winner[name]),
                "other_id": row["id"],
                "other_source": row["source"],
                "other_value": _json(row[name]),
            }
            for row in losers
            if not _same(row[name], winner[name])
        ]
    return fields, conflicts


def _replaced(column: pd.Series[Any], values: dict[int, Any]) -> pd.Series[Any]:
    """The column with some values replaced; its type stays."""
    cells = np.empty(len(values), dtype=object)  # one by one, because a list of tags is one value
    for number, value in enumerate(values.values()):
        cells[number] = value
    changed = column.copy()
    changed.iloc[list(values)] = pd.Series(cells, dtype=column.dtype).array
    return changed


def _record(row: dict[str, Any]) -> dict[str, Any]:
    fields = {name: _plain(row[name]) for name in FIELDS if _has(row[name])}
    return {name: row[name] for name in ("id", "source", "location", "path")} | {
        "fields": fields,
        "record": row["record"],
    }


def _has(value: Any) -> bool:
    if isinstance(value, list | tuple | np.ndarray):
        return len(value) > 0
    return not pd.isna(value) and value != ""


def _same(one: Any, other: Any) -> bool:
    """Whether two values are equal apart from case, spaces and the order of tags."""
    return bool(_has(one) == _has(other) and _folded(one) == _folded(other))


def _folded(value: Any) -> Any:
    if isinstance(value, list | tuple | np.ndarray):
        return sorted(_folded(one) for one in value)
    return " ".join(value.casefold().split()) if isinstance(value, str) else value


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple | np.ndarray):
        return [str(one) for one in value]
    return value.item() if isinstance(value, np.generic) else value


def _json(value: Any) -> str:
    return json.dumps(_plain(value), ensure_ascii=False)
