"""Completed from what the picture shows."""

from __future__ import annotations

import warnings
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from pipeline.catalog.missing.learning import FEWEST, LEAST, Learnt, most_probable
from pipeline.catalog.missing.task import Answer, Bools, Floats, Task
from pipeline.errors import PentimentoError

_RANGES = 8  # of numbers, at most
_IN_RANGE = 5  # recorded numbers in each, at least


class Picture(Learnt):
    """A calibrated model on the descriptions of the pictures; below `accept` the gap stays.

    Names: logistic regression whose probabilities are calibrated by temperature on folds that it has
    not seen (Guo et al. 2017); the confidence is the probability. Names with fewer than three recorded
    works are not learnt. Numbers: the same model of up to eight ranges that hold equally many recorded
    numbers; its probabilities weigh these numbers, the value is their weighted median and the confidence
    the weight within a tenth of the spread of it. A work without a picture keeps its gap.
    """

    method: Literal["picture"] = "picture"
    accept: float = Field(default=0.5, ge=0, le=1)
    penalty: float = Field(default=0.1, gt=0)  # L2, of the logistic regression; more = smoother

    def check(self, task: Task) -> None:
        """The descriptions must be given, one a work."""
        super().check(task)
        if task.features is None:
            raise PentimentoError(
                f"the method 'picture' completes '{task.column}' from the pictures, which are not given"
            )

    def answer(self, task: Task) -> Answer:
        """What is read from the gaps' pictures, where it is believed."""
        assert task.features is not None
        usable: Bools = np.isfinite(task.features).all(axis=1)  # type: ignore[assignment]
        rows = self.evidence_rows(task, usable)
        asked = usable[task.gaps]
        answer = task.refuse()
        if len(rows) < LEAST or not asked.any():
            return answer
        x, wanted = task.features[rows], task.features[np.flatnonzero(task.gaps)[asked]]
        values = task.works[task.column].to_numpy(object)[rows]
        if len(set(values)) == 1:
            said = Answer(np.full(len(wanted), values[0], object), np.ones(len(wanted)))
        elif task.kind == "name":
            said = self._names(task, x, values, wanted)
        else:
            said = self._numbers(task, x, values.astype(float), wanted)
        said = self.accepted(said)
        answer.values[asked], answer.confidence[asked] = said.values, said.confidence
        return answer

    def _names(self, task: Task, x: Any, values: NDArray[np.object_], wanted: Any) -> Answer:
        names, classes = np.unique(values, return_inverse=True)
        return most_probable(names, self._probabilities(task, x, classes, wanted))

    def _numbers(self, task: Task, x: Any, y: Floats, wanted: Any) -> Answer:
        count = max(1, min(_RANGES, len(y) // _IN_RANGE))
        edges = np.unique(np.quantile(y, np.arange(1, count) / count))
        _, ranges, sizes = np.unique(np.searchsorted(edges, y), return_inverse=True, return_counts=True)
        if sizes.min() < FEWEST or len(sizes) < 2:
            return Answer(np.full(len(wanted), None, object), np.zeros(len(wanted)))
        probabilities = self._probabilities(task, x, ranges, wanted)
        order = np.argsort(y, kind="stable")
        weights = (probabilities / sizes)[:, ranges[order]]
        middle = (weights.cumsum(axis=1) >= 0.5 * weights.sum(axis=1, keepdims=True)).argmax(axis=1)
        values = y[order][middle]
        near = np.abs(y[order] - values[:, None]) <= task.tolerance
        return Answer(values, (weights * near).sum(axis=1))

    def _probabilities(self, task: Task, x: Any, classes: NDArray[np.int64], wanted: Any) -> Floats:
        from sklearn.calibration import CalibratedClassifierCV
        from sklearn.linear_model import LogisticRegression
        from sklearn.model_selection import StratifiedKFold
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        # A penalty per number of the description: a longer one is not learnt more closely.
        strength = 1 / (self.penalty * float(x.shape[1]))
        model = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=500))
        folds = StratifiedKFold(FEWEST, shuffle=True, random_state=task.seed)
        calibrated = CalibratedClassifierCV(model, method="temperature", cv=folds, ensemble=False)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that the solver stopped at its last iteration
            calibrated.fit(x, classes)
        return np.asarray(calibrated.predict_proba(wanted), float)
