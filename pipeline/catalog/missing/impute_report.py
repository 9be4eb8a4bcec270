"""Which method completes a column best: known values are hidden, completed, and compared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.catalog.missing.complete import complete, recorded, task_of
from pipeline.catalog.missing.impute_figures import Completed, Truth, figures
from pipeline.catalog.missing.predictors import same_fact
from pipeline.catalog.missing.registry import label, names, parse
from pipeline.catalog.missing.spec import Spec
from pipeline.catalog.missing.task import Bools, Kind, Task
from pipeline.errors import PentimentoError
from pipeline.progress import track

BASELINE: dict[Kind, str] = {"name": "fill:mode", "number": "fill:median"}
_LEAST = 20  # known values, to compare methods on


@dataclass(frozen=True)
class Hiding:
    """How known values are hidden.

    Attributes:
        folds: every known value is hidden once, one part of this many at a time; or
        share: one part of this share is hidden once, when it is not None.
        group: column whose equal values are hidden together (all works of an artist), or None.
        seed: of the parts, of the methods and of the bootstrap.
        repeats: resamples of the bootstrap.
    """

    folds: int = 5
    share: float | None = None
    group: str | None = None
    seed: int = 0
    repeats: int = 1000


@dataclass(frozen=True)
class HiddenColumn:
    """A column of the N works whose value is known, and the parts of it that are hidden in turn.

    Attributes:
        task: the column; all N values are evidence.
        groups: (N,) works of one group are hidden together.
        parts: each (N,) of booleans.
    """

    task: Task
    groups: NDArray[np.int64]
    parts: list[Bools]

    @property
    def name(self) -> str:
        """Name of the column."""
        return self.task.column

    def judge(self, completed: dict[str, Completed], hiding: Hiding) -> dict[str, Any]:
        """The report of the column, by what each method completed of all N values."""
        hidden, kind = np.logical_or.reduce(self.parts), self.task.kind
        truth = Truth(kind, self.task.evidence[hidden], self.groups[hidden],
                      self.task.tolerance if kind == "number" else 0.0)  # fmt: skip
        of_hidden = {
            name: Completed(one.values[hidden], one.confidence[hidden]) for name, one in completed.items()
        }
        rows = figures(truth, of_hidden, BASELINE[kind], hiding.repeats, hiding.seed)
        surely = [row["method"] for row in rows if row["gain"]["low"] > 0]
        return {
            "column": self.name,
            "kind": kind,
            "known": len(self.task.works),
            "hidden": int(hidden.sum()),
            "groups": len(np.unique(truth.groups)),
            "baseline": BASELINE[kind],
            "best": surely[0] if surely else BASELINE[kind],
            "methods": rows,
        }


def compare(
    works: pd.DataFrame,
    columns: Sequence[str],
    methods: Sequence[Any],
    features: NDArray[np.float32] | None,
    hiding: Hiding,
) -> list[dict[str, Any]]:
    """Hide known values of each column, complete them by each method, and judge the result.

    For works whose value is hidden, columns that write down the same fact (`date` beside `year`) are
    hidden, too. Works whose value is not known take no part.

    Args:
        works: (N rows).
        columns: to complete.
        methods: names, mappings or specs; those that do not suit a column are listed with the reason.
        features: (N, D) features of the pictures, or None.
        hiding: how values are hidden.

    Returns:
        Per column {"column", "kind", "known", "missing", "hidden", "groups", "baseline", "best",
        "methods": […], "unsuited": […]}. A method has its "coverage" (share completed), its mean
        "confidence", and over what it completed: "accuracy" and "macro_f1" (names), or "mae" (numbers,
        in the column's unit) and "within" (share within a tenth of the spread, which its confidence
        predicts), and "baseline", accuracy or mae of the baseline on the same values. "gain" is by how
        much it is better than the baseline over all hidden values; a gap that it leaves counts 0.
        Accuracy, macro_f1, mae, baseline and gain are intervals (95%, bootstrap over the groups, the same
        resamples for all methods). The best method has the greatest gain among those whose interval of
        the gain is above 0; without one, it is the baseline.

    Raises:
        PentimentoError: when a column is not there or has too few known values, or no method suits it.
    """
    hidden = [_hide(works, column, features, hiding) for column in columns]
    suited = {one.name: _suited(one, methods) for one in hidden}
    steps = [(one, spec, part) for one in hidden for spec in suited[one.name][0] for part in one.parts]
    completed: dict[str, dict[str, Completed]] = {one.name: {} for one in hidden}
    for one, spec, part in track(steps, "completing hidden values", len(steps)):
        count = len(one.task.works)
        empty = Completed(np.full(count, None, object), np.zeros(count))
        done = completed[one.name].setdefault(label(spec), empty)
        done.values[part], done.confidence[part] = _complete(one.task, spec, part)
    return [
        one.judge(completed[one.name], hiding)
        | {"missing": len(works) - len(one.task.works), "unsuited": suited[one.name][1]}
        for one in hidden
    ]


def all_methods(order: str | None = None) -> list[Any]:
    """Every method that completes, with its variants; interpolation over the column `order`."""
    methods: list[Any] = names(completing=True)
    if order is None:
        return methods
    return [
        {"method": "interpolate", "curve": name.split(":")[1], "order": order}
        if name.startswith("interpolate")
        else name
        for name in methods
    ]


def _hide(
    works: pd.DataFrame, column: str, features: NDArray[np.float32] | None, hiding: Hiding
) -> HiddenColumn:
    known = task_of(recorded(works), works, column, features, hiding.seed).known
    if known.sum() < _LEAST:
        raise PentimentoError(
            f"'{column}' has {known.sum()} known values; to compare methods it takes at least {_LEAST}"
        )
    kept = works[known].reset_index(drop=True)
    groups = _groups(kept, hiding.group)
    task = task_of(kept, kept, column, None if features is None else features[known], hiding.seed)
    return HiddenColumn(task, groups, list(_parts(groups, hiding)))


def _groups(works: pd.DataFrame, column: str | None) -> NDArray[np.int64]:
    if column is None:
        return np.arange(len(works))
    if column not in works:
        known = ", ".join(str(name) for name in works.columns)
        raise PentimentoError(f"there is no column '{column}' to group by; there are: {known}")
    codes: NDArray[np.int64] = pd.factorize(works[column])[0].astype(np.int64)
    alone = codes < 0  # a work without a group is a group of its own
    codes[alone] = codes.max() + 1 + np.arange(alone.sum())
    return codes


def _parts(groups: NDArray[np.int64], hiding: Hiding) -> Iterator[Bools]:
    """Which rows are hidden together: whole groups, assigned at random, the largest first."""
    found, sizes = np.unique(groups, return_counts=True)
    count = hiding.folds if hiding.share is None else max(2, round(1 / hiding.share))
    if len(found) < count:
        raise PentimentoError(
            f"{count} parts need as many groups of works, there are {len(found)}: take fewer folds"
        )
    order = np.random.default_rng(hiding.seed).permutation(len(found))
    if hiding.share is not None:
        reached = np.cumsum(sizes[order]) - sizes[order] < hiding.share * sizes.sum()
        yield np.isin(groups, found[order[reached & (np.arange(len(order)) < len(order) - 1)]])
        return
    order = order[np.argsort(-sizes[order], kind="stable")]
    filled, part_of = np.zeros(count), np.zeros(len(found), int)
    for group in order:  # each group goes to the smallest part so far
        part_of[group] = filled.argmin()
        filled[part_of[group]] += sizes[group]
    parts = part_of[np.searchsorted(found, groups)]
    yield from (parts == part for part in range(count))


def _suited(one: HiddenColumn, methods: Sequence[Any]) -> tuple[list[Spec], list[dict[str, str]]]:
    """The baseline and the methods that suit the column, and why the others do not."""
    specs = [spec for spec in map(parse, methods) if spec.completes]
    suited, unsuited = [parse(BASELINE[one.task.kind])], []
    for spec in specs:
        try:
            spec.check(one.task)
        except PentimentoError as error:
            unsuited.append({"method": label(spec), "reason": str(error)})
        else:
            suited += [spec] if spec not in suited else []
    if len(unsuited) == len(specs) > 0:
        raise PentimentoError(unsuited[0]["reason"])
    return suited, unsuited


def _complete(task: Task, spec: Spec, part: Bools) -> tuple[NDArray[np.object_], NDArray[np.float64]]:
    """What a method puts in the place of a part's values: (P,) values, None where not, and confidences."""
    column = task.column
    done = complete(_without(task.works, column, part), {column: spec}, task.features, task.seed)[part]
    values = done[column].to_numpy(object)
    values[done[column].isna().to_numpy(bool)] = None
    return values, done[f"{column}_confidence"].to_numpy(float, na_value=0)


def _without(works: pd.DataFrame, column: str, part: Bools) -> pd.DataFrame:
    """The works with a part's values hidden, and with them all columns that write down the same fact."""
    works = works.copy()
    for name in same_fact(column) & set(works.columns):
        values = works[name]
        if pd.api.types.is_integer_dtype(values):
            values = values.astype("Int64")
        works[name] = values.mask(part)
    for name in (f"{column}_origin", f"{column}_confidence"):
        if name in works:
            works[name] = works[name].mask(part)
    return works
