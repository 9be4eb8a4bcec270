"""Stratified cross-validation that never splits a group of near-duplicates."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import PentimentoError

Ints = NDArray[np.int64]


def folds(classes: Ints, groups: Ints, count: int, seed: int) -> Iterator[tuple[Ints, Ints]]:
    """Rows to train on and rows to judge, `count` times; every row is judged once.

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
        warnings.simplefilter("ignore")  # that a class has fewer works than there are folds
        parts = list(splitter.split(np.zeros(len(classes)), _mergeable(classes, count), groups))
    for train, test in parts:
        yield train.astype(np.int64), test.astype(np.int64)


def out_of_fold(
    fit_predict: Callable[[int, Ints, Ints], NDArray[Any]],
    classes: Ints,
    groups: Ints,
    count: int,
    seed: int,
) -> tuple[NDArray[np.float64], Ints]:
    """Logits (N, K) of all rows, each by a model that has not seen it; and (N,) what was most
    frequent among the classes that this model was trained on.

    Args:
        fit_predict: (fold, rows to train on, rows to judge) -> logits of the latter.
        classes: (N,) to stratify by.
        groups: (N,) rows of one group stay together.
        count: number of folds.
        seed: of the shuffling.
    """
    logits: NDArray[np.float64] | None = None
    common = np.zeros(len(classes), np.int64)
    for fold, (train, test) in enumerate(folds(classes, groups, count, seed)):
        rows = np.asarray(fit_predict(fold, train, test), np.float64)
        if logits is None:
            logits = np.zeros((len(classes), rows.shape[1]))
        logits[test] = rows
        common[test] = np.bincount(classes[train]).argmax()
    assert logits is not None
    return logits, common


def _mergeable(classes: Ints, count: int) -> Ints:
    # Classes too small for the folds are stratified together: they cannot be in every fold anyway.
    sizes = np.bincount(classes)
    return np.where(sizes[classes] < count, len(sizes), classes)
