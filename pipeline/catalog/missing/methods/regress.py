"""Predicted from the other recorded columns."""

from __future__ import annotations

import warnings
from typing import Any, Literal

import numpy as np

from pipeline.catalog.missing.learning import (
    FEWEST,
    LEAST,
    Rows,
    held_out_agreement,
    learnable,
    most_probable,
)
from pipeline.catalog.missing.predictors import Predictors, matrix, predictors_of
from pipeline.catalog.missing.spec import method
from pipeline.catalog.missing.task import Answer, Floats, Task

Model = Literal["linear", "support_vector", "forest"]
_TREES = 100


def _has_predictors(task: Task, model: Model, predictors: Predictors | None) -> None:
    predictors_of(task.works, task.column, predictors)


@method("regress", variant="model", accept=0.0, needs=_has_predictors)
def regress(task: Task, *, model: Model = "forest", predictors: Predictors | None = None) -> Answer:
    """A model of the column, learnt from the works whose value is recorded.

    Predictors are the columns that `predictors` lists, else every other column that is informative:
    numbers standardised, names one-hot with rare ones merged, tags as they are. `linear` is ridge or
    logistic regression, `support_vector` has a radial kernel, `forest` is a random forest. Numbers stay
    within the range of the recorded ones. Gaps stay when fewer than five values are recorded or all
    predictors are empty; a name with fewer than three works is not learnt.

    The confidence of a name is its probability (forest: the trees' vote; support vectors: calibrated by
    temperature, Guo et al. 2017), that of a number the share of recorded values that the model, fitted
    without them, meets within a tenth of the spread.
    """
    rows, columns = learnable(task), matrix(task, predictors)
    if len(rows) < LEAST or not columns.shape[1]:
        return task.refuse()
    values = task.works[task.column].to_numpy(object)[rows]
    if len(set(values)) == 1:
        return task.same(values[0], 1.0)
    x, asked = columns[rows], columns[task.gaps]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a solver may stop at its last iteration
        if task.kind == "number":
            return _numbers(task, model, x, values.astype(float), asked)
        names, classes = np.unique(values, return_inverse=True)
        fitted = _classifier(model, task.seed).fit(x, classes)
        return most_probable(names, np.asarray(fitted.predict_proba(asked), float))


def _numbers(task: Task, model: Model, x: Floats, y: Floats, asked: Floats) -> Answer:
    def predict(rows: Rows, held: Rows) -> Floats:
        return np.asarray(_regressor(model, task.seed).fit(x[rows], y[rows]).predict(x[held]), float)

    fitted = _regressor(model, task.seed).fit(x, y)
    if model == "forest":  # trees know their own out-of-bag errors
        agreement = task.agreeing(fitted.oob_prediction_ - y)
    else:
        agreement = held_out_agreement(predict, y, task)
    values = np.clip(fitted.predict(asked), y.min(), y.max())
    return Answer(values, np.full(len(values), agreement))


def _classifier(model: Model, seed: int) -> Any:
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


def _regressor(model: Model, seed: int) -> Any:
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
