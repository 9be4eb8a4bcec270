"""Tiles cover a picture once, agree with the whole where they can, and pass into each other."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.archive.tiling import Grid, run_tiles

GRID = Grid(side=40, reach=3, align=4, blend=8)


def through_tiles(pixels, grid, method, scale=1, skip=lambda tile: False):
    height, width, channels = pixels.shape
    result = np.full((height * scale, width * scale, channels), np.nan, np.float32)

    def work(tile):
        if skip(tile):
            return None
        rows, columns = (slice(side.start * scale, side.stop * scale) for side in tile.inner)
        return method(pixels[tile.window])[rows, columns]

    def emit(window, values):
        assert np.isnan(result[window]).all()  # each pixel at most once
        result[window] = values

    run_tiles(pixels.shape, grid, work, emit, scale)
    return result


def shift(pixels):
    """A method with a reach of 3 pixels."""
    padded = np.pad(pixels, ((3, 3), (3, 3), (0, 0)), mode="edge")
    return (padded[6:, 3:-3] + padded[:-6, 3:-3] + padded[3:-3, 6:] + padded[3:-3, :-6]) / 4


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 150), st.integers(1, 150), st.integers(1, 4))
def test_tiles_give_what_the_whole_picture_gives(height, width, channels):
    pixels = np.random.default_rng(0).random((height, width, channels), dtype=np.float32)
    assert np.allclose(through_tiles(pixels, GRID, shift), shift(pixels), atol=1e-6)


def test_every_pixel_lies_in_one_cell_and_no_cell_is_a_sliver():
    seen = np.zeros((131, 97), int)
    for tile in GRID.tiles(131, 97):
        seen[tile.cell] += 1
        assert min(seen[tile.cell].shape) >= GRID.side // 2
        for inner, outer in zip((*tile.cell, *tile.used), (*tile.used, *tile.window), strict=True):
            assert outer.start <= inner.start and inner.stop <= outer.stop
        assert all(side.start % GRID.align == 0 for side in tile.window)
    assert (seen == 1).all()


def test_larger_results_are_blended_too():
    pixels = np.random.default_rng(0).random((90, 130, 3), dtype=np.float32)
    larger = through_tiles(pixels, GRID, lambda part: part.repeat(2, axis=0).repeat(2, axis=1), scale=2)
    assert np.allclose(larger, pixels.repeat(2, axis=0).repeat(2, axis=1), atol=1e-6)


def test_tiles_with_nothing_to_do_leave_their_neighbours_whole():
    pixels = np.random.default_rng(0).random((120, 120, 3), dtype=np.float32)
    result = through_tiles(pixels, GRID, shift, skip=lambda tile: tile.number != (1, 1))
    inside = np.s_[48:72, 48:72]  # what only the middle tile reaches
    assert np.allclose(result[inside], shift(pixels)[inside], atol=1e-6)
    assert np.isnan(result[:32]).all() and np.isnan(result[:, :32]).all()


def test_tiles_that_differ_pass_into_each_other():
    levels = iter((0.0, 1.0))
    pixels = np.zeros((30, 80, 1), np.float32)
    result = through_tiles(pixels, GRID, lambda part: np.full_like(part, next(levels)))
    steps = np.diff(result[15, :, 0])
    assert (steps >= 0).all() and steps.max() < 0.11 and result[0, 0, 0] == 0 and result[0, -1, 0] == 1


def test_a_result_of_another_size_is_refused():
    with pytest.raises(ValueError, match="a tile's result is"):
        through_tiles(np.zeros((50, 50, 3), np.float32), GRID, lambda part: part[:, :, :1])
