"""The colour network, its curves, and the colour difference it is trained on."""

import numpy as np
import pytest
import torch
from skimage.color import deltaE_ciede2000, rgb2lab

from pipeline.models.cells import CHANNELS, SIDE, cells
from pipeline.models.colour import KNOTS, ColourNet, apply_curves, delta_e, lab


def small():
    torch.manual_seed(0)
    return ColourNet(widths=(8, 8), histogram_widths=(8, 8), hidden=8).eval()


def pictures(count=2, side=32, channels=CHANNELS, seed=0):
    return torch.rand(count, channels, side, side, generator=torch.Generator().manual_seed(seed))


def test_a_new_network_answers_with_the_straight_line():
    curves = small()(pictures())
    assert curves.shape == (2, 3, KNOTS)
    assert (curves - torch.linspace(0, 1, KNOTS)).abs().max() < 2e-3


def test_curves_rise_whatever_the_weights():
    network = small()
    torch.nn.init.normal_(network.head.weight, 0, 0.5)
    curves = network(pictures(4))
    assert (curves.diff(dim=2) >= 0).all() and torch.isfinite(curves).all()


def test_a_picture_of_one_colour_and_a_black_one_give_finite_curves_and_gradients():
    network = small()
    torch.nn.init.normal_(network.head.weight, 0, 0.1)
    for value in (0.0, 0.5, 1.0):
        seen = torch.full((1, CHANNELS, 32, 32), value)
        loss = delta_e(apply_curves(seen[:, -3:], network(seen)), seen[:, -3:] * 0.5).mean()
        network.zero_grad()
        loss.backward()
        assert all(torch.isfinite(p.grad).all() for p in network.parameters() if p.grad is not None)


def test_curves_are_applied_as_numpy_interpolates():
    values = pictures(1, 16, 3)
    curves = torch.sort(torch.rand(1, 3, KNOTS, generator=torch.Generator().manual_seed(1)), dim=2).values
    applied = apply_curves(values, curves)[0].numpy()
    knots = np.linspace(0, 1, KNOTS)
    for channel in range(3):
        wanted = np.interp(values[0, channel].numpy(), knots, curves[0, channel].numpy())
        assert np.allclose(applied[channel], wanted, atol=1e-5)


def test_lab_is_that_of_scikit_image_and_the_difference_near_to_ciede2000():
    one = pictures(1, 24, 3, 1)
    two = (one + 0.08 * (pictures(1, 24, 3, 2) - 0.5)).clamp(0, 1)
    first, second = (rgb2lab(each[0].permute(1, 2, 0).numpy()) for each in (one, two))
    assert np.allclose(lab(one)[0].permute(1, 2, 0).numpy(), first, atol=0.05)
    ours, wanted = delta_e(two, one)[0].numpy(), deltaE_ciede2000(first, second)
    assert np.corrcoef(ours.ravel(), wanted.ravel())[0, 1] > 0.9
    assert ours.mean() == pytest.approx(wanted.mean(), rel=0.1)


@pytest.mark.parametrize("shape", [(300, 500), (1, 9), (64, 64)])
def test_cells_know_the_darkest_and_brightest_values(shape):
    pixels = np.random.default_rng(0).random((*shape, 3), np.float32)
    seen = cells(pixels)
    assert seen.shape == (SIDE, SIDE, CHANNELS) and seen.dtype == np.float32
    mean, least, most, one = (seen[..., first : first + 3] for first in range(0, CHANNELS, 3))
    assert (least <= mean + 1e-6).all() and (mean <= most + 1e-6).all()
    assert (least <= one).all() and (one <= most).all()
