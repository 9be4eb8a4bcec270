"""Cross-validation that never splits a group of near-duplicates."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import PentimentoError

Ints = NDArray[np.int64]
Fold = tuple[Ints, Ints]  # rows to train on, rows to predict


def stratified_folds(classes: Ints, groups: Ints, count: int, seed: int) -> list[Fold]:
    """Folds stratified by class; rows of one group stay together, and each row is predicted once.

    Args:
        classes: (N,) class numbers from 0.
        groups: (N,) group of each row.
        count: number of folds.
        seed: of the shuffling.

    Raises:
        PentimentoError: when there are fewer groups than folds.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    if len(np.unique(groups)) < count:
        raise PentimentoError(
            f"cross-validation: {count} folds need as many groups of works, there are "
            f"{len(np.unique(groups))}; lower the number of folds"
        )
    splitter = StratifiedGroupKFold(count, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a class may have fewer works than there are folds
        parts = list(splitter.split(np.zeros(len(classes)), _merge_small(classes, count), groups))
    return [(train.astype(np.int64), test.astype(np.int64)) for train, test in parts]


def out_of_fold(
    fit_predict: Callable[[int, Ints, Ints], NDArray[Any]], folds: Iterable[Fold]
) -> NDArray[np.float64]:
    """Predictions (N, …) of all rows, each by a model that was not fitted to it.

    Args:
        fit_predict: (number of the fold, rows to train on, rows to predict) -> predictions of the latter.
        folds: together they predict each of N rows once.
    """
    asked, found = [], []
    for number, (train, test) in enumerate(folds):
        asked.append(test)
        found.append(np.asarray(fit_predict(number, train, test), np.float64))
    return np.concatenate(found)[np.argsort(np.concatenate(asked))]


def majority_out_of_fold(classes: Ints, folds: Iterable[Fold]) -> Ints:
    """(N,) for each row the most frequent class among the rows that its model was fitted to."""
    commonest = out_of_fold(
        lambda _, train, test: np.full(len(test), np.bincount(classes[train]).argmax()), folds
    )
    return commonest.astype(np.int64)


def _merge_small(classes: Ints, count: int) -> Ints:
    # Classes too small for the folds are stratified as one: they cannot be in every fold anyway.
    sizes = np.bincount(classes)
    return np.where(sizes[classes] < count, len(sizes), classes)
