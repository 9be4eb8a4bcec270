"""What the methods that learn share: which works they learn from, and which answers are accepted."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from pipeline.catalog.missing.task import Answer, Bools, Floats, Task, measured
from pipeline.resampling.cross_validation import out_of_fold

Rows = NDArray[np.int64]

LEAST = 5  # recorded values to learn from; with fewer the gaps stay
FEWEST = 3  # works of a name that is learnt: one for each fold
FOLDS = 3
MOST = 20_000  # default of `max_evidence`: recorded works to learn from


def draw(task: Task, count: int) -> Task:
    """The task with all gaps and at most `count` recorded works, drawn by the seed."""
    rows = np.flatnonzero(task.known)
    if len(rows) <= count:
        return task
    kept = task.gaps.copy()
    kept[np.random.default_rng(task.seed).choice(rows, count, replace=False)] = True
    return task.only(kept)


def accepted(answer: Answer, least: float) -> Answer:
    """The answer without values that are no finite numbers, and without those of less confidence."""
    values, confidence = answer.values.astype(object), np.clip(answer.confidence, 0, 1)
    refused = confidence < least
    refused |= np.array([isinstance(v, float) and not measured(np.array([v]))[0] for v in values], bool)
    values[refused] = None
    return Answer(values, confidence)


def learnable(task: Task, usable: Bools | None = None) -> Rows:
    """Rows to learn from: recorded, usable (N,), and no name with fewer than three works."""
    rows = np.flatnonzero(task.known if usable is None else task.known & usable)
    if task.kind == "name" and len(rows):
        values = task.works[task.column].to_numpy(object)[rows]
        _, which, counts = np.unique(values.astype(str), return_inverse=True, return_counts=True)
        rows = rows[counts[which] >= FEWEST]
    return rows


def most_probable(names: NDArray[np.object_], probabilities: Floats) -> Answer:
    """The most probable of K names for each row of probabilities (G, K); of equals the first."""
    best = probabilities.argmax(axis=1)
    return Answer(names[best], probabilities[np.arange(len(best)), best])


def held_out_agreement(predict: Callable[[Rows, Rows], Floats], truth: Floats, task: Task) -> float:
    """The share of recorded numbers (N,) that a method meets within the tolerance without knowing them.

    Args:
        predict: (rows to learn from, rows asked) -> numbers of the latter.
        truth: (N,) recorded numbers, at least two.
        task: gives the tolerance, and the seed of the folds.
    """
    from sklearn.model_selection import KFold

    folds = KFold(min(FOLDS, len(truth)), shuffle=True, random_state=task.seed).split(truth)
    return task.agreeing(out_of_fold(lambda _, rows, asked: predict(rows, asked), folds) - truth)
