"""Figures of classification against values worked out by hand and by scikit-learn."""

import tracemalloc
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from pipeline.evaluation.classification import (
    Scored,
    average_precision,
    confusion,
    confusion_rows,
    judge,
    macro_f1,
    mean_ap,
    per_class,
    rates,
    roc_auc,
    roc_curves,
    school_figures,
)


def scores(predicted, classes=3):
    return np.eye(classes)[np.array(predicted)]


def test_rates_by_hand():
    actual, predicted = np.array([0, 0, 0, 1, 1, 2]), np.array([0, 0, 1, 1, 2, 0])
    counts = confusion(actual, predicted, 3)
    assert counts.tolist() == [[2, 1, 0], [0, 1, 1], [1, 0, 0]]
    precision, recall, f1 = rates(counts)
    np.testing.assert_allclose(precision, [2 / 3, 1 / 2, 0])
    np.testing.assert_allclose(recall, [2 / 3, 1 / 2, 0])
    np.testing.assert_allclose(f1, [2 / 3, 1 / 2, 0])
    figures = school_figures(actual, scores(predicted), repeats=50)
    assert figures["accuracy"]["value"] == 0.5
    assert figures["balanced_accuracy"]["value"] == figures["macro_f1"]["value"] == 0.3889
    assert figures["macro_f1"]["low"] <= 0.3889 <= figures["macro_f1"]["high"]


def test_a_class_missing_among_the_judged_neither_helps_nor_harms():
    actual = np.array([0, 0, 1, 1])
    assert macro_f1(actual, scores([0, 0, 1, 1], 3)) == 1.0
    assert macro_f1(actual, scores([0, 0, 1, 2], 3)) == pytest.approx((1 + 2 / 3) / 2)
    figures = school_figures(actual, scores([0, 0, 1, 1], 3), repeats=20)
    assert figures["roc_auc"]["value"] == figures["macro_recall"]["value"] == 1.0


@given(st.integers(0, 10_000), st.integers(2, 40), st.integers(1, 4))
@settings(max_examples=60, deadline=None)
def test_areas_agree_with_scikit_learn_ties_included(seed, works, columns):
    rng = np.random.default_rng(seed)
    truth = rng.random((works, columns)) < 0.4
    given_scores = rng.integers(0, 5, (works, columns)) / 4
    areas, precisions = roc_auc(truth, given_scores), average_precision(truth, given_scores)
    for column in range(columns):
        t, s = truth[:, column], given_scores[:, column]
        if 0 < t.sum() < works:
            assert areas[column] == pytest.approx(metrics.roc_auc_score(t, s))
        else:
            assert np.isnan(areas[column])
        if t.any():
            assert precisions[column] == pytest.approx(metrics.average_precision_score(t, s))
        else:
            assert np.isnan(precisions[column])


@given(st.integers(0, 10_000), st.integers(1, 30))
@settings(max_examples=40, deadline=None)
def test_macro_f1_agrees_with_scikit_learn(seed, works):
    rng = np.random.default_rng(seed)
    actual, predicted = rng.integers(0, 4, works), rng.integers(0, 4, works)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = metrics.f1_score(actual, predicted, labels=np.unique(actual), average="macro")
    assert macro_f1(actual, scores(predicted, 4)) == pytest.approx(expected)


def scored(school, predicted, tags, tag_scores, common=0):
    school = np.array(school)
    return Scored(
        school,
        scores(predicted),
        np.array(tags, bool),
        np.array(tag_scores, float),
        np.full(len(school), common),
    )


def test_judge_compares_with_the_most_frequent_class():
    tags = [[1, 0], [0, 1], [1, 1], [0, 0]]
    perfect = scored([0, 0, 1, 2], [0, 0, 1, 2], tags, tags)
    figures = judge(perfect, repeats=50)
    assert figures["school"]["macro_f1"]["value"] == figures["tags"]["map"]["value"] == 1.0
    # Always class 0: F1 of it is 2/3, of the two others 0. Equal scores: mAP is the prevalence.
    assert figures["most_frequent"]["school"]["macro_f1"]["value"] == 0.2222
    assert figures["most_frequent"]["tags"]["map"]["value"] == 0.5
    assert figures["gain"]["macro_f1"]["value"] == 0.7778
    worse = judge(scored([0, 0, 1, 2], [1, 1, 0, 0], tags, 1 - np.array(tags)), repeats=50)
    assert worse["gain"]["macro_f1"]["value"] < 0
    assert worse["tags"]["roc_auc"]["value"] == 0.0  # all wrong: worse than the baseline's one half


