from __future__ import annotations

import numpy as np
import pytest

from pipeline.errors import PentimentoError
from pipeline.resampling.cross_validation import majority_out_of_fold, out_of_fold, stratified_folds


def test_folds_judge_every_work_once_and_keep_groups_together() -> None:
    rng = np.random.default_rng(0)
    classes, groups = np.repeat([0, 1, 2], [20, 15, 3]), rng.integers(0, 25, 38)
    judged: list[int] = []
    for train, test in stratified_folds(classes, groups, 5, seed=0):
        assert not set(groups[train]) & set(groups[test])
        assert sorted([*train, *test]) == list(range(38))
        judged += test.tolist()
    assert sorted(judged) == list(range(38))


def test_predictions_stand_in_the_order_of_the_rows() -> None:
    classes, groups = np.array([0] * 6 + [1] * 4), np.arange(10)
    folds = stratified_folds(classes, groups, 2, 0)
    found = out_of_fold(lambda fold, train, test: np.stack([test, np.full(len(test), fold)], 1), folds)
    assert found[:, 0].tolist() == list(range(10))
    assert [set(found[test, 1]) for _, test in folds] == [{0.0}, {1.0}]


def test_the_majority_is_that_of_the_other_folds() -> None:
    classes = np.array([0, 0, 1, 1, 1])
    folds = [(np.array([0, 1, 2]), np.array([3, 4])), (np.array([2, 3, 4]), np.array([0, 1, 2]))]
    assert majority_out_of_fold(classes, folds).tolist() == [1, 1, 1, 0, 0]


def test_too_many_folds_are_refused() -> None:
    with pytest.raises(PentimentoError, match="3 folds need as many groups"):
        stratified_folds(np.zeros(4, int), np.array([0, 0, 1, 1]), 3, 0)
