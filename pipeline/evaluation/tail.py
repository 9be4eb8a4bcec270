"""Metrics of rare classes: rebalancing should improve them, and an average over all works hides them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from pipeline.evaluation.classification import Floats, Ints, Scored, confusion, rates
from pipeline.resampling.bootstrap import interval

SHARE = 1 / 3  # of the classes


def rarest(sizes: Ints) -> Ints:
    """The tail: numbers of the rarest third of the classes, rounded up, the rarest first.

    Classes without a work do not count; equally rare classes keep their order.

    Args:
        sizes: (C,) works of each class.
    """
    there = np.flatnonzero(sizes > 0)
    order: Ints = there[np.argsort(sizes[there], kind="stable")]
    return order[: math.ceil(len(there) * SHARE)]


def tail_f1(actual: Ints, scores: Floats, tail: Ints) -> float:
    """The mean F1 of those classes of the tail that occur in `actual` (N,); NaN when none does."""
    counts = confusion(actual, scores.argmax(1), scores.shape[1])
    f1 = rates(counts)[2][tail][counts.sum(1)[tail] > 0]
    return float(f1.mean()) if len(f1) else float("nan")


def tail_figures(
    scored: Scored, without: Scored | None, tail: Ints, names: list[str], **options: Any
) -> dict[str, Any]:
    """Macro-F1 of the tail, with rebalancing and without, with intervals.

    Args:
        scored: the works, by models that were trained with rebalancing.
        without: the same works, by models that were trained without rebalancing; None: not tried.
        tail: class numbers, as `rarest` gives them.
        names: of all classes.
        options: of the bootstrap.

    Returns:
        `schools`: names of the tail; `works`: how many of its works are judged; `macro_f1`; and, when
        tried, `macro_f1_without` and `gain`, their paired difference. Empty when no work of the tail is
        judged.
    """
    known = scored.with_school()
    works = int(np.isin(known.school, tail).sum())
    if not works:
        return {}
    actual, scores = known.school, known.school_scores
    figures: dict[str, Any] = {
        "schools": [names[n] for n in tail],
        "works": works,
        "macro_f1": interval(lambda a, s: tail_f1(a, s, tail), actual, scores, **options),
    }
    if without is not None:
        plain = without.with_school().school_scores
        figures["macro_f1_without"] = interval(lambda a, s: tail_f1(a, s, tail), actual, plain, **options)
        figures["gain"] = interval(
            lambda a, s, p: tail_f1(a, s, tail) - tail_f1(a, p, tail), actual, scores, plain, **options
        )
    return figures


def by_class(scored: Scored, without: Scored | None, tail: Ints, names: list[str]) -> pd.DataFrame:
    """A row per class that occurs, the largest first: class, works, tail, f1, and f1_without if tried."""
    known = scored.with_school()
    sizes = np.bincount(known.school, minlength=len(names))
    table = pd.DataFrame(
        {"class": names, "works": sizes, "tail": np.isin(np.arange(len(names)), tail), "f1": _f1(scored)}
    )
    if without is not None:
        table["f1_without"] = _f1(without)
    return table[sizes > 0].sort_values(["works", "class"], ascending=[False, True]).round(4)


def _f1(scored: Scored) -> Floats:
    known = scored.with_school()
    return rates(confusion(known.school, known.school_scores.argmax(1), known.school_scores.shape[1]))[2]
