"""A vote of the most similar works."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
from pydantic import Field

from pipeline.catalog.missing.predictors import Predictors, matrix, predictors_of, same_fact
from pipeline.catalog.missing.spec import method
from pipeline.catalog.missing.task import Answer, Bools, Task
from pipeline.errors import PentimentoError

By = Literal["record", "columns", "picture"]
_TEXT = ("title", "medium", "classification", "culture", "tags")  # of a record, if it has them


def _comparable(task: Task, by: By, neighbours: int, predictors: Predictors | None) -> None:
    """The columns or pictures that works are compared by must be there."""
    if by == "columns":
        predictors_of(task.works, task.column, predictors)
    elif by == "record" and not _text_columns(task):
        raise PentimentoError(
            f"the method 'nearest:record' completes '{task.column}' by the words of a record: "
            f"the table has none of {', '.join(_TEXT)}"
        )
    elif by == "picture":
        task.require_pictures("nearest:picture")


@method("nearest", variant="by", accept=0.0, needs=_comparable)
def nearest(
    task: Task,
    *,
    by: By = "record",
    neighbours: Annotated[int, Field(ge=1, le=100)] = 5,
    predictors: Predictors | None = None,
) -> Answer:
    """The median (numbers) or the mode (names) of the nearest works whose value is recorded.

    Works are compared by `record`: the words of title, medium, classification, culture and tags (TF-IDF,
    cosine); by `columns`: the predictors of regression (Euclidean); or by `picture`: the pictures'
    features (cosine). The confidence is the share of the neighbours that agree: the same name, or a
    number within a tenth of the spread.
    """
    from sklearn.neighbors import NearestNeighbors

    points, usable = _points(task, by, predictors)
    rows = np.flatnonzero(task.known & usable)  # unlike a model, a vote can use a name with one work
    asked = usable[task.gaps]
    answer = task.refuse()
    if not len(rows) or not asked.any():
        return answer
    metric = "euclidean" if by == "columns" else "cosine"
    search = NearestNeighbors(n_neighbors=min(neighbours, len(rows)), metric=metric).fit(points[rows])
    found = search.kneighbors(points[np.flatnonzero(task.gaps)[asked]], return_distance=False)
    order = np.cumsum(task.known) - 1  # row of the table -> row of the evidence
    votes = task.vote([order[rows[ballot]] for ballot in found])
    answer.values[asked], answer.confidence[asked] = votes.values, votes.confidence
    return answer


def _points(task: Task, by: By, predictors: Predictors | None) -> tuple[Any, Bools]:
    """What works are compared by, (N, D), and where it is known (N,)."""
    if by == "picture":
        return task.pictures()
    points = matrix(task, predictors) if by == "columns" else _words(task)
    return points, np.full(len(task.works), points.shape[1] > 0)


def _text_columns(task: Task) -> list[str]:
    # The fact itself must not be read, except from `culture`: it often names a region only.
    hidden = same_fact(task.column) - {"culture"} | {task.column}
    return [name for name in _TEXT if name in task.works and name not in hidden]


def _words(task: Task) -> Any:
    """TF-IDF of each work's words, (N, words), sparse."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    texts = pd.Series("work", index=task.works.index, dtype=object)  # gives every record one word at least
    for name in _text_columns(task):
        texts = texts + " " + task.works[name].map(_as_text)
    return TfidfVectorizer(sublinear_tf=True).fit_transform(texts)


def _as_text(written: Any) -> str:
    if isinstance(written, (list, tuple, np.ndarray)):
        return " ".join(str(tag).replace(" ", "_") for tag in written)
    return "" if pd.isna(written) else str(written)
