"""Schemas of the tables that stages exchange; an error names the broken rule and its rows.

A schema lists columns, their types, and rules for their values; further columns are allowed. A stage
validates a table before it writes it. An error is therefore found in the stage that made it, and not
a day later in a training.
"""

from __future__ import annotations

import logging
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import pandas as pd

from pipeline.errors import PentimentoError

OnViolation = Literal["stop", "warn"]

LABELS = ("school", "year", "period")
EARLIEST, LATEST = -40_000, 2100  # years: the oldest cave paintings
_SHOWN = 3  # rows of a broken rule that a message names
_SHA256 = r"[0-9a-f]{64}"
_PHASH, _PHASH_WORDS = r"[0-9a-f]{16}", "16 hexadecimal digits"
_ORIGIN = r"[a-z_]+"


def validate(
    table: pd.DataFrame, name: str, on_violation: OnViolation, log: logging.Logger
) -> dict[str, int]:
    """Check a table against its schema.

    Args:
        table: one row per work, with a column `id` that names its rows.
        name: of the schema: inventory, catalog, works or index.
        on_violation: stop raises an error; warn logs every broken rule and continues.
        log: receives the warnings.

    Returns:
        Broken rules, as `column: rule`, each with the number of rows that break it; empty without errors.

    Raises:
        PentimentoError: when a rule is broken and `on_violation` is stop; it names column, rows and rule.
    """
    from pandera.errors import SchemaErrors

    try:
        _schema(name).validate(table.reset_index(drop=True), lazy=True)
    except SchemaErrors as errors:
        broken = _broken(errors.failure_cases, table)
        lines = [line for line, _ in broken.values()]
        if on_violation == "stop":
            raise PentimentoError(
                f"the table '{name}' breaks {len(lines)} of its rules: {'; '.join(lines)}. Mend the source, "
                "or set on_violation: warn in the stage's section of params.yaml"
            ) from None
        for line in lines:
            log.warning("table '%s': %s", name, line)
        return {rule: count for rule, (_, count) in broken.items()}
    return {}


def _broken(cases: pd.DataFrame, table: pd.DataFrame) -> dict[str, tuple[str, int]]:
    """Each broken rule: its message, and the number of rows that break it (0: the column itself is wrong)."""
    cases = cases.copy()
    # Pandera reports a rule about several columns once for each column of the table; the name of the rule
    # says which column it is about.
    for place in np.flatnonzero((cases["schema_context"] == "DataFrameSchema").to_numpy()):
        column, separator, rule = str(cases["check"].iloc[place]).partition(": ")
        if separator:
            cases.iloc[place, cases.columns.get_indexer(["column", "check"])] = [column, rule]
    broken: dict[str, tuple[str, int]] = {}
    for (column, check), rows in cases.groupby(["column", "check"], sort=True, dropna=False):
        # A missing column is reported under the name of the table.
        missing = check == "column_in_dataframe"
        label = str(rows["failure_case"].iloc[0]) if missing else str(column)
        rule = "is missing" if missing else _RULES.get(str(check), str(check))
        rule = rule.replace("dtype(", "must be of type ").removesuffix(")") if rule[:6] == "dtype(" else rule
        places = sorted({int(n) for n in rows["index"].dropna()})
        line = f"column '{label}' {rule}"
        if places:
            shown = ", ".join(_row(table, place, label) for place in places[:_SHOWN])
            more = f" and {len(places) - _SHOWN} more" if len(places) > _SHOWN else ""
            line = f"{line}, which {len(places)} of {len(table)} rows break: {shown}{more}"
        elif not missing:
            line = f"{line} (found: {rows['failure_case'].iloc[0]})"
        broken[f"{label}: {rule}"] = (line, len(places))
    return broken


def _row(table: pd.DataFrame, place: int, column: str) -> str:
    row = table.iloc[place]
    value = str(row[column]) if column in table else "?"
    return f"{row['id'] if 'id' in table else f'row {place}'} ({value[:60]})"


# Pandera's name of a check -> the wording of our message.
_RULES = {
    "not_nullable": "must not be empty",
    "field_uniqueness": "must hold each value once",
}


