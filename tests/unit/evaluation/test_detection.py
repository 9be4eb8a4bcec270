"""How found damage is compared with the true one, and what can be seen of it at all."""

import numpy as np
import pytest

from pipeline.evaluation.detection import compare, noticeable


def test_one_pixel_beside_is_half_right_and_forgiven_by_the_soft_measure():
    truth = np.zeros((10, 10), bool)
    found = truth.copy()
    truth[4, 2:8] = True
    found[5, 2:8] = found[4, 2:8] = True
    figures = compare(found, truth)
    assert figures["recall"] == 1 and figures["precision"] == 0.5
    assert figures["f1"] == pytest.approx(2 / 3) and figures["f1_soft"] == 1


def test_nothing_found_and_nothing_there_is_no_division_by_zero():
    nothing = np.zeros((4, 4), bool)
    assert compare(nothing, nothing) == {"precision": 0, "recall": 0, "f1": 0, "f1_soft": 0}


def test_a_grey_level_is_not_noticed_and_a_dark_hair_on_light_paint_is():
    before = np.full((5, 6, 3), 0.6, np.float32)
    after = before.copy()
    after[1] += 1 / 255
    after[3] = 0.2
    seen = np.zeros((5, 6), bool)
    seen[3] = True
    assert np.array_equal(noticeable(before, after), seen)


def test_the_same_step_in_value_is_noticed_in_some_colours_and_not_in_others():
    before = np.zeros((1, 2, 3), np.float32)
    before[0, 1] = 0.9, 0.9, 0.1  # in yellow a step of blue is lost
    after = before.copy()
    after[..., 2] += 0.04
    assert noticeable(before, after).tolist() == [[True, False]]
