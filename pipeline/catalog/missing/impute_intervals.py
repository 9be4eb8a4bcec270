"""Confidence intervals of the same resamples for all methods: bootstrap over groups of works."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Interval = dict[str, float]
_LEVEL = 0.95
_OFTEN = 5  # works of a name that counts in macro-F1


class Draws:
    """Resamples of groups (cluster bootstrap, percentile method; Efron & Tibshirani 1993).

    Works of a group are alike: they come into a resample together, as often as their group is drawn.

    Args:
        groups: (N,) the group of each value.
        repeats: number of resamples.
        seed: of the draws.
    """

    def __init__(self, groups: NDArray[np.int64], repeats: int, seed: int) -> None:
        _, self.group = np.unique(groups, return_inverse=True)
        self.count = int(self.group.max()) + 1
        rng = np.random.default_rng(seed)
        even = np.full(self.count, 1 / self.count)
        # (repeats + 1, groups): the first row is the sample itself.
        drawn = rng.multinomial(self.count, even, size=repeats)
        self.times = np.vstack([np.ones(self.count), drawn])

    def ratio(self, above: NDArray[Any], below: NDArray[Any]) -> Interval | None:
        """The sum of `above` (N,) over the sum of `below` (N,), with its interval; None when that is 0."""
        top, bottom = (
            np.bincount(self.group, np.asarray(part, float), self.count) for part in (above, below)
        )
        return _interval(_divide(self.times @ top, self.times @ bottom))

    def macro_f1(self, truth: NDArray[Any], said: NDArray[Any], where: NDArray[np.bool_]) -> Interval | None:
        """Macro-F1 of `said` against `truth` (M,), which lie at `where` (N,) of the values.

        Over the names that the truth has at least five times: of rarer ones, a resample has none so
        often that the interval would not hold the figure. None when there is no such name.
        """
        found, codes = np.unique(np.concatenate([truth, said]).astype(str), return_inverse=True)
        true, guess = codes[: len(truth)], codes[len(truth) :]
        group, hit = self.group[where], true == guess
        hits = self._counts(group[hit], true[hit], len(found))
        both = self._counts(group, true, len(found)) + self._counts(group, guess, len(found))
        counted = np.bincount(true, minlength=len(found)) >= _OFTEN
        if not counted.any():
            return None
        hits, both = hits[:, counted], both[:, counted]
        f1 = _divide(2 * hits, both)  # (repeats + 1, names); a name that was not drawn has none
        return _interval(_divide(np.nansum(f1, axis=1), (both > 0).sum(axis=1)))

    def _counts(self, group: NDArray[np.int64], name: NDArray[np.int64], names: int) -> NDArray[np.float64]:
        table = np.zeros((self.count, names))
        np.add.at(table, (group, name), 1)
        return np.asarray(self.times @ table)


def _divide(above: NDArray[Any], below: NDArray[Any]) -> NDArray[np.float64]:
    empty = np.full(np.shape(above), np.nan)
    return np.asarray(np.divide(above, below, out=empty, where=np.asarray(below) > 0))


def _interval(values: NDArray[np.float64]) -> Interval | None:
    defined = values[1:][np.isfinite(values[1:])]
    if not np.isfinite(values[0]) or not len(defined):
        return None
    tail = (1 - _LEVEL) / 2
    low, high = np.quantile(defined, [tail, 1 - tail])
    return {"value": round(float(values[0]), 4), "low": round(float(low), 4), "high": round(float(high), 4)}
