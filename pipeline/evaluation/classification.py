"""Metrics of a classifier with intervals: schools (multi-class) and tags (multi-label).

Every macro average covers the classes that occur among the judged works. A class without a work there does
not count.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata

from pipeline.resampling.bootstrap import Interval, interval

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Figures = dict[str, Interval]


@dataclass(frozen=True)
class Scored:
    """Works with their truth and a model's scores.

    school: class numbers (N,), -1 where not known; school_scores: (N, S); tags: (N, T);
    tag_scores: (N, T); common: (N,) the most frequent class in the training set of the
    model that judged the work.
    """

    school: Ints
    school_scores: Floats
    tags: NDArray[np.bool_]
    tag_scores: Floats
    common: Ints

    def with_school(self) -> Scored:
        """Only the works whose school is known."""
        known = self.school >= 0
        return Scored(
            self.school[known],
            self.school_scores[known],
            self.tags[known],
            self.tag_scores[known],
            self.common[known],
        )


def confusion(actual: Ints, predicted: Ints, classes: int) -> Ints:
    """Counts (classes, classes): rows are true classes, columns predicted ones."""
    counts = np.bincount(actual * classes + predicted, minlength=classes * classes)
    return counts.reshape(classes, classes)


def rates(counts: Ints) -> tuple[Floats, Floats, Floats]:
    """Precision, recall and F1 of every class (C,); 0 where a class was never predicted or never occurs."""
    hits = np.diag(counts).astype(float)
    predicted, actual = counts.sum(0), counts.sum(1)
    precision = hits / np.maximum(predicted, 1)
    recall = hits / np.maximum(actual, 1)
    f1 = 2 * hits / np.maximum(predicted + actual, 1)
    return precision, recall, f1


def roc_auc(truth: NDArray[np.bool_], scores: Floats) -> Floats:
    """Area under the ROC curve of every column (N, C) -> (C,); NaN where it is not defined.

    The Mann-Whitney statistic: the chance that a positive scores higher than a negative. All columns are
    computed at once, which takes 1/60 of scikit-learn's time; the bootstrap calls this a thousand times.
    """
    positives = truth.sum(0)
    negatives = len(truth) - positives
    ranks = rankdata(scores, axis=0)
    above = (ranks * truth).sum(0) - positives * (positives + 1) / 2
    pairs = positives * negatives
    return np.where(pairs > 0, above / np.maximum(pairs, 1), np.nan)


def average_precision(truth: NDArray[np.bool_], scores: Floats) -> Floats:
    """Average precision of every column (N, C) -> (C,), ties taken together; NaN without positives.

    All columns at once, for the same reason as roc_auc.
    """
    order = np.argsort(-scores, axis=0, kind="stable")
    descending, hits = np.take_along_axis(scores, order, 0), np.take_along_axis(truth, order, 0)
    ends = np.ones(truth.shape, bool)  # where a run of equal scores ends
    ends[:-1] = descending[:-1] != descending[1:]
    places = np.where(ends, np.arange(len(truth))[:, None], len(truth))
    last = np.minimum.accumulate(places[::-1], axis=0)[::-1]
    precision = np.take_along_axis(np.cumsum(hits, axis=0), last, 0) / (last + 1)
    positives = hits.sum(0)
    return np.where(positives > 0, (precision * hits).sum(0) / np.maximum(positives, 1), np.nan)


def school_figures(actual: Ints, scores: Floats, **options: Any) -> Figures:
    """Figures of schools from class numbers (N,) and probabilities (N, S), with intervals."""
    classes = scores.shape[1]

    def macro(which: int) -> Callable[[Ints, Floats], float]:
        def statistic(truth: Ints, given: Floats) -> float:
            counts = confusion(truth, given.argmax(1), classes)
            return float(rates(counts)[which][counts.sum(1) > 0].mean())

        return statistic

    def area(truth: Ints, given: Floats) -> float:
        return _mean(roc_auc(truth[:, None] == np.arange(classes), given))

    statistics: dict[str, Callable[[Ints, Floats], float]] = {
        "accuracy": lambda truth, given: float((given.argmax(1) == truth).mean()),
        "balanced_accuracy": macro(1),  # the mean recall
        "macro_precision": macro(0),
        "macro_recall": macro(1),
        "macro_f1": macro_f1,
        "roc_auc": area,
    }
    return {name: interval(f, actual, scores, **options) for name, f in statistics.items()}


def tag_figures(truth: NDArray[np.bool_], scores: Floats, **options: Any) -> Figures:
    """Mean average precision and mean ROC-AUC of tags from truth and scores (N, T)."""

    statistics: dict[str, Callable[..., float]] = {
        "map": mean_ap,
        "roc_auc": lambda held, given: _mean(roc_auc(held, given)),
    }
    return {name: interval(f, truth, scores, **options) for name, f in statistics.items()}


def judge(scored: Scored, **options: Any) -> dict[str, Any]:
    """All metrics of a set of works, and those of a baseline that always predicts the most frequent class.

    Args:
        scored: the works.
        options: of the bootstrap.

    Returns:
        {"school": …, "tags": …, "most_frequent": {"school": …, "tags": …}, "gain": …}; `gain` is the
        paired difference to that baseline: an interval above 0 means that the model is better. The tags'
        baseline gives every work the same score, so its mAP is the tags' prevalence.
    """
    scored_schools = scored.with_school()
    actual, scores = scored_schools.school, scored_schools.school_scores
    tags, tag_scores = scored.tags, scored.tag_scores
    figures: dict[str, Any] = {"school_works": len(actual), "tag_works": len(tags)}
    baseline: dict[str, Any] = {}
    gain: dict[str, Any] = {}
    if len(actual):
        guess = np.eye(scores.shape[1])[scored_schools.common]
        figures["school"] = school_figures(actual, scores, **options)
        baseline["school"] = school_figures(actual, guess, **options)
        gain["macro_f1"] = interval(
            lambda a, s, g: macro_f1(a, s) - macro_f1(a, g), actual, scores, guess, **options
        )
    if tags.any():
        figures["tags"] = tag_figures(tags, tag_scores, **options)
        baseline["tags"] = tag_figures(tags, np.zeros_like(tag_scores), **options)
        gain["map"] = interval(
            lambda t, s: mean_ap(t, s) - float(t.mean(0)[t.any(0)].mean()), tags, tag_scores, **options
        )
    return {**figures, "most_frequent": baseline, "gain": gain}


def macro_f1(actual: Ints, scores: Floats) -> float:
    """The mean F1 of the classes that occur in `actual` (N,), from scores (N, C)."""
    counts = confusion(actual, scores.argmax(1), scores.shape[1])
    return float(rates(counts)[2][counts.sum(1) > 0].mean())


def mean_ap(truth: NDArray[np.bool_], scores: Floats) -> float:
    """The mean average precision of the columns that have positives."""
    return _mean(average_precision(truth, scores))


def confusion_rows(scored: Scored, names: list[str]) -> pd.DataFrame:
    """One row per work of known school: actual and predicted (what `dvc plots` counts itself)."""
    known = scored.with_school()
    pairs = zip(known.school, known.school_scores.argmax(1), strict=True)
    return pd.DataFrame([(names[a], names[p]) for a, p in pairs], columns=["actual", "predicted"])


def per_class(scored: Scored, schools: list[str], tags: list[str]) -> pd.DataFrame:
    """One row per class: target, class, works, precision, recall, f1, average_precision, roc_auc.

    A tag counts as predicted from a probability of one half. Undefined figures are empty.
    """
    known = scored.with_school()
    numbers = np.arange(len(schools))
    held = known.school[:, None] == numbers
    guessed = known.school_scores.argmax(1)[:, None] == numbers if schools else held
    parts = [
        ("school", schools, held, guessed, known.school_scores),
        ("tag", tags, scored.tags, scored.tag_scores >= 0.5, scored.tag_scores),
    ]
    tables = []
    for target, classes, truth, taken, scores in parts:
        works, hits = truth.sum(0), (truth & taken).sum(0)
        table = {
            "target": target,
            "class": classes,
            "works": works,
            "precision": hits / np.maximum(taken.sum(0), 1),
            "recall": np.where(works > 0, hits / np.maximum(works, 1), np.nan),
            "f1": np.where(works > 0, 2 * hits / np.maximum(works + taken.sum(0), 1), np.nan),
            "average_precision": average_precision(truth, scores),
            "roc_auc": roc_auc(truth, scores),
        }
        tables.append(pd.DataFrame(table))
    return pd.concat(tables, ignore_index=True).round(4)


def roc_curves(scored: Scored, names: list[str]) -> pd.DataFrame:
    """ROC curves of the schools that can have one: rows of class, false_positive, true_positive.

    A class has one row for (0, 0) and one for each of its distinct scores.
    """
    from sklearn.metrics import roc_curve

    known = scored.with_school()
    columns = ["class", "false_positive", "true_positive"]
    curves = [pd.DataFrame(columns=columns)]
    for number, name in enumerate(names):
        truth = known.school == number
        if not truth.any() or truth.all():
            continue
        false, true, _ = roc_curve(truth, known.school_scores[:, number], drop_intermediate=False)
        curve = {"class": name, "false_positive": false.round(4), "true_positive": true.round(4)}
        curves.append(pd.DataFrame(curve))
    return pd.concat(curves[1:] or curves, ignore_index=True)


def _mean(values: Floats) -> float:
    defined = values[np.isfinite(values)]
    return float(defined.mean()) if len(defined) else float("nan")
