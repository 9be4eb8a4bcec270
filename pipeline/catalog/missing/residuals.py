"""How far a method is from recorded values that it has not seen."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from pipeline.catalog.missing.task import Floats

FOLDS = 3
Rows = NDArray[np.int64]


def out_of_fold(predict: Callable[[Rows, Rows], Floats], truth: Floats, seed: int) -> Floats:
    """The errors (N,) of every recorded value, completed without it.

    Args:
        predict: (rows to learn from, rows asked) -> values of the latter.
        truth: (N,) recorded values, at least two.
        seed: of the folds.
    """
    from sklearn.model_selection import KFold

    errors = np.zeros(len(truth))
    folds = KFold(min(FOLDS, len(truth)), shuffle=True, random_state=seed)
    for rows, asked in folds.split(truth):
        errors[asked] = predict(rows, asked) - truth[asked]
    return errors
