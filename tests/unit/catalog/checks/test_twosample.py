"""Two-sample tests: their chances are right, and their effects say how much differs."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2_contingency

from pipeline.catalog.checks import twosample


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_the_chance_of_classes_is_that_of_the_chi_squared_test() -> None:
    left, right = pd.Series({"a": 60, "b": 90, "c": 50}), pd.Series({"a": 80, "b": 75, "c": 45})
    found = twosample.classes(left, right, rng())
    expected = chi2_contingency([left.tolist(), right.tolist()]).pvalue
    assert found["p"] == pytest.approx(expected, rel=0.15)  # which knows no ties
    assert found["effect"] == pytest.approx(0.1)
    assert found["detail"] == "a: 30.0% before, 40.0% now"


def standard_error(p: float, resamples: int) -> float:
    """Of the difference between two p-values of so many resamples each."""
    return float(np.sqrt(2 * p * (1 - p) / resamples))


@pytest.mark.parametrize(
    ("left", "right", "p"),
    [
        ((60, 90, 50), (80, 75, 45), 0.1100),
        ((50, 50, 0), (50, 50, 0), 1.0),
        ((90, 10, 0), (10, 90, 0), 0.0001),
        ((6, 3, 2), (3, 6, 4), 0.3928),
        ((100, 60, 49), (80, 80, 49), 0.0816),
        ((500, 300, 200), (20, 18, 2), 0.0247),
    ],
)
def test_the_chance_of_classes_agrees_with_random_splits(
    left: tuple[int, ...], right: tuple[int, ...], p: float
) -> None:
    """The p-values are those of 9,999 splits drawn from the multivariate hypergeometric distribution."""
    found = twosample.classes(pd.Series(left, list("abc")), pd.Series(right, list("abc")), rng())
    assert found["p"] == pytest.approx(p, abs=4 * standard_error(p, 9_999) + 1e-12)


@pytest.mark.parametrize(
    ("sizes", "share", "p", "effect"),
    [
        ((200, 200), 0.05, 0.2654, 0.0221),
        ((60, 80), 0.05, 0.5507, 0.0),
        ((100, 60), 0.5, 0.0002, 0.3639),
        ((8, 9), 0.3, 0.4062, 0.0734),
    ],
)
def test_the_chance_of_vectors_agrees_with_shuffled_weights(
    sizes: tuple[int, int], share: float, p: float, effect: float
) -> None:
    """The figures are those of 4,999 shuffles whose energy was computed from weights in single precision."""
    left, right = (np.random.default_rng(1 + n).normal(0, 1, (size, 16)) for n, size in enumerate(sizes))
    right[: int(share * sizes[1]), :4] += 4
    found = twosample.vectors(left.astype(np.float32), right.astype(np.float32), rng())
    assert found["p"] == pytest.approx(p, abs=4 * standard_error(p, 4_999) + 1e-12)
    assert found["effect"] == pytest.approx(effect, abs=0.003)


@pytest.mark.slow
def test_one_in_twenty_equal_samples_is_below_five_percent() -> None:
    draws = np.random.default_rng(1)
    share = [0.5, 0.3, 0.15, 0.05]
    low = 0
    for _ in range(200):
        counts = [pd.Series(draws.multinomial(size, share), list("abcd")) for size in (30, 50)]
        low += twosample.classes(*counts, rng())["p"] < 0.05
    assert 3 <= low <= 18  # 10 are expected


def test_rare_classes_count_as_one() -> None:
    left = pd.Series({"common": 50, **{f"once {n}": 1 for n in range(50)}})
    right = pd.Series({"common": 50, **{f"only {n}": 1 for n in range(50)}})
    found = twosample.classes(left, right, rng())
    assert found["effect"] == 0
    assert found["p"] == 1


def test_one_class_is_nothing_to_test() -> None:
    found = twosample.classes(pd.Series({"jpeg": 90}), pd.Series({"jpeg": 40}), rng())
    assert "p" not in found
    assert found["effect"] == 0


def test_the_shift_of_numbers_is_in_standard_deviations() -> None:
    left = np.random.default_rng(1).normal(100, 10, 400)
    found = twosample.numbers(left, left + left.std(ddof=1))
    assert found["shift"] == pytest.approx(1)
    assert found["p"] < 1e-6
    assert found["psi"] > 0.25
    assert twosample.numbers(np.full(20, 8.0), np.full(30, 8.0)) == {
        "effect": 0.0, "psi": 0.0, "shift": 0.0, "detail": "median 8 before, 8 now",
    }  # fmt: skip
    assert twosample.numbers(np.full(20, 8.0), np.full(30, 16.0))["effect"] == 1


def test_tags_are_judged_one_by_one() -> None:
    found = twosample.tags(pd.Series({"Men": 40, "Dogs": 10}), pd.Series({"Men": 40, "Dogs": 40}), (100, 100))
    assert found["effect"] == pytest.approx(0.3)
    assert found["p"] < 1e-4
    assert found["detail"] == "Dogs: 10.0% before, 40.0% now"
    assert "p" not in twosample.tags(pd.Series({"Cats": 1}), pd.Series({"Rats": 1}), (100, 100))


def test_the_effect_of_vectors_grows_with_the_share_of_another_kind() -> None:
    draws = np.random.default_rng(2)

    def sample(share: float) -> np.ndarray:
        vectors = draws.normal(0, 1, (200, 16))
        vectors[: int(share * 200), :4] += 4
        return vectors

    left = sample(0)
    effects = [twosample.vectors(left, sample(share), rng())["effect"] for share in (0, 0.2, 0.4, 0.8)]
    assert effects == sorted(effects)
    assert effects[3] / effects[2] == pytest.approx(2, abs=0.3)
    assert twosample.vectors(left, sample(0.2), rng())["p"] < 0.01
    assert twosample.vectors(left, sample(0), rng())["p"] > 0.05


def test_vectors_that_are_all_the_same_do_not_differ() -> None:
    same = np.ones((20, 4))
    assert twosample.vectors(same, same, rng())["effect"] == 0
    mixed = np.r_[np.zeros((10, 4)), np.ones((10, 4))]
    assert twosample.vectors(mixed, mixed, rng())["p"] == 1
