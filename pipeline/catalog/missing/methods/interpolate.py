"""Numbers between those of the works before and after, in the order of another column."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

import numpy as np
import pandas as pd
from pydantic import Field

from pipeline.catalog.missing.learning import Rows, held_out_agreement
from pipeline.catalog.missing.spec import method
from pipeline.catalog.missing.task import Answer, Floats, Task, measured, numbers
from pipeline.errors import PentimentoError

Curve = Literal["linear", "polynomial", "spline"]
_SPLINE_NEEDS = 5  # points, of a smoothing spline


def _ordered(task: Task, curve: Curve, order: str, degree: int) -> None:
    """The order must be another column of numbers."""
    if order == task.column or order not in task.works:
        raise PentimentoError(
            f"the method 'interpolate:{curve}' completes '{task.column}' over works in an order: `order` "
            f"must name another column of numbers, such as a year; it is '{order}'"
        )
    if not pd.api.types.is_numeric_dtype(task.works[order]):
        raise PentimentoError(f"interpolate: the order '{order}' of '{task.column}' holds no numbers")


@method("interpolate", variant="curve", kinds=frozenset({"number"}), needs=_ordered)
def interpolate(
    task: Task,
    *,
    curve: Curve = "linear",
    order: str = "year",
    degree: Annotated[int, Field(ge=2, le=9)] = 3,
) -> Answer:
    """A curve through the recorded numbers, over works sorted by the column `order`.

    Works with the same number in the order count as one point: their median. `linear` joins neighbouring
    points; `polynomial` is the least-squares curve of `degree` (lower where there are fewer points);
    `spline` is the smoothing spline that generalised cross-validation chooses (Wahba 1990). A gap whose
    order is missing, or lies before the first or after the last recorded point, stays missing: nothing
    is extrapolated. The confidence is the share of recorded values that the curve through the others
    meets within a tenth of the spread.
    """
    positions = numbers(task.works[order])
    ordered = measured(positions)
    usable = ordered[task.known]
    x, y = positions[task.known][usable], task.evidence[usable]
    if len(np.unique(x)) < 2:
        return task.refuse()
    values = np.full(int(task.gaps.sum()), np.nan)
    asked = positions[task.gaps]
    inside = ordered[task.gaps] & (asked >= x.min()) & (asked <= x.max())
    values[inside] = _fit(x, y, curve, degree)(asked[inside])

    def predict(rows: Rows, held: Rows) -> Floats:
        return _fit(x[rows], y[rows], curve, degree)(x[held])

    return Answer(values, np.full(len(values), held_out_agreement(predict, y, task)))


def _fit(x: Floats, y: Floats, curve: Curve, degree: int) -> Callable[[Floats], Floats]:
    points = pd.Series(y).groupby(x).median()
    at, heights = points.index.to_numpy(float), points.to_numpy(float)
    if curve == "linear" or len(at) < 3:
        return lambda asked: np.interp(asked, at, heights)
    if curve == "polynomial" or len(at) < _SPLINE_NEEDS:
        return np.polynomial.Polynomial.fit(at, heights, min(degree, len(at) - 1))
    from scipy.interpolate import make_smoothing_spline

    # On the unit interval: the spline's equations are ill-conditioned for years such as 1650.
    low, span = at[0], at[-1] - at[0]
    spline = make_smoothing_spline((at - low) / span, heights)
    return lambda asked: np.asarray(spline((asked - low) / span), float)
