"""KID, precision and recall, and the check for memorised pictures, on clouds whose answer is known."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.evaluation.generation import (
    distances,
    kernel_distance,
    kernel_distance_interval,
    manifolds,
    nearest_training,
    spread,
)


def cloud(count: int, shift: float = 0.0, seed: int = 0, size: int = 8) -> np.ndarray:
    return np.random.default_rng(seed).normal(shift, 1, (count, size)).astype(np.float32)


def brute_force(x: np.ndarray, y: np.ndarray) -> float:
    def k(a, b):
        return (float(np.dot(a.astype(float), b.astype(float))) / len(a) + 1) ** 3

    same_x = [k(x[i], x[j]) for i, j in itertools.permutations(range(len(x)), 2)]
    same_y = [k(y[i], y[j]) for i, j in itertools.permutations(range(len(y)), 2)]
    return float(np.mean(same_x) + np.mean(same_y) - 2 * np.mean([k(a, b) for a in x for b in y]))


@given(st.integers(2, 9), st.integers(2, 9), st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_kid_is_the_sum_over_pairs(m, n, seed):
    x, y = cloud(m, seed=seed), cloud(n, 0.5, seed=seed + 1)
    assert kernel_distance(x, y) == pytest.approx(brute_force(x, y), abs=1e-9)


def test_kid_is_about_zero_for_one_distribution_and_unbiased():
    found = [kernel_distance(cloud(40, seed=s), cloud(40, seed=s + 1000)) for s in range(200)]
    assert abs(np.mean(found)) < 3 * np.std(found) / np.sqrt(len(found))
    assert min(found) < 0  # an estimate that is never negative would be a biased one


def test_kid_grows_with_the_shift():
    found = [kernel_distance(cloud(100), cloud(100, shift, seed=1)) for shift in (0, 0.3, 0.6, 1.2)]
    assert found == sorted(found)
    assert found[-1] > 1


def test_kid_needs_two_rows():
    with pytest.raises(ValueError, match="two rows"):
        kernel_distance(cloud(1), cloud(5))


def test_interval_holds_the_value_and_narrows_with_the_subset():
    x, y = cloud(100), cloud(100, 0.5, seed=1)
    small = kernel_distance_interval(x, y, subset=10, repeats=100)
    large = kernel_distance_interval(x, y, subset=80, repeats=100)
    assert small["low"] < small["value"] < small["high"]
    assert large["high"] - large["low"] < small["high"] - small["low"]
    assert small == kernel_distance_interval(x, y, subset=10, repeats=100)


def test_the_same_cloud_has_full_precision_and_recall():
    found = manifolds(cloud(60), cloud(60, seed=1))
    assert found.precision > 0.6
    assert found.recall > 0.6
    itself = manifolds(cloud(30), cloud(30))
    assert (itself.precision, itself.recall, itself.coverage) == (1, 1, 1)


def test_a_far_cloud_has_neither():
    found = manifolds(cloud(30), cloud(30, 50))
    assert (found.precision, found.recall, found.density, found.coverage) == (0, 0, 0, 0)


def test_collapse_to_one_mode_keeps_precision_and_loses_recall():
    two_modes = np.concatenate([cloud(30), cloud(30, 40, seed=1)])
    found = manifolds(two_modes, cloud(60, seed=2))
    assert found.precision > 0.6
    assert found.recall <= 0.5


def test_precision_by_hand_on_a_line():
    real = np.array([[0.0], [1.0], [10.0]])  # distance to the nearest other: 1, 1, 9
    fake = np.array([[0.5], [25.0], [1.5], [26.0]])  # 1, 1, 1, 1
    found = manifolds(real, fake, neighbours=1)
    assert found.precision == 0.5  # 0.5 and 1.5
    assert found.recall == pytest.approx(2 / 3, abs=1e-4)  # 0 and 1, not 10
    assert found.coverage == 1.0  # 10's ball reaches from 1 to 19: 1.5 is in it
    assert found.density == pytest.approx((2 + 0 + 2 + 0) / 4)


def test_copies_are_noticed_and_new_pictures_are_not():
    train, held_out = cloud(50), cloud(40, seed=1)
    copies = nearest_training(train[10:20] + 0.001, held_out, train)
    assert copies.index.tolist() == list(range(10, 20))
    assert copies.copied == 1.0
    fresh = nearest_training(cloud(200, seed=2), held_out, train)
    assert fresh.copied < 0.25
    assert fresh.median == pytest.approx(fresh.real_median, rel=0.2)


def test_distances_are_euclidean():
    x, y = cloud(5), cloud(7, seed=1)
    wanted = np.linalg.norm(x[:, None].astype(float) - y[None].astype(float), axis=2)
    assert np.allclose(distances(x, y), wanted)


def test_spread_of_the_same_of_half_and_of_one_repeated_picture():
    real = np.random.default_rng(0).integers(0, 256, (20, 16, 16, 3), dtype=np.uint8)
    assert spread(real, real) == 1.0
    assert spread(real // 2, real) == pytest.approx(0.5, abs=0.01)
    assert spread(np.repeat(real[:1], 20, axis=0), real) == 0.0
