"""Bootstrap confidence intervals over works or over groups of works.

All intervals follow the percentile method (Efron & Tibshirani 1993). `interval` resamples works, for any
statistic. `ClusterBootstrap` resamples groups of works, for sums, ratios and counts.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Interval = dict[str, float]

LEVEL = 0.95


def interval(
    statistic: Callable[..., float],
    *samples: NDArray[Any],
    repeats: int = 1000,
    level: float = LEVEL,
    seed: int = 0,
) -> Interval:
    """A statistic of paired samples with its bootstrap interval over their first axis.

    Resamples in which the statistic is not defined (NaN, for example because a class is missing) are
    left out.

    Args:
        statistic: (samples) -> a number.
        samples: arrays (N, …); row n of each belongs to work n.
        repeats: number of resamples.
        level: share of the resamples that lie within the interval.
        seed: of the resamples.

    Returns:
        {"value", "low", "high"}, rounded to 4 decimals.
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
    return percentiles(value, np.array(values, float), level)


def mean_interval(values: Any, **options: Any) -> Interval:
    """The mean of values (N,) with its bootstrap interval; options as for `interval`."""
    return interval(lambda sample: float(np.mean(sample)), np.asarray(values, float), **options)


def percentiles(value: float, resampled: Floats, level: float = LEVEL) -> Interval:
    """A value with the percentile interval of its resamples (R,); without a finite one, the value itself."""
    defined = resampled[np.isfinite(resampled)]
    tail = (1 - level) / 2
    low, high = np.quantile(defined, [tail, 1 - tail]) if len(defined) else (value, value)
    return {"value": round(value, 4), "low": round(float(low), 4), "high": round(float(high), 4)}


class ClusterBootstrap:
    """Resamples of groups of works (cluster bootstrap).

    Works of a group are alike, so a resample holds all works of a group as often as it draws the group.
    One object gives the same resamples to all figures, so that they can be compared.

    Args:
        groups: (N,) group of each work.
        repeats: number of resamples R.
        seed: of the resamples.
    """

    def __init__(self, groups: Ints, repeats: int, seed: int) -> None:
        _, self._group = np.unique(groups, return_inverse=True)
        self._size = int(self._group.max()) + 1
        rng = np.random.default_rng(seed)
        drawn = rng.multinomial(self._size, np.full(self._size, 1 / self._size), size=repeats)
        # (R + 1, groups): how often each group is drawn; row 0 is the sample itself.
        self._times = np.vstack([np.ones(self._size), drawn])

    def sums(self, values: NDArray[Any]) -> Floats:
        """Sums of values (N,): (R + 1,), first the sample's own, then those of the resamples."""
        return np.asarray(self._times @ np.bincount(self._group, np.asarray(values, float), self._size))

    def counts(self, codes: Ints, classes: int) -> Floats:
        """How often each class occurs: (R + 1, classes), first in the sample, then in the resamples.

        Args:
            codes: (N,) class of each work, 0 to classes - 1; a negative code is not counted.
            classes: number of classes.
        """
        table = np.zeros((self._size, classes))
        np.add.at(table, (self._group[codes >= 0], codes[codes >= 0]), 1)
        return np.asarray(self._times @ table)

    def ratio(self, above: NDArray[Any], below: NDArray[Any]) -> Interval | None:
        """The sum of `above` (N,) over the sum of `below` (N,) with its interval; None when that is 0."""
        return self.interval(divide(self.sums(above), self.sums(below)))

    def interval(self, values: Floats) -> Interval | None:
        """The interval of values (R + 1,) that were made of `sums` or `counts`; None when not defined."""
        if not np.isfinite(values[0]) or not np.isfinite(values[1:]).any():
            return None
        return percentiles(float(values[0]), values[1:])


def divide(above: NDArray[Any], below: NDArray[Any]) -> Floats:
    """Quotients of equally shaped arrays, NaN where `below` is not positive."""
    empty = np.full(np.shape(above), np.nan)
    return np.asarray(np.divide(above, below, out=empty, where=np.asarray(below) > 0))
