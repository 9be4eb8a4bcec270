"""Completed values: a model may learn from them, but is never evaluated on them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

RECORDED = "recorded"  # the origin of a value that the source has


def completed(works: pd.DataFrame, labels: Sequence[str] = ("school",)) -> NDArray[np.bool_]:
    """(N,) whether one of the labels was completed, not recorded."""
    marks = [works[f"{label}_origin"].fillna(RECORDED).ne(RECORDED).to_numpy(bool) for label in labels]
    return np.logical_or.reduce(marks, axis=0) if marks else np.zeros(len(works), bool)


def recorded_only(works: pd.DataFrame, labels: Sequence[str] = ("school",)) -> pd.DataFrame:
    """The rows without a completed label; rows with a missing label stay."""
    return works[~completed(works, labels)]


def keep_in_train(splits: Sequence[str], groups: Sequence[int], must_train: NDArray[np.bool_]) -> list[str]:
    """The splits (N,), after moving each work of `must_train`, with its whole group, to train."""
    moved = {group for group, must in zip(groups, must_train, strict=True) if must}
    return ["train" if group in moved else split for split, group in zip(splits, groups, strict=True)]
