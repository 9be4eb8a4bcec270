"""Likely wrong labels, found by confident learning (Northcutt, Jiang & Chuang 2021); nothing is deleted.

Out-of-fold models give each label a probability. Confident learning counts the works that reach the
threshold of another class; that many works with the least probable labels are suspect.

When the models cannot tell two classes apart, all their works look wrong. This is a weakness of the
models, not of the labels, and it would hide the few real errors: see `Limits`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.archive.fixity import value_sha256
from pipeline.errors import PentimentoError
from pipeline.resampling.cross_validation import Fold, out_of_fold, stratified_folds

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

PENALTIES = (
    0.1,
    0.3,
    1.0,
    3.0,
)  # inverse strengths of the L2 penalty; the one with the least out-of-fold loss is taken
REPEATS = 3  # cross-validations whose logits are averaged: a single one is noisy
ROUNDS = 2  # in the second round the suspects of the first are left out of the training
_SPREAD = 5.0  # scale of features, so that a penalty means the same for any number of them
_SURE = 2 / 3  # largest threshold of a class: twice as probable as all other classes together
_TINY = 1e-12


@dataclass(frozen=True)
class Limits:
    """Limits that keep the list of suspects short enough to be reviewed by a person.

    least_works: a class with fewer groups of works is neither judged nor suggested. told_apart: if more than
    this share of a class's works look wrong, the models cannot tell it apart, and none of its works is
    suspect. margin: the smallest difference of probability between the suggested and the given label.
    most: the largest share of the judged works that is suspect; the most doubtful works are kept.
    """

    least_works: int = 1
    told_apart: float = 0.5
    margin: float = 0.0
    most: float = 1.0


NO_LIMITS = Limits()


@dataclass(frozen=True)
class Works:
    """What N works are judged by; see `suspects`."""

    labels: Sequence[str | None]
    features: NDArray[np.float32]  # (N, D)
    groups: Sequence[int]

    @property
    def sha256(self) -> str:
        """Of all of it."""
        digest = hashlib.sha256(np.ascontiguousarray(self.features).data)
        return value_sha256([list(self.labels), list(self.groups), digest.hexdigest()])


def suspects(
    labels: Sequence[str | None],
    features: NDArray[np.float32],
    groups: Sequence[int],
    folds: int,
    seed: int,
    limits: Limits = NO_LIMITS,
) -> pd.DataFrame:
    """Judge every label by calibrated logistic regressions on features that were not fitted to its work.

    Args:
        labels: (N,) names of classes; None or NaN for a missing label.
        features: (N, D), each row of length 1, as `describing.describe` gives them.
        groups: (N,) near-duplicates share a number and are always in one fold.
        folds: number of folds, at least 2.
        seed: of the folds.
        limits: which doubtful works are suspect.

    Returns:
        N rows in the given order: `given`; `suggested`, the most probable other label; `score` in [0, 1],
        1 minus the probability of the given label; `confidence` in [0, 1], the probability of the
        suggested one; `told_apart`, whether the models can tell the given class; `suspect`.
        A work is not judged when its label is missing, or when its class has fewer groups than folds or
        than `limits` ask for. Its suggestion and its numbers are then missing, and it is not suspect.

    Raises:
        PentimentoError: when fewer than two classes have enough groups.
    """
    given, group = _names(labels), np.asarray(groups, np.int64)
    least = max(folds, limits.least_works)
    names = judged_classes(labels, groups, least)
    if len(names) < 2:
        raise PentimentoError(
            f"label faults: {len(names)} classes have at least {least} works, two are needed; "
            "lower the number of folds or of least works, or merge classes"
        )
    rows = np.flatnonzero(given.isin(names).to_numpy())
    codes = np.array([names.index(name) for name in given.iloc[rows]], np.int64)
    inputs = np.asarray(features, np.float64)[rows]
    found, chance = _judge(codes, inputs, group[rows], folds, seed)

    own = chance[np.arange(len(rows)), codes]
    others = chance.copy()
    others[np.arange(len(rows)), codes] = -1
    table = not_judged(labels)
    table.loc[rows, "suggested"] = [names[n] for n in others.argmax(axis=1)]
    table.loc[rows, "score"] = (1 - own).round(6)
    table.loc[rows, "confidence"] = others.max(axis=1).round(6)
    clear = _share(codes, found) <= limits.told_apart
    table.loc[rows, "told_apart"] = clear
    doubtful = found & clear & (others.max(axis=1) - own >= limits.margin)
    order = np.flatnonzero(doubtful)[np.argsort(own[doubtful], kind="stable")]
    table.loc[rows[order[: int(limits.most * len(rows))]], "suspect"] = True
    return table


def judge(works: Works, folds: int, seed: int, limits: Limits) -> dict[str, list[Any]]:
    """The columns that `suspects` gives for these works, as JSON holds them; None is a missing value."""
    table = suspects(works.labels, works.features, works.groups, folds, seed, limits)
    columns: dict[str, list[Any]] = table.astype(object).where(table.notna(), None).to_dict("list")
    return columns


def as_table(columns: Mapping[str, list[Any]]) -> pd.DataFrame:
    """The table that `judge` wrote as columns."""
    return pd.DataFrame(columns).astype(not_judged([]).dtypes.to_dict())


def judged_classes(labels: Sequence[str | None], groups: Sequence[int], least: int) -> list[str]:
    """Sorted names of the classes with at least `least` groups of works."""
    table = pd.DataFrame({"label": _names(labels), "group": list(groups)})
    sizes = table.groupby("label")["group"].nunique()
    return sorted(str(name) for name in sizes[sizes >= least].index)


def not_judged(labels: Sequence[str | None]) -> pd.DataFrame:
    """The table of `suspects` when no work was judged."""
    table = pd.DataFrame({"given": _names(labels).astype("string")})
    table["suggested"] = pd.Series(pd.NA, index=table.index, dtype="string")
    table["score"] = table["confidence"] = pd.Series(np.nan, index=table.index, dtype="float64")
    table["told_apart"] = True
    table["suspect"] = False
    return table


def _names(labels: Sequence[str | None]) -> pd.Series:
    return pd.Series(list(labels), dtype="object").map(lambda name: None if pd.isna(name) else str(name))


def _judge(
    codes: Ints, inputs: Floats, groups: Ints, folds: int, seed: int
) -> tuple[NDArray[np.bool_], Floats]:
    """Which rows are suspect (N,), and their out-of-fold probabilities (N, K)."""
    trusted = np.ones(len(codes), bool)
    foldings = [stratified_folds(codes, groups, folds, seed + turn) for turn in range(REPEATS)]
    first = {c: _logits(codes, inputs, trusted, foldings[0], c) for c in PENALTIES}
    penalty = min(first, key=lambda c: _calibrated(first[c], codes)[1])
    for _ in range(ROUNDS):
        logits = [_logits(codes, inputs, trusted, folding, penalty) for folding in foldings]
        chance, _ = _calibrated(np.mean(logits, axis=0), codes)
        found = confident_faults(codes, chance)
        # A class with mostly suspect works keeps all of them in the training: it must not vanish.
        trusted = ~found | (_share(codes, found) > 0.5)
    return found, chance


def confident_faults(codes: Ints, chance: Floats) -> NDArray[np.bool_]:
    """Which of N labels are likely wrong, by out-of-fold probabilities (N, K).

    A row is counted when the probability of another class reaches that class's threshold: its mean
    self-confidence (the confident joint, equation 1 of the paper), but 2/3 at most. As many rows are taken
    as were counted, those with the least self-confidence first ("prune by self-confidence"), and only where
    another class is more probable.

    Args:
        codes: (N,) given classes, 0 to K - 1, each with at least one row.
        chance: (N, K) probabilities.
    """
    rows = np.arange(len(codes))
    own = chance[rows, codes]
    standard = np.bincount(codes, own, chance.shape[1]) / np.bincount(codes, minlength=chance.shape[1])
    standard = np.minimum(standard, _SURE)
    sure = np.where(chance >= standard, chance, -1)
    count = int(((sure.max(axis=1) >= 0) & (sure.argmax(axis=1) != codes)).sum())
    found = np.zeros(len(codes), bool)
    found[np.argsort(own, kind="stable")[:count]] = True
    return np.asarray(found & (own < chance.max(axis=1)))


def _share(codes: Ints, found: NDArray[np.bool_]) -> Floats:
    """For each row (N,) the share of its class's rows that are suspect."""
    share = np.bincount(codes, found) / np.bincount(codes)
    return np.asarray(share[codes], np.float64)


