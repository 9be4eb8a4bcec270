"""Class rebalancing of the training works: how often each is drawn, and how much it weighs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Balance = Literal["none", "oversample", "undersample", "class_weights"]


def rebalance(
    classes: Sequence[str], method: Balance, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Draws per epoch (N,) and loss weights (N,), of mean 1, for works of these classes.

    Over- and undersampling draw at random, by seed, until every class is as large as the largest
    or the smallest; class weights are inversely proportional to the class's frequency.
    """
    repeat = np.ones(len(classes), np.int64)
    weight = np.ones(len(classes), np.float64)
    if method == "none" or len(set(classes)) < 2:
        return repeat, weight
    if method == "class_weights":
        from sklearn.utils.class_weight import compute_sample_weight

        weight = np.asarray(compute_sample_weight("balanced", list(classes)), np.float64)
        return repeat, weight
    sampler = _sampler(method, seed)
    sampler.fit_resample(np.arange(len(classes))[:, None], list(classes))
    return np.bincount(sampler.sample_indices_, minlength=len(classes)), weight


def _sampler(method: str, seed: int) -> Any:
    from imblearn.over_sampling import RandomOverSampler
    from imblearn.under_sampling import RandomUnderSampler

    return (RandomOverSampler if method == "oversample" else RandomUnderSampler)(random_state=seed)
