"""What a network is told of a passage apart from its pattern."""

import numpy as np
import pytest

from pipeline.models.surroundings import CELL, REACH, surroundings


def picture(height=96, width=128, seed=0):
    return np.random.default_rng(seed).uniform(0.2, 0.8, (height, width, 3)).astype(np.float32)


def test_the_normal_picture_has_neither_brightness_nor_contrast():
    pixels = picture()
    normal = surroundings(pixels).normal(pixels)
    assert normal.dtype == np.float32 and normal.shape == pixels.shape
    assert abs(normal.mean()) < 0.05 and normal.std() == pytest.approx(1, abs=0.1)
    dim = pixels * np.float32(0.5) + np.float32(0.2)
    assert np.abs(surroundings(dim).normal(dim) - normal).max() < 0.1  # the floor of the contrast tells


def test_mean_and_contrast_are_those_of_the_cells_around():
    pixels = picture()
    around = surroundings(pixels)
    rows, columns = np.s_[1 * CELL : 6 * CELL], np.s_[4 * CELL : 9 * CELL]  # around cell (3, 6)
    assert around.mean[3, 6] == pytest.approx(pixels[rows, columns].mean((0, 1)), abs=1e-5)
    corner = pixels[: 3 * CELL, : 3 * CELL]
    assert around.mean[0, 0] == pytest.approx(corner.mean((0, 1)), abs=1e-5)
    flat = np.full((64, 64, 3), 0.3, np.float32)
    assert surroundings(flat).spread_contrast() == pytest.approx(0.01, abs=1e-3)


def test_nothing_beyond_the_reach_counts():
    pixels = picture(192, 192)
    other = pixels.copy()
    other[:, 96 + REACH :] = 0
    one, two = surroundings(pixels), surroundings(other)
    assert np.array_equal(one.normal(pixels)[:, :96], two.normal(other)[:, :96])
    assert not np.array_equal(one.contrast, two.contrast)
