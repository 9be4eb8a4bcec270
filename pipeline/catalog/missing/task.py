"""The task of a method, its answer, and the vote of recorded values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.errors import PentimentoError

Kind = Literal["number", "name"]
Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]

_LARGEST = 1e100  # larger numbers are not measurements, and their squares overflow
_SPREAD = (5, 95)  # percentiles of the spread


@dataclass(frozen=True)
class Answer:
    """Answers for G gaps: values (G,), None where the gap stays, and confidences (G,) from 0 to 1."""

    values: NDArray[Any]
    confidence: Floats


@dataclass(frozen=True)
class Task:
    """The gaps of one column.

    Attributes:
        works: N rows in the order of the table, without completed values.
        column: name of the column whose gaps are completed.
        kind: what the column holds.
        known: (N,) where the column has a recorded value that can be evidence.
        gaps: (N,) where a value is wanted.
        features: (N, D) features of the pictures, NaN for a work without one; or None.
        seed: of all random draws.
    """

    works: pd.DataFrame
    column: str
    kind: Kind
    known: Bools
    gaps: Bools
    features: NDArray[np.float32] | None
    seed: int

    @cached_property
    def evidence(self) -> NDArray[Any]:
        """The recorded values, in the order of the table: floats, or names as objects."""
        values = self.works.loc[self.known, self.column]
        return numbers(values) if self.kind == "number" else values.to_numpy(object)

    @cached_property
    def tolerance(self) -> float:
        """Numbers that differ by less agree: a tenth of the 5th to 95th percentile range of the evidence."""
        low, high = np.percentile(self.evidence, _SPREAD)
        return float(high - low) / 10

    def only(self, rows: Bools) -> Task:
        """The same task for a part of the works (N,), which must include all gaps."""
        features = None if self.features is None else self.features[rows]
        works = self.works[rows].reset_index(drop=True)
        return replace(self, works=works, known=self.known[rows], gaps=self.gaps[rows], features=features)

    def require_pictures(self, method: str) -> None:
        """Refuse a task without features of the pictures.

        Raises:
            PentimentoError: naming the method and the column.
        """
        if self.features is None:
            raise PentimentoError(
                f"the method '{method}' completes '{self.column}' from the pictures, which are not given"
            )

    def pictures(self) -> tuple[NDArray[np.float32], Bools]:
        """The features (N, D), and which works have a picture (N,)."""
        assert self.features is not None, "a method that needs pictures requires them"
        return self.features, np.asarray(np.isfinite(self.features).all(axis=1))

    def refuse(self) -> Answer:
        """The answer of a method that has not enough evidence: every gap stays."""
        count = int(self.gaps.sum())
        return Answer(np.full(count, None, object), np.zeros(count))

    def same(self, value: Any, confidence: float) -> Answer:
        """One value for every gap."""
        count = int(self.gaps.sum())
        values = np.full(count, None, object)
        values[:] = value
        return Answer(values, np.full(count, confidence))

    def vote(self, ballots: Sequence[NDArray[np.int64]]) -> Answer:
        """One answer per ballot, a list of evidence rows: the median of numbers, the mode of names.

        The confidence is the share of the ballot that agrees: numbers within the tolerance, the same name.
        """
        found = [self._count(self.evidence[ballot]) for ballot in ballots]
        values = np.full(len(found), None, object)
        values[:] = [value for value, _ in found]
        return Answer(values, np.array([share for _, share in found], float))

    def agreeing(self, errors: Floats) -> float:
        """The share of errors within the tolerance."""
        return float((np.abs(errors) <= self.tolerance).mean())

    def _count(self, values: NDArray[Any]) -> tuple[Any, float]:
        if self.kind == "number":
            median = float(np.median(values))
            return median, self.agreeing(values - median)
        counts = Counter(values)
        value, count = min(counts.items(), key=lambda pair: (-pair[1], str(pair[0])))
        return value, count / len(values)


def kind_of(values: pd.Series[Any], column: str) -> Kind:
    """What a column holds.

    Raises:
        PentimentoError: for lists, dates and other types that no method completes.
    """
    if pd.api.types.is_bool_dtype(values) or pd.api.types.is_string_dtype(values.dropna()):
        return "name"
    if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_complex_dtype(values):
        return "number"
    if values.dtype == object and all(isinstance(value, (str, bool)) for value in values.dropna()):
        return "name"
    if isinstance(values.dtype, pd.CategoricalDtype):
        return "name"
    raise PentimentoError(
        f"'{column}' holds lists, dates or a mixture, not numbers or names: no method completes it"
    )


def numbers(values: pd.Series[Any]) -> Floats:
    """A column of numbers as floats (N,), NaN for missing ones."""
    return np.array(values.to_numpy(np.float64, na_value=np.nan))


def measured(values: Floats) -> Bools:
    """Where numbers can be evidence: finite and below 1e100."""
    there: Bools = np.isfinite(values) & (np.abs(np.nan_to_num(values)) < _LARGEST)
    return there
