"""A vote of the works that are most alike."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
import pandas as pd
from pydantic import Field

from pipeline.catalog.missing.learning import Learnt, Predictors
from pipeline.catalog.missing.predictors import matrix, predictors_of, same_fact
from pipeline.catalog.missing.task import Answer, Bools, Task
from pipeline.errors import PentimentoError

_TEXT = ("title", "medium", "classification", "culture", "tags")  # of a record, if it has them


class Nearest(Learnt):
    """The median (numbers) or the mode (names) of the nearest works whose value is recorded.

    Near by `record`: the words of title, medium, classification, culture and tags (TF-IDF, cosine); by
    `columns`: the predictors of regression (Euclidean); by `picture`: the pictures' descriptions
    (cosine). The confidence is the share of the neighbours that agree: the same name, or a number
    within a tenth of the spread.
    """

    variant: ClassVar[str] = "by"
    method: Literal["nearest"] = "nearest"
    by: Literal["record", "columns", "picture"] = "record"
    neighbours: int = Field(default=5, ge=1, le=100)
    predictors: Predictors | None = None

    def check(self, task: Task) -> None:
        """What nearness is judged by must be there."""
        super().check(task)
        if self.by == "columns":
            predictors_of(task.works, task.column, self.predictors)
        elif self.by == "record" and not _words_of(task):
            raise PentimentoError(
                f"the method '{self.name}' completes '{task.column}' by the words of a record: "
                f"the table has none of {', '.join(_TEXT)}"
            )
        elif self.by == "picture" and task.features is None:
            raise PentimentoError(
                f"the method '{self.name}' completes '{task.column}' from the pictures, which are not given"
            )

    def answer(self, task: Task) -> Answer:
        """The vote of each gap's neighbours."""
        from sklearn.neighbors import NearestNeighbors

        places, usable = self._places(task)
        rows = np.flatnonzero(task.known & usable)  # a vote needs no three works of a name
        asked = usable[task.gaps]
        answer = task.refuse()
        if not len(rows) or not asked.any():
            return answer
        metric = "euclidean" if self.by == "columns" else "cosine"
        search = NearestNeighbors(n_neighbors=min(self.neighbours, len(rows)), metric=metric)
        search.fit(places[rows])
        found = search.kneighbors(places[np.flatnonzero(task.gaps)[asked]], return_distance=False)
        order = np.cumsum(task.known) - 1  # of a row of the table, its place in the evidence
        votes = task.vote([order[rows[ballot]] for ballot in found])
        answer.values[asked], answer.confidence[asked] = votes.values, votes.confidence
        return self.accepted(answer)

    def _places(self, task: Task) -> tuple[Any, Bools]:
        everywhere = np.ones(len(task.works), bool)
        if self.by == "columns":
            places = matrix(task, self.predictors)
            return places, everywhere & bool(places.shape[1])
        if self.by == "record":
            return _words(task), everywhere
        assert task.features is not None
        usable: Bools = np.isfinite(task.features).all(axis=1)  # type: ignore[assignment]
        return task.features, usable


def _words_of(task: Task) -> list[str]:
    # What writes down the fact itself is no word to judge by; `culture` is: it often names a region only.
    hidden = same_fact(task.column) - {"culture"} | {task.column}
    return [name for name in _TEXT if name in task.works and name not in hidden]


def _words(task: Task) -> Any:
    """TF-IDF of each work's words, (N, words), sparse."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    texts = pd.Series("work", index=task.works.index, dtype=object)  # no record is without a word
    for name in _words_of(task):
        texts = texts + " " + task.works[name].map(_as_text)
    return TfidfVectorizer(sublinear_tf=True).fit_transform(texts)


def _as_text(written: Any) -> str:
    if isinstance(written, (list, tuple, np.ndarray)):
        return " ".join(str(tag).replace(" ", "_") for tag in written)
    return "" if pd.isna(written) else str(written)
