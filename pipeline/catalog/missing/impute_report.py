"""Which method completes a column best: known values are hidden, completed, and compared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.catalog.missing import names, parse
from pipeline.catalog.missing.complete import complete, recorded, task_of
from pipeline.catalog.missing.leave import Drop, Leave
from pipeline.catalog.missing.predictors import same_fact
from pipeline.catalog.missing.registry import label
from pipeline.catalog.missing.task import Bools, Floats, Kind, Spec
from pipeline.errors import PentimentoError
from pipeline.progress import track
from pipeline.resampling.bootstrap import ClusterBootstrap, Interval, divide

BASELINE: dict[Kind, str] = {"name": "fill:mode", "number": "fill:median"}
_LEAST = 20  # known values, to compare methods on
_OFTEN = 5  # works of a name that counts in macro-F1


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
class Column:
    """One column, ready to be hidden: the rows whose value is known, and the parts they are hidden in."""

    name: str
    kind: Kind
    works: pd.DataFrame
    features: NDArray[np.float32] | None
    truth: NDArray[Any]
    groups: NDArray[np.int64]
    parts: list[Bools]
    hidden: Bools  # (N,) in any of the parts


def compare(
    works: pd.DataFrame,
    columns: Sequence[str],
    methods: Sequence[Any],
    features: NDArray[np.float32] | None,
    hiding: Hiding,
) -> list[dict[str, Any]]:
    """Hide known values of each column, complete them by each method, and judge what comes out.

    Of works whose value is hidden, columns that write down the same fact (`date` beside `year`) are
    hidden with it. Works whose value is not known take no part.

    Args:
        works: (N rows).
        columns: to complete.
        methods: names, mappings or specs; those that do not suit a column are listed with the reason.
        features: (N, D) descriptions of the pictures, or None.
        hiding: how values are hidden.

    Returns:
        Per column {"column", "kind", "known", "missing", "hidden", "groups", "baseline", "best",
        "methods": […], "unsuited": […]}. A method has its "coverage" (share completed), its mean
        "confidence", its "accuracy" and "macro_f1" (names), or "mae" (numbers, in the column's unit)
        and "within" (share within a tenth of the spread, which is what its confidence foretells), over
        what it completed, "baseline", accuracy or mae of the baseline over the same values, and "gain", by
        how much it is better than the baseline over all hidden values, where what it refuses counts 0.
        Accuracy, macro_f1, mae, baseline and gain are intervals (95%, bootstrap over the groups, the same
        resamples for all). The best is the one of the greatest gain, if that is surely above 0; else
        the baseline.

    Raises:
        PentimentoError: when a column is not there or has too few known values, or no method suits it.
    """
    ready = [_hide(works, column, features, hiding) for column in columns]
    suited = {one.name: _suited(one, methods, hiding.seed) for one in ready}
    jobs = [(one, spec) for one in ready for spec in suited[one.name][0]]
    total = sum(len(one.parts) for one, _ in jobs)
    said = _run(jobs, hiding.seed, total)
    answers: dict[str, dict[str, _Said]] = {one.name: {} for one in ready}
    for one, spec, answer in said:
        answers[one.name][label(spec)] = answer
    reports = []
    for one in ready:
        gaps = int(len(works) - len(one.works))
        reports.append(
            _judge(one, answers[one.name], hiding) | {"missing": gaps, "unsuited": suited[one.name][1]}
        )
    return reports


@dataclass(frozen=True)
class _Said:
    """What a method said of the hidden values: right (names) or off by (numbers), where it completed."""

    values: NDArray[Any]
    confidence: Floats
    completed: Bools


def _hide(works: pd.DataFrame, column: str, features: NDArray[np.float32] | None, hiding: Hiding) -> Column:
    task = task_of(recorded(works), works, column, features, hiding.seed)
    count = int(task.known.sum())
    if count < _LEAST:
        raise PentimentoError(
            f"'{column}' has {count} known values; to compare methods it takes at least {_LEAST}"
        )
    kept = works[task.known].reset_index(drop=True)
    groups = _groups(kept, hiding.group)
    parts = list(_parts(groups, hiding))
    return Column(
        column,
        task.kind,
        kept,
        None if features is None else features[task.known],
        task.evidence,
        groups,
        parts,
        np.logical_or.reduce(parts),
    )


def _groups(works: pd.DataFrame, column: str | None) -> NDArray[np.int64]:
    if column is None:
        return np.arange(len(works))
    if column not in works:
        known = ", ".join(str(name) for name in works.columns)
        raise PentimentoError(f"there is no column '{column}' to group by; there are: {known}")
    codes: NDArray[np.int64] = pd.factorize(works[column])[0].astype(np.int64)
    alone = codes < 0  # without a group each is its own
    codes[alone] = codes.max() + 1 + np.arange(alone.sum())
    return codes


def _parts(groups: NDArray[np.int64], hiding: Hiding) -> Iterator[Bools]:
    """Which rows are hidden together: whole groups, dealt at random, the largest first."""
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
    filled, home = np.zeros(count), np.zeros(len(found), int)
    for group in order:
        home[group] = filled.argmin()
        filled[home[group]] += sizes[group]
    place = home[np.searchsorted(found, groups)]
    yield from (place == part for part in range(count))


def _suited(one: Column, methods: Sequence[Any], seed: int) -> tuple[list[Spec], list[dict[str, str]]]:
    specs = [spec for spec in map(parse, methods) if not isinstance(spec, (Leave, Drop))]
    baseline = parse(BASELINE[one.kind])
    suited, unsuited = [baseline], []
    task = task_of(one.works, one.works, one.name, one.features, seed)
    for spec in specs:
        try:
            spec.check(task)
        except PentimentoError as error:
            unsuited.append({"method": label(spec), "reason": str(error)})
        else:
            suited += [spec] if spec not in suited else []
    if len(unsuited) == len(specs) > 0:
        raise PentimentoError(unsuited[0]["reason"])
    return suited, unsuited


def _run(jobs: list[tuple[Column, Spec]], seed: int, total: int) -> list[tuple[Column, Spec, _Said]]:
    steps = ((one, spec, part) for one, spec in jobs for part in one.parts)
    said: dict[tuple[str, str], _Said] = {}
    found = []
    for one, spec, part in track(steps, "completing hidden values", total):
        key = (one.name, label(spec))
        if key not in said:
            count = len(one.works)
            said[key] = _Said(np.full(count, None, object), np.zeros(count), np.zeros(count, bool))
            found.append((one, spec, said[key]))
        done = complete(_without(one, part), {one.name: spec}, one.features, seed)
        there = part & done[one.name].notna().to_numpy(bool)
        said[key].values[there] = done[one.name].to_numpy(object)[there]
        said[key].confidence[there] = done[f"{one.name}_confidence"].to_numpy(float, na_value=0)[there]
        said[key].completed[there] = True
    return found


def _without(one: Column, part: Bools) -> pd.DataFrame:
    """The works with a part's values hidden, and with them all that writes down the same fact."""
    works = one.works.copy()
    for name in same_fact(one.name) & set(works.columns):
        values = works[name]
        if pd.api.types.is_integer_dtype(values):
            values = values.astype("Int64")
        works[name] = values.mask(part)
    for name in (f"{one.name}_origin", f"{one.name}_confidence"):
        if name in works:
            works[name] = works[name].mask(part)
    return works


def _judge(one: Column, said: Mapping[str, _Said], hiding: Hiding) -> dict[str, Any]:
    hidden = one.hidden
    draws = ClusterBootstrap(one.groups[hidden], hiding.repeats, hiding.seed)
    baseline = _score(one, said[BASELINE[one.kind]])[hidden]
    rows: list[dict[str, Any]] = []
    for name, answer in said.items():
        score, completed = _score(one, answer)[hidden], answer.completed[hidden]
        better = score - baseline if one.kind == "name" else baseline - score
        rows.append(
            {
                "method": name,
                "coverage": round(float(completed.mean()), 4),
                "confidence": round(float(answer.confidence[hidden][completed].mean()), 3)
                if completed.any()
                else None,
                **_figures(one, answer, draws),
                "baseline": draws.ratio(baseline * completed, completed),
                "gain": draws.ratio(np.where(completed, better, 0.0), np.ones(len(better))),
            }
        )
    rows.sort(key=lambda row: (-row["gain"]["value"], row["method"]))
    surely = [row for row in rows if row["gain"]["low"] > 0]
    return {
        "column": one.name,
        "kind": one.kind,
        "known": len(one.works),
        "hidden": int(hidden.sum()),
        "groups": len(np.unique(one.groups[hidden])),
        "baseline": BASELINE[one.kind],
        "best": surely[0]["method"] if surely else BASELINE[one.kind],
        "methods": rows,
    }


def _figures(one: Column, answer: _Said, draws: ClusterBootstrap) -> dict[str, Interval | None]:
    completed = answer.completed[one.hidden]
    score = _score(one, answer)[one.hidden] * completed
    if one.kind == "number":
        tolerance = task_of(one.works, one.works, one.name, None, 0).tolerance
        return {
            "mae": draws.ratio(score, completed),
            "within": draws.ratio((score <= tolerance) * completed, completed),
        }
    return {
        "accuracy": draws.ratio(score, completed),
        "macro_f1": macro_f1(draws, one.truth[one.hidden], answer.values[one.hidden]),
    }


def macro_f1(draws: ClusterBootstrap, truth: NDArray[Any], said: NDArray[Any]) -> Interval | None:
    """Macro-F1 of the names `said` (N,) against `truth` (N,), where something was said.

    Only names with five true works or more count: a rarer name is missing from so many resamples that
    the interval would not hold the figure. None when there is no such name.
    """
    answered = np.array([name is not None for name in said], bool)
    found, codes = np.unique(
        np.concatenate([truth[answered], said[answered]]).astype(str), return_inverse=True
    )
    true, guess = np.full(len(truth), -1), np.full(len(truth), -1)
    true[answered], guess[answered] = np.split(codes, 2)
    hits = draws.counts(np.where(true == guess, true, -1), len(found))
    both = draws.counts(true, len(found)) + draws.counts(guess, len(found))
    counted = np.bincount(true[answered], minlength=len(found)) >= _OFTEN
    if not counted.any():
        return None
    hits, both = hits[:, counted], both[:, counted]
    f1 = divide(2 * hits, both)  # (R + 1, names); NaN for a name that was not drawn
    return draws.interval(divide(np.nansum(f1, axis=1), (both > 0).sum(axis=1)))


def _score(one: Column, answer: _Said) -> Floats:
    """(N,) right or not (names), or the absolute error (numbers); 0 where nothing was completed."""
    score = np.zeros(len(one.truth))
    there = answer.completed
    if one.kind == "name":
        score[there] = answer.values[there] == one.truth[there]
    else:
        score[there] = np.abs(answer.values[there].astype(float) - one.truth[there].astype(float))
    return score


def all_methods(order: str | None = None) -> list[Any]:
    """Every method that completes, with its variants; interpolation over the column `order`."""
    methods: list[Any] = [name for name in names() if name not in ("leave", "drop")]
    if order is None:
        return methods
    return [
        {"method": "interpolate", "curve": name.split(":")[1], "order": order}
        if name.startswith("interpolate")
        else name
        for name in methods
    ]
