from __future__ import annotations

import numpy as np
import pytest

from pipeline.resampling.bootstrap import ClusterBootstrap, interval, mean_interval, percentiles


def test_an_interval_holds_its_figure_and_narrows_with_more_works() -> None:
    values = np.random.default_rng(0).normal(5, 1, 400)
    few, many = mean_interval(values[:40]), mean_interval(values)
    for found in (few, many):
        assert found["low"] <= found["value"] <= found["high"]
    assert many["value"] == round(float(values.mean()), 4)
    assert many["high"] - many["low"] < 0.5 * (few["high"] - few["low"])


def test_samples_are_resampled_in_pairs() -> None:
    values = np.random.default_rng(0).normal(0, 1, 50)
    found = interval(lambda a, b: float((a - b).mean()), values + 1, values)
    assert found == {"value": 1.0, "low": 1.0, "high": 1.0}


def test_resamples_without_the_statistic_are_left_out() -> None:
    assert percentiles(2.0, np.array([1.0, np.nan, 3.0]), level=1.0) == {"value": 2, "low": 1, "high": 3}
    assert percentiles(2.0, np.array([np.nan])) == {"value": 2, "low": 2, "high": 2}


def test_groups_are_drawn_whole_so_that_alike_works_widen_the_interval() -> None:
    right = np.repeat(np.arange(20) % 2, 10)
    alone = ClusterBootstrap(np.arange(200), 500, 0).ratio(right, np.ones(200))
    whole = ClusterBootstrap(np.repeat(np.arange(20), 10), 500, 0).ratio(right, np.ones(200))
    assert alone
    assert whole
    assert whole["high"] - whole["low"] > 2 * (alone["high"] - alone["low"])
    assert ClusterBootstrap(np.arange(3), 10, 0).ratio(np.zeros(3), np.zeros(3)) is None


def test_works_and_groups_of_one_work_give_alike_intervals() -> None:
    values = np.random.default_rng(0).normal(5, 1, 100)
    works = mean_interval(values, repeats=4000)
    groups = ClusterBootstrap(np.arange(100), 4000, 0).ratio(values, np.ones(100))
    assert groups is not None
    assert groups["value"] == works["value"]
    assert groups["low"] == pytest.approx(works["low"], abs=0.02)
    assert groups["high"] == pytest.approx(works["high"], abs=0.02)


def test_counts_leave_out_negative_codes_and_follow_the_groups() -> None:
    counts = ClusterBootstrap(np.array([4, 4, 7]), 50, 0).counts(np.array([0, -1, 1]), 3)
    assert counts[0].tolist() == [1, 1, 0]
    assert counts[:, 2].tolist() == [0] * 51
    assert (counts[1:, :2].sum(axis=1) == 2).all()
