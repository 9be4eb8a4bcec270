"""Numbers between those of the works before and after, in the order of another column."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Literal

import numpy as np
import pandas as pd
from pydantic import Field

from pipeline.catalog.missing.residuals import out_of_fold
from pipeline.catalog.missing.task import Answer, Floats, Kind, Spec, Task, measured, numbers
from pipeline.errors import PentimentoError

Curve = Callable[[Floats], Floats]
_SPLINE_NEEDS = 5  # points, of a smoothing spline


class Interpolate(Spec):
    """A curve through the recorded numbers, over works ordered by the column `order`.

    Works of one place in the order count as one point: their median. `linear` joins neighbouring
    points; `polynomial` is the least-squares curve of `degree` (fewer where there are fewer points);
    `spline` is the smoothing spline that generalised cross-validation chooses (Wahba 1990). A gap
    without a place in the order, or before the first or after the last recorded point, stays
    missing: nothing is extrapolated. The confidence is the share of recorded values that the curve
    through the others meets within a tenth of the spread.
    """

    variant: ClassVar[str] = "curve"
    kinds: ClassVar[frozenset[Kind]] = frozenset({"number"})
    method: Literal["interpolate"] = "interpolate"
    curve: Literal["linear", "polynomial", "spline"] = "linear"
    order: str = "year"
    degree: int = Field(default=3, ge=2, le=9)

    def check(self, task: Task) -> None:
        """The order must be another column of numbers."""
        super().check(task)
        if self.order == task.column or self.order not in task.works:
            raise PentimentoError(
                f"the method '{self.name}' completes '{task.column}' over works in an order: `order` must "
                f"name another column of numbers, such as a year; it is '{self.order}'"
            )
        if not pd.api.types.is_numeric_dtype(task.works[self.order]):
            raise PentimentoError(
                f"interpolate: the order '{self.order}' of '{task.column}' holds no numbers"
            )

    def answer(self, task: Task) -> Answer:
        """The curve's values at the gaps' places."""
        place = numbers(task.works[self.order])
        ordered = measured(place)
        usable = ordered[task.known]
        x, y = place[task.known][usable], task.evidence[usable]
        if len(np.unique(x)) < 2:
            return task.refuse()
        values = np.full(int(task.gaps.sum()), np.nan)
        at = place[task.gaps]
        inside = ordered[task.gaps] & (at >= x.min()) & (at <= x.max())
        values[inside] = self._fit(x, y)(at[inside])
        errors = out_of_fold(lambda rows, asked: self._fit(x[rows], y[rows])(x[asked]), y, task.seed)
        return Answer(values, np.full(len(values), task.agreeing(errors)))

    def _fit(self, x: Floats, y: Floats) -> Curve:
        points = pd.Series(y).groupby(x).median()
        at, heights = points.index.to_numpy(float), points.to_numpy(float)
        if self.curve == "linear" or len(at) < 3:
            return lambda asked: np.interp(asked, at, heights)
        if self.curve == "polynomial" or len(at) < _SPLINE_NEEDS:
            degree = min(self.degree, len(at) - 1)
            return np.polynomial.Polynomial.fit(at, heights, degree)
        from scipy.interpolate import make_smoothing_spline

        # On the unit interval: the spline's equations are ill-conditioned for years such as 1650.
        low, span = at[0], at[-1] - at[0]
        spline = make_smoothing_spline((at - low) / span, heights)
        return lambda asked: np.asarray(spline((asked - low) / span), float)
