"""Figures of filled pictures."""

import numpy as np
import pandas as pd
import pytest

from pipeline.evaluation.restoration import best_methods, score, summary


def pair():
    rng = np.random.default_rng(0)
    truth = rng.random((32, 32, 3)).astype(np.float32) * 0.5
    mask = np.zeros((32, 32), bool)
    mask[8:16, 8:16] = True
    return truth, mask


def test_a_score_tells_inside_from_outside():
    truth, mask = pair()
    off = truth.copy()
    off[mask] = 0.9
    found = score(off, truth, mask)
    assert found["psnr_outside"] == 100
    assert found["psnr"] < 15
    assert found["ssim"] < 0.5 < found["ssim_whole"] < 1
    perfect = score(truth, truth, mask)
    assert perfect["psnr"] == 100 and perfect["ssim"] == pytest.approx(1)


def table():
    return pd.DataFrame(
        {
            "kind": ["cracks"] * 4 + ["losses"] * 4,
            "method": ["a", "b"] * 4,
            "psnr": [30.0, 31.0, 32.0, 33.0, 22.0, 20.0, 24.0, np.nan],
        }
    )


def test_the_better_mean_is_chosen_for_each_kind():
    found = best_methods(table(), "kind")
    assert {kind: entry["best"] for kind, entry in found.items()} == {"cracks": "b", "losses": "a"}
    assert found["losses"]["psnr"] == {"a": 23.0, "b": 20.0}


def test_a_summary_has_intervals_and_leaves_out_what_is_not_defined():
    found = summary(table(), "kind", "psnr")
    assert found["cracks"]["a"]["value"] == 31
    assert 30 <= found["cracks"]["a"]["low"] < found["cracks"]["a"]["high"] <= 32
    assert found["losses"]["b"]["value"] == 20
