"""All columns of numbers together, each predicted from the others, over and over."""

from __future__ import annotations

import warnings
from typing import ClassVar, Literal

import numpy as np
import pandas as pd
from pydantic import Field

from pipeline.catalog.missing.learning import LEAST, Learnt, Predictors
from pipeline.catalog.missing.predictors import other_columns, predictors_of
from pipeline.catalog.missing.residuals import Rows, out_of_fold
from pipeline.catalog.missing.task import Answer, Floats, Kind, Spec, Task, measured, numbers
from pipeline.errors import PentimentoError


class Iterative(Learnt):
    """Chained equations over the columns of numbers (van Buuren & Groothuis-Oudshoorn 2011).

    Each column is regressed on the others (Bayesian ridge), its gaps get the predictions, and so on
    for `rounds` rounds or until nothing moves. The columns are those of `predictors`, else all others
    that hold numbers. Numbers stay within the range of the recorded ones; fewer than five are not
    learnt from. The confidence is the share of recorded values that are met within a tenth of the
    spread when they are hidden.
    """

    kinds: ClassVar[frozenset[Kind]] = frozenset({"number"})
    method: Literal["iterative"] = "iterative"
    rounds: int = Field(default=10, ge=1, le=100)
    predictors: Predictors | None = None

    def check(self, task: Task) -> None:
        """There must be another column of numbers."""
        Spec.check(self, task)
        if self.predictors is not None:
            predictors_of(task.works, task.column, self.predictors)  # says which is not there
        if not any(pd.api.types.is_numeric_dtype(task.works[name]) for name in self._others(task)):
            raise PentimentoError(
                f"the method 'iterative' completes '{task.column}' from other columns of numbers; "
                "there is none: use fill, regress or nearest"
            )

    def answer(self, task: Task) -> Answer:
        """The last round's predictions for the gaps."""
        rows = self.evidence_rows(task, np.ones(len(task.works), bool))
        columns = [numbers(task.works[name]) for name in self._columns(task)]
        if not columns:
            return task.refuse()
        others = np.column_stack(columns)
        others[~measured(others)] = np.nan
        y = numbers(task.works.loc[:, task.column])[rows]
        if len(rows) < LEAST or np.isnan(others[rows]).all():
            return task.refuse()
        values = self._predict(others[rows], y, others[task.gaps])
        errors = out_of_fold(lambda fit, held: self._again(others[rows], y, fit, held), y, task.seed)
        confidence = np.full(len(values), task.agreeing(errors))
        return self.accepted(Answer(np.clip(values, y.min(), y.max()), confidence))

    def _others(self, task: Task) -> list[str]:
        if self.predictors is not None:
            return list(self.predictors)
        return other_columns(task.works, task.column)

    def _columns(self, task: Task) -> list[str]:
        chosen = predictors_of(task.works, task.column, self.predictors)
        return [name for name in chosen if pd.api.types.is_numeric_dtype(task.works[name])]

    def _again(self, others: Floats, y: Floats, rows: Rows, asked: Rows) -> Floats:
        return self._predict(others[rows], y[rows], others[asked])

    def _predict(self, others: Floats, y: Floats, asked: Floats) -> Floats:
        from sklearn.experimental import enable_iterative_imputer  # noqa: F401
        from sklearn.impute import IterativeImputer

        table = np.column_stack([np.vstack([others, asked]), np.append(y, np.full(len(asked), np.nan))])
        middle, spread = _scale(table)
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")  # that the last round still moved something
            imputer = IterativeImputer(max_iter=self.rounds, keep_empty_features=True)
            done = imputer.fit_transform((table - middle) / spread)
        return np.asarray(done[len(y) :, -1] * spread[-1] + middle[-1], float)


def _scale(table: Floats) -> tuple[Floats, Floats]:
    """Mean and deviation of each column's known numbers; 0 and 1 where there are none, or no spread."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of empty columns
        middle, spread = np.nanmean(table, axis=0), np.nanstd(table, axis=0)
    return np.nan_to_num(middle), np.where(np.isfinite(spread) & (spread > 0), spread, 1.0)
