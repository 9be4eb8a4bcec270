"""The detector network: it sees as far as it says, and its maps are those of its kinds."""

import numpy as np
import pytest
import torch

from pipeline.models.detector import DamageDetector
from pipeline.models.hats import CHANNELS, HATS_REACH, described

SMALL = {"kinds": ["cracks", "dust"], "widths": (8, 8, 8), "blocks": (1, 1), "dilations": (1, 2)}


def trained(**arguments):
    """A network whose weights are not those of the beginning."""
    torch.manual_seed(0)
    network = DamageDetector(**{**SMALL, **arguments})
    with torch.no_grad():
        for weights in network.parameters():
            weights.add_(torch.randn_like(weights) * 0.2)
    network(torch.randn(2, CHANNELS, 32, 32))  # sets the running statistics
    return network.eval()


def test_a_new_network_claims_next_to_nothing():
    maps = DamageDetector(**SMALL).eval()(torch.rand(2, CHANNELS, 32, 48))
    assert maps.shape == (2, 2, 32, 48) and maps.min() > 0 and maps.max() < 0.2


def test_logits_are_the_maps_before_the_sigmoid():
    picture = torch.rand(1, CHANNELS, 16, 16)
    network = trained()
    assert torch.equal(torch.sigmoid(network(picture, as_logits=True)), network(picture))


@pytest.mark.parametrize("arguments", [{}, {"blocks": (0, 2)}, {"widths": (8, 8), "blocks": (1,)}])
def test_a_pixel_depends_on_nothing_beyond_the_reach(arguments):
    network = trained(**arguments).double()
    reach = network.reach - HATS_REACH
    side = -(-(2 * reach + 40) // network.multiple) * network.multiple
    picture = torch.rand(1, CHANNELS, side, side, dtype=torch.float64, requires_grad=True)
    # Every place of one cell of the coarsest raster: some see further than others.
    for middle in range(side // 2, side // 2 + network.multiple):
        picture.grad = None
        network(picture)[0, :, middle, middle].sum().backward()
        touched = torch.nonzero(picture.grad.abs().sum((0, 1)))
        assert network.multiple < (touched - middle).abs().max() <= reach


def test_hats_find_dark_and_pale_lines_and_see_no_further_than_they_say():
    pixels = np.full((60, 60, 3), 0.5, np.float32)
    pixels[20, :30] = 0.1
    pixels[40, :30] = 0.9
    planes = described(pixels)
    assert planes.shape == (CHANNELS, 60, 60) and planes.dtype == np.float32
    assert np.allclose(planes[:3], pixels.transpose(2, 0, 1) - 0.5)
    dark, pale = planes[3::2], planes[4::2]
    assert (dark[:, 20, :25] > 1).all() and (pale[:, 40, :25] > 1).all()
    assert not dark[:, 40, :25].any() and not pale[:, 20, :25].any()
    rng = np.random.default_rng(0)
    pixels = rng.random((60, 60, 3)).astype(np.float32)
    window = np.s_[20:50, 20:50]
    inner = slice(HATS_REACH, 30 - HATS_REACH)
    assert np.array_equal(
        described(pixels[window])[:, inner, inner], described(pixels)[:, 20:50, 20:50][:, inner, inner]
    )


@pytest.mark.parametrize(
    ("arguments", "reason"), [({"kinds": []}, "one kind"), ({"blocks": (1,)}, "each level but the lowest")]
)
def test_sizes_that_do_not_fit_are_refused(arguments, reason):
    with pytest.raises(TypeError, match=reason):
        DamageDetector(**{**SMALL, **arguments})