def _logits(
    codes: Ints, inputs: Floats, trusted: NDArray[np.bool_], folds: Sequence[Fold], penalty: float
) -> Floats:
    """Logits (N, K), each row by a model that was fitted neither to it nor to a row of its group."""
    from sklearn.linear_model import LogisticRegression

    classes, scale = int(codes.max()) + 1, np.sqrt(inputs.shape[1]) / _SPREAD

    def fit_predict(_: int, train: Ints, test: Ints) -> Floats:
        kept, logits = train[trusted[train]], np.zeros((len(test), classes))
        if len(np.unique(codes[kept])) < 2:
            return logits  # a single class: all are equally likely
        centre = inputs[kept].mean(axis=0)
        model = LogisticRegression(C=penalty, max_iter=300)
        model.fit((inputs[kept] - centre) * scale, codes[kept])
        scores = model.decision_function((inputs[test] - centre) * scale)
        if scores.ndim == 1:  # two classes: one column, of the second against the first
            scores = np.stack([-scores / 2, scores / 2], axis=1)
        logits[:] = scores.min(axis=1, keepdims=True)  # for classes that the model was not fitted to
        logits[:, model.classes_] = scores
        return logits

    return out_of_fold(fit_predict, folds)


def _calibrated(logits: Floats, codes: Ints) -> tuple[Floats, float]:
    """Probabilities (N, K) at the temperature with the least loss (Guo et al. 2017), and that loss."""
    from scipy.optimize import minimize_scalar
    from scipy.special import softmax

    rows = np.arange(len(codes))

    def loss(log_scale: float) -> float:
        chance = softmax(logits * np.exp(log_scale), axis=1)
        return float(-np.log(chance[rows, codes] + _TINY).mean())

    best = minimize_scalar(loss, bounds=(-3, 3), method="bounded")
    return np.asarray(softmax(logits * np.exp(best.x), axis=1)), float(best.fun)
