"""Encodes the other columns of a table as numbers to predict a value from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
import pandas as pd
from pydantic import Field

from pipeline.catalog.missing.task import Floats, Task, measured, numbers
from pipeline.errors import PentimentoError

# Columns by name; YAML writes them as a list, which the strict base would refuse.
Predictors = Annotated[tuple[str, ...], Field(strict=False)]

# Columns that state one fact: where one is missing, the others are missing, too, or give it away.
SAME_FACT = (
    frozenset({"school", "nationality", "artist_nationality", "artist_bio", "culture"}),
    frozenset({"year", "period", "period_written", "date", "year_begin", "year_end"})
    | frozenset({"date_earliest", "date_latest", "date_precision"}),
)
# Columns about the file, not about the work.
_BOOKKEEPING = (
    frozenset({"id", "source", "location", "path", "record", "group", "dropped", "problem"})
    | frozenset({"size", "sha256", "phash", "format", "mode", "bit_depth", "pages", "icc", "orientation"})
    | frozenset({"width", "height"})
)
_MOST_DISTINCT = 0.5  # share of distinct values: a column of names that hardly repeat is not informative
_MOST_NAMES = 40  # names of one column; rarer names are merged
_RARE = 3  # works; names with fewer are merged


def same_fact(column: str) -> frozenset[str]:
    """The columns that write down the same fact as `column`, itself included."""
    return frozenset({column}).union(*(facts for facts in SAME_FACT if column in facts))


def other_columns(works: pd.DataFrame, column: str) -> list[str]:
    """Columns that hold another fact about the work than `column`."""
    hidden = _BOOKKEEPING | same_fact(column)
    return [
        name
        for name in works.columns
        if name not in hidden and not str(name).endswith(("_origin", "_confidence"))
    ]


def predictors_of(works: pd.DataFrame, column: str, chosen: Sequence[str] | None = None) -> list[str]:
    """The columns that `column` is predicted from, sorted by name.

    By default these are all columns with numbers, with names that repeat, or with lists of names (tags).
    Columns with the same fact and columns about the file are left out. Empty columns are left out, too.

    Raises:
        PentimentoError: when a chosen column is missing, or there is no other column.
    """
    if chosen is not None:
        if strange := [name for name in chosen if name not in works or name == column]:
            known = ", ".join(name for name in works.columns if name != column)
            raise PentimentoError(f"'{column}' cannot be predicted from '{strange[0]}'; there are: {known}")
        return sorted(name for name in chosen if works[name].notna().any())
    others = other_columns(works, column)
    if not others:
        raise PentimentoError(
            f"there is no other column to predict '{column}' from; complete it by fill, or by the picture"
        )
    return sorted(name for name in others if _tells(works[name]))


def matrix(task: Task, chosen: Sequence[str] | None) -> Floats:
    """Predictors of all N works as (N, D): numbers standardised, names one-hot with rare ones merged.

    A missing number is replaced by the median and marked in a further column; a missing name counts as a
    rare one. D is 0 when no column is informative.
    """
    parts = [_columns(task.works[name]) for name in predictors_of(task.works, task.column, chosen)]
    return np.hstack([np.zeros((len(task.works), 0)), *parts])


def _tells(values: pd.Series[Any]) -> bool:
    recorded = values.dropna()
    if recorded.empty:
        return False
    if _lists(recorded) or pd.api.types.is_numeric_dtype(recorded):
        return True
    return _names(recorded) and recorded.nunique() <= _MOST_DISTINCT * len(recorded)


def _columns(values: pd.Series[Any]) -> Floats:
    if _lists(values.dropna()):
        return _held([set(own) if _is_list(own) else set() for own in values])
    if pd.api.types.is_bool_dtype(values) or not pd.api.types.is_numeric_dtype(values):
        return _held([set() if pd.isna(name) else {str(name)} for name in values])
    column = numbers(values)
    there = measured(column)
    filled = np.where(there, column, np.median(column[there]) if there.any() else 0.0)
    spread = filled.std() or 1.0
    return np.column_stack([(filled - filled.mean()) / spread, ~there])


def _held(names: Sequence[set[str]]) -> Floats:
    """One-hot encoding of the frequent names, (N, names + 1); the last column marks all others."""
    counts = Counter(name for own in names for name in own)
    common = [name for name, count in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
              if count >= _RARE][:_MOST_NAMES]  # fmt: skip
    place = {name: n for n, name in enumerate(common)}
    held = np.zeros((len(names), len(common) + 1))
    for row, own in enumerate(names):
        inside = [place[name] for name in own if name in place]
        held[row, inside or [-1]] = 1
    return held


def _names(values: pd.Series[Any]) -> bool:
    return bool(pd.api.types.is_string_dtype(values) or pd.api.types.is_bool_dtype(values)
                or isinstance(values.dtype, pd.CategoricalDtype))  # fmt: skip


def _lists(values: pd.Series[Any]) -> bool:
    return values.dtype == object and len(values) > 0 and all(_is_list(own) for own in values)


def _is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple, np.ndarray))
