from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.catalog.sets.balance import METHODS, Balance, Balancing, handle_rare, plan, recorded, synthesise

CLASSES = ["A"] * 12 + ["B"] * 4 + ["C"] * 2
labels = st.lists(st.sampled_from("ABCD"), min_size=1, max_size=40)


def rebalance(classes: list[str], method: Balance, seed: int) -> tuple[np.ndarray, np.ndarray]:
    found = plan(classes, method, seed)
    return found.repeat, found.weight


def drawn(repeat: np.ndarray) -> Counter[str]:
    return Counter(name for name, times in zip(CLASSES, repeat, strict=True) for _ in range(times))


def mass(weight: np.ndarray) -> dict[str, float]:
    return {name: sum(w for w, c in zip(weight, CLASSES, strict=True) if c == name) for name in "ABC"}


def test_oversampling_lifts_every_class_to_the_largest() -> None:
    repeat, weight = rebalance(CLASSES, "oversample", 0)
    assert drawn(repeat) == {"A": 12, "B": 12, "C": 12}
    assert (repeat >= 1).all()
    assert (weight == 1).all()


def test_undersampling_cuts_every_class_to_the_smallest() -> None:
    repeat, _ = rebalance(CLASSES, "undersample", 0)
    assert drawn(repeat) == {"A": 2, "B": 2, "C": 2}


def test_class_weights_give_every_class_the_same_mass() -> None:
    repeat, weight = rebalance(CLASSES, "class_weights", 0)
    assert (repeat == 1).all()
    assert mass(weight) == pytest.approx({"A": 6, "B": 6, "C": 6})


def test_effective_numbers_weigh_as_the_paper_says() -> None:
    _, weight = rebalance(CLASSES, "effective_number", 0)
    expected = {n: (1 - 0.99) / (1 - 0.99**n) for n in (12, 4, 2)}
    assert weight[0] / weight[-1] == pytest.approx(expected[12] / expected[2])
    assert weight[12] / weight[-1] == pytest.approx(expected[4] / expected[2])
    # Of many works the next adds little: 1,000 and 2,000 weigh nearly the same.
    _, many = rebalance(["A"] * 2000 + ["B"] * 1000, "effective_number", 0)
    assert many[-1] / many[0] == pytest.approx(1, abs=0.001)


def test_augmenting_draws_rare_works_more_often_and_alters_them_more() -> None:
    found = plan(CLASSES, "augment", 0)
    assert drawn(found.repeat) == {"A": 12, "B": 12, "C": 12}
    assert set(found.repeat[12:16]) == {3}
    assert found.strength[0] == 0
    assert found.strength[12] == pytest.approx(1 - 4 / 12, abs=1e-4)
    assert found.strength[-1] == pytest.approx(1 - 2 / 12, abs=1e-4)


@given(labels, st.sampled_from(METHODS), st.integers(0, 3))
def test_every_plan_fits_its_works(classes: list[str], method: str, seed: int) -> None:
    found = plan(classes, method, seed)  # type: ignore[arg-type]
    again = plan(classes, method, seed)  # type: ignore[arg-type]
    assert found.repeat.shape == found.weight.shape == found.strength.shape == (len(classes),)
    assert found.repeat.min() >= (0 if method == "undersample" else 1)
    assert set(np.unique(np.asarray(classes)[found.repeat > 0])) == set(classes)
    assert found.weight.min() > 0
    assert found.weight.mean() == pytest.approx(1)
    assert 0 <= found.strength.min() <= found.strength.max() < 1
    assert (found.repeat == again.repeat).all()


@pytest.mark.parametrize("method", METHODS)
def test_one_class_needs_no_balance(method: str) -> None:
    found = plan(["A"] * 5, method, 0)  # type: ignore[arg-type]
    assert (found.repeat == 1).all()
    assert (found.weight == 1).all()
    assert (found.strength == 0).all()


def test_a_method_is_recorded_beside_the_works(tmp_path: Path) -> None:
    balancing = Balancing("smote", 3)
    balancing.record(tmp_path)
    assert recorded(tmp_path) == balancing


def test_only_smote_makes_rows() -> None:
    features = np.random.default_rng(0).normal(size=(18, 6)).astype(np.float32)
    rows, classes = Balancing("smote", 0).synthesise(features, CLASSES)
    assert len(rows) == len(classes) == 18
    assert Balancing("oversample", 0).synthesise(features, CLASSES)[0].shape == (0, 6)


def test_synthetic_rows_fill_up_the_rare_classes_from_within() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(18, 6)).astype(np.float32)
    rows, classes = synthesise(features, CLASSES, 0)
    assert Counter(classes) == {"B": 8, "C": 10}
    assert rows.dtype == np.float32
    for row, name in zip(rows, classes, strict=True):
        own = features[[n for n, c in enumerate(CLASSES) if c == name]]
        # On a line between two works of its class.
        gaps = [
            np.linalg.norm(row - a) + np.linalg.norm(row - b) - np.linalg.norm(a - b)
            for a in own
            for b in own
        ]
        assert min(gaps) == pytest.approx(0, abs=1e-4)
    again, _ = synthesise(features, CLASSES, 0)
    assert (again == rows).all()
    other, _ = synthesise(features, CLASSES, 1)
    assert (other != rows).any()


def test_a_single_work_is_repeated_and_balanced_classes_need_nothing() -> None:
    features = np.arange(8, dtype=np.float32).reshape(4, 2)
    rows, classes = synthesise(features, ["A", "A", "A", "B"], 0)
    assert classes == ["B", "B"]
    assert (rows == features[3]).all()
    assert synthesise(features, ["A", "A", "B", "B"], 0)[0].shape == (0, 2)
    assert synthesise(features, ["A"] * 4, 0)[1] == []


def test_rare_classes_are_kept_merged_or_dropped() -> None:
    column = pd.Series([*CLASSES, None], index=range(5, 24), dtype="string")
    kept, names = handle_rare(column, 5, "keep")
    assert names == ["B", "C"]
    pd.testing.assert_series_equal(kept, column)
    merged, _ = handle_rare(column, 5, "merge")
    assert merged.value_counts().to_dict() == {"A": 12, "Other": 6}
    assert merged.isna().tolist() == [False] * 18 + [True]
    dropped, _ = handle_rare(column, 5, "drop")
    assert dropped.isna().sum() == 7
    assert (dropped.index == column.index).all()
    assert handle_rare(column, 2, "drop")[1] == []
    again, none = handle_rare(merged, 9, "merge")
    assert none == []
    pd.testing.assert_series_equal(again, merged)
