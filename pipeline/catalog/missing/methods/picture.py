"""Predicted from the picture."""

from __future__ import annotations

import warnings
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from pipeline.catalog.missing.learning import FEWEST, LEAST, learnable, most_probable
from pipeline.catalog.missing.spec import method
from pipeline.catalog.missing.task import Answer, Floats, Task

_RANGES = 8  # of numbers, at most
_IN_RANGE = 5  # recorded numbers in each, at least


@method("picture", accept=0.5, needs=lambda task, **_: task.require_pictures("picture"))
def picture(task: Task, *, penalty: Annotated[float, Field(gt=0)] = 0.1) -> Answer:
    """A calibrated model on the pictures' features; below the confidence `accept` the gap stays.

    Names: logistic regression with an L2 `penalty` (more = smoother), whose probabilities are calibrated
    by temperature on held-out folds (Guo et al. 2017); the confidence is the probability. Names with
    fewer than three recorded works are not learnt. Numbers: the same model of up to eight ranges that
    hold equally many recorded numbers; its probabilities weigh these numbers, the value is their
    weighted median and the confidence the weight within a tenth of the spread of it. A work without a
    picture keeps its gap.
    """
    features, usable = task.pictures()
    rows, asked = learnable(task, usable), usable[task.gaps]
    answer = task.refuse()
    if len(rows) < LEAST or not asked.any():
        return answer
    x, wanted = features[rows], features[np.flatnonzero(task.gaps)[asked]]
    values = task.works[task.column].to_numpy(object)[rows]
    if len(set(values)) == 1:
        answer.values[asked], answer.confidence[asked] = values[0], 1.0
        return answer
    if task.kind == "name":
        names, classes = np.unique(values, return_inverse=True)
        found = most_probable(names, _probabilities(x, classes, wanted, penalty, task.seed))
    else:
        found = _numbers(task, x, values.astype(float), wanted, penalty)
    answer.values[asked], answer.confidence[asked] = found.values, found.confidence
    return answer


def _numbers(task: Task, x: Any, y: Floats, wanted: Any, penalty: float) -> Answer:
    count = max(1, min(_RANGES, len(y) // _IN_RANGE))
    edges = np.unique(np.quantile(y, np.arange(1, count) / count))
    _, ranges, sizes = np.unique(np.searchsorted(edges, y), return_inverse=True, return_counts=True)
    if sizes.min() < FEWEST or len(sizes) < 2:
        return Answer(np.full(len(wanted), None, object), np.zeros(len(wanted)))
    probabilities = _probabilities(x, ranges, wanted, penalty, task.seed)
    order = np.argsort(y, kind="stable")
    weights = (probabilities / sizes)[:, ranges[order]]
    middle = (weights.cumsum(axis=1) >= 0.5 * weights.sum(axis=1, keepdims=True)).argmax(axis=1)
    values = y[order][middle]
    near = np.abs(y[order] - values[:, None]) <= task.tolerance
    return Answer(values, (weights * near).sum(axis=1))


def _probabilities(x: Any, classes: NDArray[np.int64], wanted: Any, penalty: float, seed: int) -> Floats:
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    # The penalty grows with the number of features, so that it means the same for any number of them.
    strength = 1 / (penalty * float(x.shape[1]))
    model = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=500))
    folds = StratifiedKFold(FEWEST, shuffle=True, random_state=seed)
    calibrated = CalibratedClassifierCV(model, method="temperature", cv=folds, ensemble=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the solver may stop at its last iteration
        calibrated.fit(x, classes)
    return np.asarray(calibrated.predict_proba(wanted), float)
