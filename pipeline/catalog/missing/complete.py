"""Completes the gaps of a table, column by column."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.catalog.missing.heldout import RECORDED
from pipeline.catalog.missing.registry import parse
from pipeline.catalog.missing.spec import Spec
from pipeline.catalog.missing.task import Answer, Bools, Task, kind_of, measured, numbers
from pipeline.errors import PentimentoError

_DIGITS = 3  # decimals of a confidence


def complete(
    works: pd.DataFrame,
    methods: Mapping[str, Any],
    features: NDArray[np.float32] | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Complete the gaps of each column by its method; a recorded value is never altered.

    For a completed value `<column>_origin` is the name of the method, and `<column>_confidence` is from 0 to
    1, as each method explains. If these two columns are missing they are added, with `recorded` and 1 for
    values that the table has. `drop` writes its reason into the column `dropped`. Only recorded values are
    evidence, not values that an earlier completion or another column's has added. The order of the columns
    therefore does not matter.

    Args:
        works: (N rows) of any index; gaps are missing values.
        methods: column -> a method: its name, a mapping of `method` and its keys, or a `Spec`.
        features: (N, D) features of the pictures, in the order of the rows; NaN for a work without a picture.
            Methods that use pictures need them.
        seed: of all random draws of the methods.

    Raises:
        PentimentoError: when a column is missing, or its method is unknown or does not suit it.
    """
    if features is not None and len(features) != len(works):
        raise PentimentoError(f"{len(features)} descriptions of pictures were given for {len(works)} works")
    done = works.copy()
    done["dropped"] = pd.Series(None, index=works.index, dtype="string")
    evidence = recorded(works)
    for column, method in methods.items():
        spec = parse(method)
        task = task_of(evidence, works, column, features, seed)
        spec.check(task)
        _mark_recorded(done, column)
        if spec.method == "drop":
            reasons = done["dropped"].fillna(f"{column} is missing")
            done["dropped"] = done["dropped"].where(~task.gaps, reasons)
        elif spec.completes and task.gaps.any() and task.known.any():
            _write(done, task, spec, spec.answer(task))
    return done


def recorded(works: pd.DataFrame) -> pd.DataFrame:
    """The table with a new index, and with gaps in the place of completed values."""
    evidence = works.reset_index(drop=True).copy()
    for name in evidence.columns:
        if f"{name}_origin" in evidence:
            completed = evidence[f"{name}_origin"].fillna(RECORDED).ne(RECORDED).to_numpy(bool)
            if completed.any():
                evidence[name] = evidence[name].where(~completed)
    return evidence


def task_of(
    evidence: pd.DataFrame,
    works: pd.DataFrame,
    column: str,
    features: NDArray[np.float32] | None,
    seed: int,
) -> Task:
    """The task for a column of `works`; `evidence` is `recorded(works)`."""
    if column not in works:
        there = ", ".join(str(name) for name in works.columns)
        raise PentimentoError(f"there is no column '{column}' to complete; there are: {there}")
    kind = kind_of(works[column], column)
    known: Bools = evidence[column].notna().to_numpy(bool)
    if kind == "number":
        known = known & measured(numbers(evidence[column]))
    return Task(evidence, column, kind, known, works[column].isna().to_numpy(bool), features, seed)


def _mark_recorded(done: pd.DataFrame, column: str) -> None:
    there = done[column].notna()
    if f"{column}_origin" not in done:
        done[f"{column}_origin"] = pd.Series(RECORDED, index=done.index, dtype="string").where(there)
    if f"{column}_confidence" not in done:
        done[f"{column}_confidence"] = there.astype("Float64").where(there)


def _write(done: pd.DataFrame, task: Task, spec: Spec, answer: Answer) -> None:
    """Write the answers into the gaps; other cells stay."""
    said = np.array([value is not None and not _is_nan(value) for value in answer.values], bool)
    places = np.flatnonzero(task.gaps)[said]
    if not len(places):
        return
    values, column = answer.values[said], done[task.column].copy()
    column.iloc[places] = _suited(values, column, task)
    done[task.column] = column
    for name, marks in (
        ("origin", [spec.method] * len(places)),
        ("confidence", [round(float(one), _DIGITS) for one in answer.confidence[said]]),
    ):
        marked = done[f"{task.column}_{name}"].copy()
        marked.iloc[places] = marks
        done[f"{task.column}_{name}"] = marked


def _suited(values: NDArray[Any], column: pd.Series[Any], task: Task) -> Any:
    """Values in the type of the column; whole numbers are rounded."""
    if task.kind == "name":
        if isinstance(column.dtype, pd.CategoricalDtype) and not set(values) <= set(column.cat.categories):
            raise PentimentoError(f"'{task.column}' is a column of fixed names; it cannot hold '{values[0]}'")
        return list(values)
    if pd.api.types.is_integer_dtype(column.dtype):
        limits = np.iinfo(column.dtype.numpy_dtype)
        return [min(max(round(float(value)), limits.min), limits.max) for value in values]
    return values.astype(float)


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and bool(np.isnan(value))