def test_works_without_a_school_count_for_tags_only():
    one = scored([-1, 0, -1], [2, 0, 1], [[1], [0], [0]], [[0.9], [0.2], [0.1]])
    figures = judge(one, repeats=20)
    assert figures["school_works"] == 1
    assert figures["school"]["accuracy"]["value"] == 1.0
    assert figures["tags"]["map"]["value"] == 1.0
    none = judge(scored([-1], [0], [[0]], [[0.5]]), repeats=20)
    assert "school" not in none
    assert "tags" not in none


def test_tables():
    names = ["x", "y", "z"]
    one = scored([0, 0, 1, -1], [0, 1, 1, 2], [[1], [0], [1], [0]], [[0.9], [0.6], [0.4], [0.1]])
    pairs = confusion_rows(one, names)
    assert pairs.to_numpy().tolist() == [["x", "x"], ["x", "y"], ["y", "y"]]
    table = per_class(one, names, ["t"]).set_index("class")
    assert table.loc["x", ["works", "precision", "recall"]].tolist() == [2, 1.0, 0.5]
    assert np.isnan(table.loc["z", "recall"])
    assert table.loc["t", ["works", "precision", "recall"]].tolist() == [2, 0.5, 0.5]
    assert table.loc["t", "average_precision"] == pytest.approx((1 + 2 / 3) / 2, abs=1e-4)
    curves = roc_curves(one, names)
    assert set(curves["class"]) == {"x", "y"}
    first = curves[curves["class"] == "x"][["false_positive", "true_positive"]].to_numpy()
    assert first.tolist() == [[0, 0], [0, 0.5], [1, 1]]


def test_roc_curves_have_a_point_for_every_distinct_score():
    rng = np.random.default_rng(0)
    school, given_scores = rng.integers(0, 3, 50), rng.integers(0, 6, (50, 3)) / 5
    one = Scored(school, given_scores, np.zeros((50, 0), bool), np.zeros((50, 0)), np.zeros(50, int))
    curves = roc_curves(one, ["x", "y", "z"])
    for number, name in enumerate(["x", "y", "z"]):
        truth, points = school == number, [(0.0, 0.0)]
        for threshold in np.unique(given_scores[:, number])[::-1]:
            taken = given_scores[:, number] >= threshold
            points.append((round(taken[~truth].mean(), 4), round(taken[truth].mean(), 4)))
        rows = curves[curves["class"] == name][["false_positive", "true_positive"]]
        assert rows.to_numpy().tolist() == [pytest.approx(point) for point in points]


def test_roc_curves_are_empty_where_no_school_is_known():
    none = scored([-1, -1], [0, 1], [[0], [1]], [[0.1], [0.2]])
    curves = roc_curves(none, ["x", "y", "z"])
    assert curves.columns.tolist() == ["class", "false_positive", "true_positive"] and curves.empty


def test_memory_grows_with_the_works_not_with_works_times_thresholds():
    works, classes = 100_000, 4
    rng = np.random.default_rng(0)
    school, given_scores = rng.integers(0, classes, works), rng.random((works, classes))
    empty = np.zeros((works, 0))
    many = Scored(school, given_scores, empty.astype(bool), empty, np.zeros(works, int))
    names = [str(number) for number in range(classes)]
    tracemalloc.start()
    curves = roc_curves(many, names)
    roc_auc(school[:, None] == np.arange(classes), given_scores)
    average_precision(school[:, None] == np.arange(classes), given_scores)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(curves) == classes * (works + 1)
    assert peak < 40 * given_scores.nbytes  # works x thresholds: 3,000 times, for a single class


def test_mean_ap_leaves_out_tags_that_no_work_has():
    truth = np.array([[True, False], [False, False]])
    assert mean_ap(truth, np.array([[0.9, 0.5], [0.1, 0.5]])) == 1.0
