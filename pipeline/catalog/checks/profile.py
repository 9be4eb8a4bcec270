"""The figures of the data report, computed from the tables of a data set.

No picture is read. Tables of a million rows are processed by column, never row by row.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from pipeline.archive.reasons import reason_kind
from pipeline.catalog.sources.base import FIELDS

RECORDED, MISSING = "recorded", "missing"
MAX_NAMES = 40  # names of a histogram; the others are counted together
OTHERS = "(others)"
MEGAPIXELS = (0.1, 0.3, 1, 3, 10, 30, 100)  # bin edges of sizes
MAX_BINS = 45  # bins of years
_STEPS = (1, 2, 5, 10, 20, 25, 50, 100, 200, 500, 1000, 2000, 5000)  # years in a bin
_SAME_FILE = re.compile(r"the same (?:file|picture) as ")

Numbers = dict[str, Any]


@dataclass(frozen=True)
class Tables:
    """The tables of a data set; `inventory` and `catalog` have one row per picture."""

    inventory: pd.DataFrame
    catalog: pd.DataFrame
    works: pd.DataFrame
    quarantine: pd.DataFrame
    index: pd.DataFrame
    suspects: pd.DataFrame | None = None


def profile(tables: Tables, broken_rules: Mapping[str, Mapping[str, int]], balance: str = "none") -> Numbers:
    """The figures of the data report, ready for JSON; equal tables give equal figures.

    Args:
        tables: as the stages wrote them.
        broken_rules: stage -> rule -> number of rows that break it.
        balance: method of class rebalancing (`prepare.balance`).
    """
    labels = sorted(name.removesuffix("_origin") for name in tables.works if name.endswith("_origin"))
    return {
        "rows": _rows(tables),
        "broken_rules": {stage: dict(rules) for stage, rules in broken_rules.items()},
        "gaps": _gaps(tables, labels),
        "labels": {label: _origins(tables.works, label) for label in labels},
        "held_out_completed": _held_out_completed(tables.index),
        "balance": balance,
        "classes": _classes(tables.index, balance),
        "years": _years(tables.works),
        "files": _files(tables.catalog),
        "duplicates": _duplicates(tables),
        "quarantine": _reasons(tables.quarantine),
        "suspects": _suspects(tables.suspects),
    }


def unaccounted(tables: Tables) -> list[str]:
    """Ids of the inventory that are neither a work nor in quarantine; an empty list when all is well."""
    ids = tables.inventory["id"]
    places = (tables.works["id"], pd.Series(_merged(tables.works), dtype="str"), tables.quarantine["id"])
    found = np.logical_or.reduce([_among(ids, place) for place in places])
    return [str(one) for one in ids[~found]]


def _merged(works: pd.DataFrame) -> list[str]:
    """Ids of records that were merged into another source's work."""
    if "other_records" not in works:
        return []
    several = works["other_records"][works["other_records"] != "[]"]
    return [str(record["id"]) for records in several for record in json.loads(records)]


def suspect_works(suspects: pd.DataFrame | None) -> pd.DataFrame:
    """The suspects among the judged labels, the most suspect first; empty when none were judged."""
    if suspects is None:
        return pd.DataFrame(columns=["id", "given", "suggested", "score"])
    table = suspects[suspects["suspect"].astype(bool)] if "suspect" in suspects else suspects
    return table.sort_values(["score", "id"], ascending=[False, True])


def near_duplicates(works: pd.DataFrame) -> list[pd.DataFrame]:
    """The works of each group of near-duplicates, in the order of the catalog."""
    doubled = works[works["group"].map(works["group"].value_counts()) > 1]
    return [members for _, members in doubled.groupby("group", sort=False)]


def _rows(tables: Tables) -> Numbers:
    lost = unaccounted(tables)
    sources = pd.DataFrame(
        {
            "in": tables.inventory["source"].value_counts(),
            "kept": tables.works["source"].value_counts(),
            "quarantined": tables.quarantine["source"].value_counts(),
        }
    )
    return {
        "in": len(tables.inventory),
        "kept": len(tables.works),
        "merged": len(_merged(tables.works)),
        "quarantined": len(tables.quarantine),
        "unaccounted": len(lost),
        "sources": {
            str(name): {column: int(n) for column, n in row.items()}
            for name, row in sources.fillna(0).sort_index().iterrows()
        },
    }


