"""What every filler promises, and what sets the classical ones apart."""

from typing import get_args

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.restoration.methods.fill import fillers
from pipeline.restoration.methods.interface import FillFailed
from pipeline.restoration.methods.steps import ClassicalName

NAMES = ("telea", "navier_stokes", "biharmonic", "tension")


def smooth(height=40, width=50, channels=3):
    y, x = np.mgrid[:height, :width].astype(np.float32)
    base = 0.5 + 0.3 * np.sin(x / 9) * np.cos(y / 11)
    return np.stack([base * (0.6 + 0.1 * c) for c in range(channels)], axis=2).astype(np.float32)


def line_mask(height=40, width=50):
    mask = np.zeros((height, width), bool)
    mask[10:12, 5:40] = mask[20:30, 25] = True
    return mask


def test_the_registry_holds_the_classical_methods():
    assert tuple(fillers()) == get_args(ClassicalName) == NAMES
    assert all(method.name == name and method.reach > 0 for name, method in fillers().items())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_hole_in_a_smooth_picture_is_closed_and_nothing_else_changes(name, channels):
    truth, mask = smooth(channels=channels), line_mask()
    damaged = truth.copy()
    damaged[mask] = 1
    before = damaged.copy()
    filled = fillers()[name](damaged, mask)
    assert filled.dtype == np.float32 and filled.shape == truth.shape
    assert np.array_equal(filled[~mask], damaged[~mask])
    assert np.abs(filled - truth)[mask].max() < 0.05 < np.abs(damaged - truth)[mask].max()
    assert np.array_equal(damaged, before)


@pytest.mark.parametrize("name", NAMES)
def test_what_lies_under_the_mask_does_not_matter(name):
    truth, mask = smooth(), line_mask()
    results = []
    for value in (0.0, 1.0, np.nan):
        damaged = truth.copy()
        damaged[mask] = value
        results.append(fillers()[name](damaged, mask)[mask])
    assert np.array_equal(results[0], results[1])
    assert np.array_equal(results[0], results[2])


@pytest.mark.parametrize("name", NAMES)
def test_more_than_8_bits_survive(name):
    truth = 0.5 + smooth() / 1000  # the whole picture lies within one step of 8 bits
    mask = line_mask()
    filled = fillers()[name](truth, mask)
    assert len(np.unique(filled[mask])) > 20
    assert np.abs(filled - truth)[mask].max() < 1e-4


@pytest.mark.parametrize("name", NAMES)
def test_an_empty_mask_gives_a_copy_and_a_full_one_is_refused(name):
    pixels = smooth()
    copy = fillers()[name](pixels, np.zeros(pixels.shape[:2], bool))
    assert np.array_equal(copy, pixels) and copy is not pixels
    with pytest.raises(FillFailed, match="nothing to fill from"):
        fillers()[name](pixels, np.ones(pixels.shape[:2], bool))


@pytest.mark.parametrize("name", NAMES)
def test_wrong_types_and_shapes_are_the_callers_fault(name):
    with pytest.raises(ValueError, match="float32"):
        fillers()[name](smooth().astype(np.float64), line_mask())
    with pytest.raises(ValueError, match="mask must be bool"):
        fillers()[name](smooth(), line_mask()[:-1])


def test_biharmonic_agrees_with_scikit_image_on_a_hole_inside_a_picture():
    from skimage.restoration import inpaint_biharmonic

    truth, mask = smooth(), line_mask()
    expected = inpaint_biharmonic(np.where(mask[..., None], 0, truth), mask, channel_axis=2)
    assert np.abs(fillers()["biharmonic"](truth, mask) - expected).max() < 1e-4


def test_biharmonic_refuses_a_hole_that_would_not_fit_in_memory(monkeypatch):
    monkeypatch.setattr("pipeline.restoration.methods.biharmonic._LARGEST", 50)
    with pytest.raises(FillFailed, match="too large"):
        fillers()["biharmonic"](smooth(), line_mask())


def test_biharmonic_continues_a_slope_where_the_others_flatten_it():
    x = np.linspace(0, 1, 50, dtype=np.float32)
    truth = np.broadcast_to(x[None, :, None], (40, 50, 1)).copy()
    mask = np.zeros((40, 50), bool)
    mask[15:25, 20:30] = True
    errors = {n: np.abs(f(truth, mask) - truth)[mask].mean() for n, f in fillers().items()}
    assert errors["biharmonic"] < 1e-5 < errors["telea"]


def test_tension_does_not_bulge_in_a_wide_hole_between_slopes():
    """At the rim of the left side the picture rises towards the hole, and it falls away on the right."""
    x = np.linspace(-1, 1, 80, dtype=np.float32)
    truth = np.broadcast_to((0.9 - 0.8 * np.abs(x))[None, :, None], (60, 80, 1)).copy()
    mask = np.zeros((60, 80), bool)
    mask[10:50, 25:55] = True
    rim = truth[~mask & cv2.dilate(mask.astype(np.uint8), np.ones((5, 5))).astype(bool)].max()
    highest = {name: fill(truth, mask)[mask].max() for name, fill in fillers().items()}
    assert highest["tension"] < highest["biharmonic"]
    assert highest["tension"] < rim + 0.02


def test_tension_continues_a_narrow_slope_as_biharmonic_does():
    x = np.linspace(0, 1, 50, dtype=np.float32)
    truth = np.broadcast_to(x[None, :, None] ** 2, (40, 50, 1)).copy()
    mask = np.zeros((40, 50), bool)
    mask[5:35, 20:24] = True
    errors = {name: np.abs(fill(truth, mask) - truth)[mask].mean() for name, fill in fillers().items()}
    assert errors["tension"] < min(errors["telea"], errors["navier_stokes"]) / 4


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), share=st.floats(0.01, 0.9), name=st.sampled_from(NAMES))
def test_any_mask_is_filled_with_values_in_range(seed, share, name):
    rng = np.random.default_rng(seed)
    pixels = rng.random((17, 23, 3), dtype=np.float32)
    mask = rng.random((17, 23)) < share
    mask[8, 11] = False
    filled = fillers()[name](pixels, mask)
    assert np.array_equal(filled[~mask], pixels[~mask])
    assert np.isfinite(filled).all() and filled.min() >= 0 and filled.max() <= 1
