"""Predicted from the other recorded columns."""

from __future__ import annotations

import warnings
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.catalog.missing.learning import FEWEST, LEAST, Learnt, Predictors, most_probable
from pipeline.catalog.missing.predictors import matrix, predictors_of
from pipeline.catalog.missing.residuals import Rows, out_of_fold
from pipeline.catalog.missing.task import Answer, Floats, Task

_TREES = 100


class Regress(Learnt):
    """A model of the column, learnt from the works whose value is recorded.

    Predictors are the columns that `predictors` lists, else every other column that tells something:
    numbers standardised, names one-hot with rare ones merged, tags as they are held. `linear` is
    ridge or logistic regression, `support_vector` has a radial kernel, `forest` is a random forest.
    Numbers stay within the range of the recorded ones. Fewer than five recorded values are not learnt
    from, nor is a name with fewer than three works; nothing is, where all predictors are empty.

    The confidence of a name is its probability (forest: the trees' vote; support vectors: calibrated by
    temperature, Guo et al. 2017), that of a number the share of recorded values that the model, fitted
    without them, meets within a tenth of the spread.
    """

    variant: ClassVar[str] = "model"
    method: Literal["regress"] = "regress"
    model: Literal["linear", "support_vector", "forest"] = "forest"
    predictors: Predictors | None = None

    def check(self, task: Task) -> None:
        """There must be something to predict from."""
        super().check(task)
        predictors_of(task.works, task.column, self.predictors)

    def answer(self, task: Task) -> Answer:
        """The model's predictions for the gaps."""
        rows = self.evidence_rows(task, np.ones(len(task.works), bool))
        x = matrix(task, self.predictors)
        if len(rows) < LEAST or not x.shape[1]:
            return task.refuse()
        values = task.works[task.column].to_numpy(object)[rows]
        if len(set(values)) == 1:
            return self.accepted(task.same(values[0], 1.0))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that a solver stopped at its last iteration
            if task.kind == "number":
                answer = self._numbers(task, x[rows], values.astype(float), x[task.gaps])
            else:
                answer = self._names(task, x[rows], values, x[task.gaps])
        return self.accepted(answer)

    def _names(self, task: Task, x: Floats, values: NDArray[np.object_], asked: Floats) -> Answer:
        names, classes = np.unique(values, return_inverse=True)
        model = _classifier(self.model, task.seed).fit(x, classes)
        return most_probable(names, np.asarray(model.predict_proba(asked), float))

    def _numbers(self, task: Task, x: Floats, y: Floats, asked: Floats) -> Answer:
        model = _regressor(self.model, task.seed).fit(x, y)
        if self.model == "forest":  # trees know their own out-of-bag errors
            errors = model.oob_prediction_ - y
        else:
            errors = out_of_fold(lambda rows, held: self._again(task, x, y, rows, held), y, task.seed)
        values = np.clip(model.predict(asked), y.min(), y.max())
        return Answer(values, np.full(len(values), task.agreeing(errors)))

    def _again(self, task: Task, x: Floats, y: Floats, rows: Rows, asked: Rows) -> Floats:
        model = _regressor(self.model, task.seed).fit(x[rows], y[rows])
        return np.asarray(model.predict(x[asked]), float)


def _classifier(model: str, seed: int) -> Any:
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold
    from sklearn.svm import SVC

    if model == "linear":
        return LogisticRegression(max_iter=500)
    if model == "forest":
        return RandomForestClassifier(_TREES, min_samples_leaf=2, random_state=seed)
    folds = StratifiedKFold(FEWEST, shuffle=True, random_state=seed)
    return CalibratedClassifierCV(SVC(random_state=seed), method="temperature", cv=folds, ensemble=False)


def _regressor(model: str, seed: int) -> Any:
    from sklearn.compose import TransformedTargetRegressor
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.linear_model import Ridge
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVR

    if model == "forest":
        return RandomForestRegressor(
            _TREES, min_samples_leaf=2, max_features=1 / 3, oob_score=True, random_state=seed
        )
    inner = Ridge() if model == "linear" else SVR()
    return TransformedTargetRegressor(inner, transformer=StandardScaler())