def _gaps(tables: Tables, labels: list[str]) -> dict[str, Numbers]:
    """Missing values of the kept works by column: in the records, after parsing, and after completion."""
    works, kept = tables.works, _among(tables.catalog["id"], tables.works["id"])
    gaps = {}
    for name in dict.fromkeys([*FIELDS, *labels]):
        row: Numbers = {"works": len(works)}
        if name in tables.catalog:
            row["in_records"] = _missing(tables.catalog.loc[kept, name])
        if name in works:
            row["after"] = _missing(works[name])
            row["before"] = row["after"]
        if name in labels:
            row["before"] = int((works[f"{name}_origin"].fillna("") != RECORDED).sum())
        if len(row) > 1:
            gaps[name] = row
    return gaps


def _missing(column: pd.Series[Any]) -> int:
    """Number of missing values; an empty list is missing, too."""
    known = column.dropna()
    lists = len(known) and isinstance(known.iloc[0], list | np.ndarray)
    return int(column.isna().sum()) + (int((known.map(len) == 0).sum()) if lists else 0)


def _origins(works: pd.DataFrame, label: str) -> Numbers:
    """Number of works by the origin of a label, and a histogram of completed labels' confidence."""
    origin = works[f"{label}_origin"].fillna(MISSING)
    result: Numbers = {"origins": _counts(origin), "confidence": {}}
    completed = ~origin.isin([RECORDED, MISSING])
    if f"{label}_confidence" in works:
        sure = works.loc[completed, f"{label}_confidence"].astype("Float64")
        for method, values in sure.groupby(origin[completed]):
            tenths = np.minimum((values.dropna().to_numpy(np.float64) * 10 + 1e-9).astype(int), 9)
            result["confidence"][str(method)] = np.bincount(tenths, minlength=10).tolist()
    return result


def _held_out_completed(index: pd.DataFrame) -> dict[str, int]:
    """Number of validation and test works with a completed label; only recorded labels may be used there."""
    held_out = index[index["split"] != "train"]
    return {
        name.removesuffix("_origin"): int((~held_out[name].fillna(RECORDED).isin([RECORDED])).sum())
        for name in index
        if name.endswith("_origin")
    }


def _classes(index: pd.DataFrame, balance: str) -> dict[str, dict[str, Numbers]]:
    """Training works of each school before and after rebalancing, the largest school first.

    After rebalancing: draws times weights, and the synthetic works that the training adds.
    """
    train = index[(index["split"] == "train") & index["school"].notna()]
    after = train["repeat"] * train["weight"]
    table = pd.DataFrame(
        {"works": train.groupby("school").size(), "after": after.groupby(train["school"]).sum()}
    )
    if balance == "smote":
        table["after"] = float(table["works"].max())
    table = table.reset_index().sort_values(["works", "school"], ascending=[False, True]).set_index("school")
    shown, rest = table.iloc[:MAX_NAMES], table.iloc[MAX_NAMES:].sum()
    rows = {str(name): {"works": int(row["works"]), "after": round(float(row["after"]), 1)}
            for name, row in shown.iterrows()}  # fmt: skip
    if rest["works"]:
        rows[OTHERS] = {"works": int(rest["works"]), "after": round(float(rest["after"]), 1)}
    return {"school": rows}