@lru_cache(maxsize=8)
def _schema(name: str) -> Any:
    import pandera.pandas as pa

    def column(kind: Any, *checks: Any, nullable: bool = False, unique: bool = False) -> Any:
        return pa.Column(kind, list(checks), nullable=nullable, unique=unique, coerce=False)

    def between(least: float, most: float) -> Any:
        return pa.Check(
            lambda values: values.dropna().between(least, most), error=f"must lie in {least:g} to {most:g}"
        )

    def written(pattern: str, what: str) -> Any:
        return pa.Check.str_matches(f"^(?:{pattern})$", error=f"must be {what}")

    def one_of(*values: Any) -> Any:
        return pa.Check.isin(values, error=f"must be one of {', '.join(map(str, values))}")

    inside = pa.Check(
        lambda paths: ~paths.map(_leads_out), error="must stay below its folder", ignore_na=True
    )
    text, whole, number = None, "Int64", "Float64"
    place = {
        "id": column(text, written(r"[a-z0-9_-]+:.+", "'source:key'"), unique=True),
        "source": column(text),
        "location": column(text),
        "path": column(text, inside),
    }
    found = {  # a row with a problem may have any path, or none
        **place,
        "path": column(text, nullable=True),
        "sha256": column(text, written(_SHA256, "a SHA-256"), nullable=True),
        "problem": column(text, nullable=True),
    }
    size = {
        "width": column(whole, between(1, 2**32), nullable=True),
        "height": column(whole, between(1, 2**32), nullable=True),
    }
    good = {name: column(whole, between(1, 10**6)) for name in ("width", "height")}
    years = {
        name: column(whole, between(EARLIEST, LATEST), nullable=True) for name in ("year_begin", "year_end")
    }
    labels: dict[str, Any] = {"year": column(whole, between(EARLIEST, LATEST), nullable=True)}
    for label in LABELS:
        labels[f"{label}_origin"] = column(text, written(_ORIGIN, "a method's name"), nullable=True)
        labels[f"{label}_confidence"] = column(number, between(0, 1), nullable=True)

    def of_rows(column: str, what: str, check: Any) -> Any:
        return pa.Check(check, error=f"{column}: {what}")

    schemas = {
        "inventory": pa.DataFrameSchema({**found, "size": column("int64")}),
        "catalog": pa.DataFrameSchema(
            {**found, **size, **years, "phash": column(text, written(_PHASH, _PHASH_WORDS), nullable=True)},
            checks=[
                of_rows(
                    "path",
                    "must stay below its folder, where there is no problem",
                    lambda catalog: catalog["problem"].notna() | ~catalog["path"].map(_leads_out),
                )
            ],
        ),
        "works": pa.DataFrameSchema(
            {
                **place,
                "sha256": column(text, written(_SHA256, "a SHA-256"), unique=True),
                **good,
                **labels,
                "phash": column(text, written(_PHASH, _PHASH_WORDS)),
            },
            checks=[
                of_rows(f"{label}_origin", f"must be there where {label} is, and only there", check)
                for label, check in (
                    (label, lambda works, label=label: _explained(works, label)) for label in LABELS
                )
            ],
        ),
        "index": pa.DataFrameSchema(
            {
                "id": column(text, unique=True),
                "split": column(text, one_of("train", "val", "test")),
                "repeat": column("int64", between(0, 1e6)),
                "weight": column("float64", between(0, 1e6)),
                "shard": column("int64", between(0, 1e6)),
                "offset": column("int64", between(0, 1e15)),
                "group": column("int64", between(0, 1e12)),
            },
            checks=[
                of_rows(
                    "split",
                    "must be the same for all works of a group",
                    lambda index: index.groupby("group")["split"].transform("nunique") == 1,
                ),
                of_rows(
                    "repeat",
                    "must be 1 for works that are held out",
                    lambda index: (index["split"] == "train") | (index["repeat"] == 1),
                ),
            ],
        ),
    }
    return schemas[name]


def _leads_out(path: Any) -> bool:
    parts = str(path).replace("\\", "/").split("/")
    return ".." in parts or str(path).startswith("/")


def _explained(works: pd.DataFrame, label: str) -> pd.Series:
    known = works[label].notna()
    origin, confidence = works[f"{label}_origin"].notna(), works[f"{label}_confidence"].notna()
    return known.eq(origin) & known.eq(confidence)
