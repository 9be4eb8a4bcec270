"""All columns of numbers together, each predicted from the others, in rounds."""

from __future__ import annotations

import warnings
from typing import Annotated

import numpy as np
import pandas as pd
from pydantic import Field

from pipeline.catalog.missing.learning import LEAST, Rows, held_out_agreement, learnable
from pipeline.catalog.missing.predictors import Predictors, other_columns, predictors_of
from pipeline.catalog.missing.spec import method
from pipeline.catalog.missing.task import Answer, Floats, Task, measured, numbers
from pipeline.errors import PentimentoError


def _other_numbers(task: Task, rounds: int, predictors: Predictors | None) -> None:
    """There must be another column of numbers."""
    if predictors is not None:
        predictors_of(task.works, task.column, predictors)  # raises for a column that is not there
    others = other_columns(task.works, task.column) if predictors is None else predictors
    if not any(pd.api.types.is_numeric_dtype(task.works[name]) for name in others):
        raise PentimentoError(
            f"the method 'iterative' completes '{task.column}' from other columns of numbers; "
            "there is none: use fill, regress or nearest"
        )


@method("iterative", kinds=frozenset({"number"}), accept=0.0, needs=_other_numbers)
def iterative(
    task: Task, *, rounds: Annotated[int, Field(ge=1, le=100)] = 10, predictors: Predictors | None = None
) -> Answer:
    """Chained equations over the columns of numbers (van Buuren & Groothuis-Oudshoorn 2011).

    Each column is regressed on the others (Bayesian ridge) and its gaps get the predictions, for
    `rounds` rounds or until nothing changes. The columns are those of `predictors`, else all others that
    hold numbers. Numbers stay within the range of the recorded ones; fewer than five are not learnt
    from. The confidence is the share of recorded values that are met within a tenth of the spread when
    they are hidden.
    """
    chosen = predictors_of(task.works, task.column, predictors)
    columns = [
        numbers(task.works[name]) for name in chosen if pd.api.types.is_numeric_dtype(task.works[name])
    ]
    rows = learnable(task)
    if not columns or len(rows) < LEAST:
        return task.refuse()
    others = np.column_stack(columns)
    others[~measured(others)] = np.nan
    x, y = others[rows], numbers(task.works.loc[:, task.column])[rows]
    if np.isnan(x).all():
        return task.refuse()
    values = np.clip(_predict(x, y, others[task.gaps], rounds), y.min(), y.max())

    def predict(fitted: Rows, held: Rows) -> Floats:
        return _predict(x[fitted], y[fitted], x[held], rounds)

    return Answer(values, np.full(len(values), held_out_agreement(predict, y, task)))


def _predict(x: Floats, y: Floats, asked: Floats, rounds: int) -> Floats:
    from sklearn.experimental import enable_iterative_imputer  # noqa: F401
    from sklearn.impute import IterativeImputer

    table = np.column_stack([np.vstack([x, asked]), np.append(y, np.full(len(asked), np.nan))])
    middle, spread = _scale(table)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # the last round may still have changed something
        imputer = IterativeImputer(max_iter=rounds, keep_empty_features=True)
        done = imputer.fit_transform((table - middle) / spread)
    return np.asarray(done[len(y) :, -1] * spread[-1] + middle[-1], float)


def _scale(table: Floats) -> tuple[Floats, Floats]:
    """Mean and deviation of each column's known numbers; 0 and 1 for an empty or constant column."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of empty columns
        middle, spread = np.nanmean(table, axis=0), np.nanstd(table, axis=0)
    return np.nan_to_num(middle), np.where(np.isfinite(spread) & (spread > 0), spread, 1.0)
