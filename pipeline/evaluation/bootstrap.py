"""Bootstrap confidence intervals (Efron & Tibshirani 1993, percentile method)."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Interval = dict[str, float]


def interval(
    statistic: Callable[..., float],
    *samples: NDArray[Any],
    repeats: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """A statistic of paired samples with its bootstrap interval over their first axis.

    Resamples in which the statistic is not defined (NaN: say, a class is missing) are left out.

    Returns:
        {"value", "low", "high"}, rounded to 4 digits after the point; NaN-free.
    """
    size = len(samples[0])
    rng = np.random.default_rng(seed)
    values = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn warns of classes missing in a resample
        for _ in range(repeats):
            rows = rng.integers(0, size, size)
            values.append(statistic(*(sample[rows] for sample in samples)))
        value = float(statistic(*samples))
    defined = [v for v in values if np.isfinite(v)]
    tail = (1 - level) / 2
    low, high = np.quantile(defined, [tail, 1 - tail]) if defined else (value, value)
    return {"value": round(value, 4), "low": round(float(low), 4), "high": round(float(high), 4)}


def mean_interval(values: Any, **options: Any) -> Interval:
    """The mean of values with its bootstrap interval."""
    return interval(lambda sample: float(np.mean(sample)), np.asarray(values, float), **options)
