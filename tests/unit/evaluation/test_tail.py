from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from pipeline.evaluation.classification import Scored
from pipeline.evaluation.tail import by_class, rarest, tail_f1, tail_figures

NAMES = ["A", "B", "C", "D", "E", "F"]
TRUTH = np.array([0] * 10 + [1] * 8 + [2] * 6 + [3] * 5 + [4] * 3 + [5] * 3)
OPTIONS = {"repeats": 200, "seed": 0}


def scored(guesses: np.ndarray, truth: np.ndarray = TRUTH) -> Scored:
    none = np.zeros((len(truth), 0))
    return Scored(truth, np.eye(6)[guesses], none > 0, none, np.zeros(len(truth), np.int64))


def rare_missed() -> np.ndarray:
    """Guesses that are right but for the two rarest classes, which are never guessed."""
    return np.where(TRUTH >= 4, 0, TRUTH)


@pytest.mark.parametrize(
    ("sizes", "tail"),
    [
        ([10, 8, 6, 5, 3, 3], [4, 5]),
        ([3, 3, 5, 9], [0, 1]),  # a third of four, rounded up; the first of equals
        ([0, 7, 0, 2], [3]),  # classes without a work are not there
        ([5], [0]),
        ([0, 0], []),
    ],
)
def test_the_tail_is_the_rarest_third(sizes: list[int], tail: list[int]) -> None:
    assert rarest(np.array(sizes)).tolist() == tail


@given(st.integers(0, 200))
def test_the_tail_s_f1_is_the_mean_over_its_classes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    guesses, tail = rng.integers(0, 6, len(TRUTH)), np.array([4, 5])
    expected = f1_score(TRUTH, guesses, labels=[4, 5], average="macro", zero_division=0)
    assert tail_f1(TRUTH, np.eye(6)[guesses], tail) == pytest.approx(expected)


def test_a_class_that_does_not_occur_has_no_part_and_none_at_all_is_undefined() -> None:
    truth = np.array([0, 0, 4, 4])
    assert tail_f1(truth, np.eye(6)[truth], np.array([4, 5])) == 1
    assert np.isnan(tail_f1(truth[:2], np.eye(6)[truth[:2]], np.array([4, 5])))


def test_what_rebalancing_is_worth_has_an_interval_of_its_own() -> None:
    found = tail_figures(scored(TRUTH), scored(rare_missed()), np.array([4, 5]), NAMES, **OPTIONS)
    assert found["schools"] == ["E", "F"]
    assert found["works"] == 6
    assert found["macro_f1"]["value"] == 1
    assert found["macro_f1_without"]["value"] == 0
    assert found["gain"] == {"value": 1.0, "low": 1.0, "high": 1.0}
    same = tail_figures(scored(rare_missed()), scored(rare_missed()), np.array([4, 5]), NAMES, **OPTIONS)
    assert same["gain"] == {"value": 0.0, "low": 0.0, "high": 0.0}


def test_nothing_to_compare_with_and_nothing_to_judge_are_left_out() -> None:
    alone = tail_figures(scored(TRUTH), None, np.array([4, 5]), NAMES, **OPTIONS)
    assert set(alone) == {"schools", "works", "macro_f1"}
    common = TRUTH < 4
    assert tail_figures(scored(TRUTH[common], TRUTH[common]), None, np.array([4, 5]), NAMES, **OPTIONS) == {}
    assert "f1_without" not in by_class(scored(TRUTH), None, np.array([4, 5]), NAMES)


def test_works_without_a_school_have_no_part() -> None:
    truth = np.append(TRUTH, -1)
    guesses = np.append(TRUTH, 4)
    found = tail_figures(scored(guesses, truth), None, np.array([4, 5]), NAMES, **OPTIONS)
    assert found["macro_f1"]["value"] == 1


def test_the_table_has_the_largest_first_and_says_what_is_rare() -> None:
    table = by_class(scored(TRUTH), scored(rare_missed()), np.array([4, 5]), NAMES)
    assert table["class"].tolist() == NAMES
    assert table["works"].tolist() == [10, 8, 6, 5, 3, 3]
    assert table["tail"].tolist() == [False] * 4 + [True] * 2
    assert table["f1"].tolist() == [1] * 6
    assert table["f1_without"].tolist()[-2:] == [0, 0]
