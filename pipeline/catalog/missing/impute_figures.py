"""How well a method completed hidden values, with intervals from the same resamples for all methods."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.catalog.missing.task import Bools, Floats, Kind
from pipeline.resampling.bootstrap import ClusterBootstrap, Interval, divide

_OFTEN = 5  # works of a name that counts in macro-F1


@dataclass(frozen=True)
class Completed:
    """What a method put in the place of N values that were hidden.

    values: (N,), None where the gap stayed. confidence: (N,) in 0 to 1.
    """

    values: NDArray[np.object_]
    confidence: Floats

    @property
    def there(self) -> Bools:
        """(N,) where a value was completed."""
        return np.array([value is not None for value in self.values], bool)


@dataclass(frozen=True)
class Truth:
    """N hidden values: what they are, their groups (N,), and how near a number must come."""

    kind: Kind
    values: NDArray[Any]
    groups: NDArray[np.int64]
    tolerance: float = 0.0

    def score(self, completed: Completed) -> Floats:
        """(N,) right or not (names), or the absolute error (numbers); 0 where the gap stayed."""
        score, there = np.zeros(len(self.values)), completed.there
        if self.kind == "name":
            score[there] = completed.values[there] == self.values[there]
        else:
            score[there] = np.abs(completed.values[there].astype(float) - self.values[there].astype(float))
        return score


def figures(
    truth: Truth, completed: Mapping[str, Completed], baseline: str, repeats: int, seed: int
) -> list[dict[str, Any]]:
    """One row for each method, the greatest gain first; `impute_report.compare` says what it holds.

    Args:
        truth: the hidden values.
        completed: name of a method -> what it completed.
        baseline: name of the method that the others are compared with.
        repeats: resamples of the bootstrap.
        seed: of the bootstrap.
    """
    draws = ClusterBootstrap(truth.groups, repeats, seed)
    base = truth.score(completed[baseline])
    rows = [{"method": name} | _row(truth, one, base, draws) for name, one in completed.items()]
    return sorted(rows, key=lambda row: (-row["gain"]["value"], row["method"]))


def _row(truth: Truth, completed: Completed, base: Floats, draws: ClusterBootstrap) -> dict[str, Any]:
    score, there = truth.score(completed), completed.there
    better = score - base if truth.kind == "name" else base - score
    confidence = round(float(completed.confidence[there].mean()), 3) if there.any() else None
    row: dict[str, Any] = {"coverage": round(float(there.mean()), 4), "confidence": confidence}
    if truth.kind == "name":
        row["accuracy"] = draws.ratio(score, there)
        row["macro_f1"] = macro_f1(draws, truth.values, completed.values)
    else:
        row["mae"] = draws.ratio(score, there)
        row["within"] = draws.ratio((score <= truth.tolerance) * there, there)
    row["baseline"] = draws.ratio(base * there, there)
    row["gain"] = draws.ratio(np.where(there, better, 0.0), np.ones(len(better)))
    return row


def macro_f1(draws: ClusterBootstrap, truth: NDArray[Any], completed: NDArray[Any]) -> Interval | None:
    """Macro-F1 of completed names (N,) against the true ones (N,); gaps that stayed (None) do not count.

    Only names with five true works or more count: a rarer name is missing from so many resamples that
    the interval would not hold the figure. None when there is no such name.
    """
    there = np.array([name is not None for name in completed], bool)
    names = np.concatenate([truth[there], completed[there]]).astype(str)
    found, codes = np.unique(names, return_inverse=True)
    true, guess = np.full(len(truth), -1), np.full(len(truth), -1)
    true[there], guess[there] = np.split(codes, 2)
    counted = np.bincount(true[there], minlength=len(found)) >= _OFTEN
    if not counted.any():
        return None
    hits = draws.counts(np.where(true == guess, true, -1), len(found))[:, counted]
    both = (draws.counts(true, len(found)) + draws.counts(guess, len(found)))[:, counted]
    f1 = divide(2 * hits, both)  # (R + 1, names); NaN for a name that was not drawn
    return draws.interval(divide(np.nansum(f1, axis=1), (both > 0).sum(axis=1)))
