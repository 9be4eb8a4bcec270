"""Every gap gets the same value."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
import pandas as pd
from pydantic import model_validator

from pipeline.catalog.missing.task import Answer, Spec, Task
from pipeline.errors import PentimentoError


class Fill(Spec):
    """A constant, or the mean, median, mode or maximum of the recorded values.

    `auto` is the median of numbers and the mode of names. Of several modes the first in the alphabet,
    or the smallest, is taken. The confidence is the share of the recorded values that agree: the same
    name, or a number within a tenth of the spread.
    """

    variant: ClassVar[str] = "by"
    method: Literal["fill"] = "fill"
    by: Literal["auto", "constant", "mean", "median", "mode", "max"] = "auto"
    value: str | int | float | None = None

    @model_validator(mode="after")
    def _value_with_constant(self) -> Fill:
        if (self.by == "constant") != (self.value is not None):
            raise ValueError("`value` goes with `by: constant`, and only with it")
        return self

    def check(self, task: Task) -> None:
        """Names have no mean; a constant must be of the column's kind."""
        if task.kind == "name" and self.by in ("mean", "median", "max"):
            raise PentimentoError(
                f"the method '{self.name}' cannot complete '{task.column}': it holds names; "
                "fill:mode and fill:constant do"
            )
        if self.by == "constant" and isinstance(self.value, str) != (task.kind == "name"):
            raise PentimentoError(
                f"fill: the constant {self.value!r} does not suit '{task.column}', which holds {task.kind}s"
            )

    def answer(self, task: Task) -> Answer:
        """The one value, everywhere."""
        if self.by == "auto" or (self.by == "mode" and task.kind == "name"):
            one = task.vote([np.arange(len(task.evidence))])
            return task.same(one.values[0], one.confidence[0])
        value = self._number(task) if task.kind == "number" else self.value
        if task.kind == "number":
            return task.same(value, task.agreeing(task.evidence - value))
        return task.same(value, float((task.evidence == value).mean()))

    def _number(self, task: Task) -> Any:
        if self.by == "constant":
            return self.value
        if self.by == "mode":
            found, counts = np.unique(task.evidence, return_counts=True)
            return float(found[counts.argmax()])
        return float(getattr(pd.Series(task.evidence), self.by)())
