"""Every gap gets the same value."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd

from pipeline.catalog.missing.spec import method
from pipeline.catalog.missing.task import Answer, Task
from pipeline.errors import PentimentoError

By = Literal["auto", "constant", "mean", "median", "mode", "max"]
Value = str | int | float | None


def _value_with_constant(keys: Any) -> Any:
    if (keys.by == "constant") != (keys.value is not None):
        raise ValueError("`value` goes with `by: constant`, and only with it")
    return keys


def _suits(task: Task, by: By, value: Value) -> None:
    """Names have no mean; a constant must be of the column's kind."""
    if task.kind == "name" and by in ("mean", "median", "max"):
        raise PentimentoError(
            f"the method 'fill:{by}' cannot complete '{task.column}': it holds names; "
            "fill:mode and fill:constant do"
        )
    if by == "constant" and isinstance(value, str) != (task.kind == "name"):
        raise PentimentoError(
            f"fill: the constant {value!r} does not suit '{task.column}', which holds {task.kind}s"
        )


@method("fill", variant="by", needs=_suits, valid=_value_with_constant)
def fill(task: Task, *, by: By = "auto", value: Value = None) -> Answer:
    """A constant, or the mean, median, mode or maximum of the recorded values.

    `auto` is the median of numbers and the mode of names. Of several modes the first in the alphabet,
    or the smallest, is taken. The confidence is the share of the recorded values that agree: the same
    name, or a number within a tenth of the spread.
    """
    if by == "auto" or (by == "mode" and task.kind == "name"):
        vote = task.vote([np.arange(len(task.evidence))])
        return task.same(vote.values[0], vote.confidence[0])
    if by == "mode":
        found, counts = np.unique(task.evidence, return_counts=True)
        value = float(found[counts.argmax()])
    elif by != "constant":
        value = float(getattr(pd.Series(task.evidence), by)())
    if task.kind == "number":
        return task.same(value, task.agreeing(task.evidence - value))
    return task.same(value, float((task.evidence == value).mean()))