def _years(works: pd.DataFrame) -> Numbers:
    """Histogram of years in bins of a round width; recorded and completed years are counted separately."""
    known = works[works.columns.intersection(["year", "year_origin"])].dropna(subset="year")
    if known.empty:
        return {"step": 1, "bins": {}}
    year = known["year"].astype("int64")
    width = int(year.max() - year.min())
    step = next((one for one in _STEPS if width / one < MAX_BINS), _STEPS[-1])
    start = (year // step) * step
    recorded = known["year_origin"].fillna(RECORDED) == RECORDED if "year_origin" in known else year.notna()
    table = pd.crosstab(start, np.where(recorded, RECORDED, "completed"))
    bins = range(int(start.min()), int(start.max()) + step, step)
    table = table.reindex(index=list(bins), columns=[RECORDED, "completed"], fill_value=0)
    return {
        "step": step,
        "earliest": int(year.min()),
        "latest": int(year.max()),
        "bins": {str(n): {name: int(v) for name, v in row.items()} for n, row in table.iterrows()},
    }


def _files(catalog: pd.DataFrame) -> Numbers:
    """Formats, modes and sizes of all files with a readable header."""
    known = catalog[["format", "mode", "bit_depth", "width", "height"]].dropna(subset=["width", "height"])
    megapixels = known["width"].astype(float) * known["height"].astype(float) / 1e6
    bins = np.bincount(np.digitize(megapixels, MEGAPIXELS), minlength=len(MEGAPIXELS) + 1)
    limits = [f"{value:g}" for value in MEGAPIXELS]
    names = [f"under {limits[0]}", *(f"{a} to {b}" for a, b in pairwise(limits)),
             f"over {limits[-1]}"]  # fmt: skip
    result: Numbers = {
        "formats": _counts(known["format"]),
        "modes": _counts(known["mode"].astype(str) + ", " + known["bit_depth"].astype(str) + " bit"),
        "megapixels": {name: int(n) for name, n in zip(names, bins, strict=True)},
        "bytes": int(catalog["size"].clip(lower=0).sum()),
    }
    if len(known):
        longer, shorter = known[["width", "height"]].max(axis=1), known[["width", "height"]].min(axis=1)
        result |= {"longest_side": int(longer.max()), "shortest_side": int(shorter.min())}
        result["median_sides"] = [int(shorter.median()), int(longer.median())]
    return result


def _duplicates(tables: Tables) -> Numbers:
    groups = near_duplicates(tables.works)
    homes = tables.index.groupby("group")["split"].nunique()
    same = tables.quarantine["reason"].astype(str).str.match(_SAME_FILE)
    return {
        "groups": len(groups),
        "works": sum(map(len, groups)),
        "largest": max(map(len, groups), default=0),
        "straddling": int((homes > 1).sum()),
        "identical_files": int(same.sum()),
    }


def _reasons(quarantine: pd.DataFrame) -> dict[str, int]:
    return _counts(quarantine["reason"].fillna("no reason is given").map(reason_kind))


def _suspects(suspects: pd.DataFrame | None) -> Numbers:
    """Number of judged and suspect labels, the most confused pairs of classes, and the number of works by
    labels that the models cannot tell apart (these are never suspect)."""
    if suspects is None:
        return {"judged": 0, "suspect": 0, "pairs": {}, "not_told_apart": {}}
    found = suspect_works(suspects)
    pairs = found["given"].astype(str) + " → " + found["suggested"].astype(str)
    unclear = (
        suspects["given"][~suspects["told_apart"].astype(bool)] if "told_apart" in suspects else pairs[:0]
    )
    return {
        "judged": int(suspects["score"].notna().sum()),
        "suspect": len(found),
        "pairs": _counts(pairs),
        "not_told_apart": _counts(unclear),
    }


def _among(ids: pd.Series[Any], others: pd.Series[Any]) -> pd.Series[bool]:
    return ids.astype(object).isin(others.astype(object))  # ten times as fast as with Arrow strings


def _counts(column: pd.Series[Any]) -> dict[str, int]:
    """Value -> count, the most frequent first; values beyond MAX_NAMES are counted together."""
    counts = column.dropna().astype(str).value_counts()
    order = sorted(counts.items(), key=lambda pair: (-pair[1], str(pair[0])))
    named = {str(name): int(count) for name, count in order[:MAX_NAMES]}
    rest = sum(int(count) for _, count in order[MAX_NAMES:])
    return named | ({OTHERS: rest} if rest else {})
