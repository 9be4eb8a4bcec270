"""Holes are told apart by how far their middle is from their edge."""

import cv2
import numpy as np
import pytest

from pipeline.restoration.methods.shapes import REACH, THIN, by_shape, depth, farther


def test_a_line_is_thin_and_a_patch_is_wide():
    mask = np.zeros((60, 60), bool)
    mask[5, 5:50] = True
    mask[30:50, 30:50] = True
    parts = by_shape(mask)
    assert parts["thin"].sum() == 45 and parts["thin"][5, 20]
    assert parts["wide"].sum() == 400 and parts["wide"][40, 40]


def test_a_crack_that_runs_into_a_loss_stays_a_crack():
    mask = np.zeros((60, 60), bool)
    mask[40, 5:30] = True
    mask[30:50, 30:50] = True
    parts = by_shape(mask)
    assert parts["thin"][40, 5:20].all() and parts["wide"][30:50, 30:50].all()
    assert np.array_equal(parts["thin"] | parts["wide"], mask)
    assert not (parts["thin"] & parts["wide"]).any()


def test_what_is_far_away_does_not_matter():
    mask = np.random.default_rng(0).random((120, 160)) < 0.02
    mask[40:70, 50:90] = True
    part = np.s_[20:100, 30:120]
    inner = np.s_[REACH:-REACH, REACH:-REACH]
    for name, whole in by_shape(mask).items():
        assert np.array_equal(by_shape(mask[part])[name][inner], whole[part][inner])


def test_the_border_of_the_picture_is_no_edge_of_a_hole():
    mask = np.zeros((60, 60), bool)
    mask[:5] = True  # five rows, seen from one side only
    assert by_shape(mask)["wide"].sum() == 5 * 60


def test_no_hole_gives_two_empty_parts():
    parts = by_shape(np.zeros((4, 4), bool))
    assert not parts["thin"].any() and not parts["wide"].any()


@pytest.mark.parametrize("seed", range(6))
def test_the_quick_ways_agree_with_the_distance(seed):
    rng = np.random.default_rng(seed)
    mask = (
        cv2.GaussianBlur(rng.random((150, 190)).astype(np.float32), (0, 0), 4 + 3 * seed) > 0.5 - seed / 500
    )
    assert mask.any() and not mask.all()
    middle = (depth(mask) > THIN).astype(np.uint8)
    rim = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (17, 17))
    assert np.array_equal(by_shape(mask)["wide"], mask & (cv2.dilate(middle, rim) > 0))
    for distance in (6.0, 17.0, 40.0):
        assert np.array_equal(farther(mask, distance), depth(mask) > distance)
