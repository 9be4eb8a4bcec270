"""PSNR: of all pixels or the masked ones, of floats and of 8 bit, in NumPy and in torch."""

import numpy as np
import pytest
import torch

from pipeline.metrics import CEILING, decibels, psnr

TRUTH = np.random.default_rng(0).random((8, 8, 3)).astype(np.float32) * 0.5
MASK = np.zeros((8, 8), bool)
MASK[2:5, 2:5] = True


def test_psnr_is_that_of_the_masked_pixels():
    off = TRUTH.copy()
    off[MASK] += 0.1
    assert psnr(off, TRUTH, MASK) == pytest.approx(20, abs=1e-4)
    assert psnr(off, TRUTH, ~MASK) == CEILING
    assert psnr(off, TRUTH) == pytest.approx(20 + 10 * np.log10(64 / 9), abs=1e-4)


def test_equal_pictures_count_as_the_ceiling_and_an_empty_mask_as_undefined():
    assert psnr(TRUTH, TRUTH) == CEILING
    assert psnr(TRUTH + np.float32(1e-6), TRUTH) == CEILING
    assert np.isnan(psnr(TRUTH, TRUTH, np.zeros_like(MASK)))


def test_8_bit_has_its_own_peak():
    grey = np.full((4, 4, 3), 100, np.uint8)
    assert psnr(grey + np.uint8(1), grey, peak=255) == pytest.approx(20 * np.log10(255))
    assert psnr(grey - np.uint8(1), grey, peak=255) == pytest.approx(20 * np.log10(255))


def test_torch_has_the_same_scale_and_the_same_ceiling():
    errors = torch.tensor([0.0, 1e-12, 1e-2, 1.0])
    assert decibels(errors).tolist() == pytest.approx([CEILING, CEILING, 20, 0], abs=1e-4)
