"""The restorer network: a new one adds nothing, and it sees as far as it says."""

import pytest
import torch

from pipeline.models.unet import ResidualUNet

SMALL = {"widths": (8, 8, 8), "blocks": 1, "dilations": (1, 2)}


def trained(**arguments):
    """A network whose zero-initialised layers have been given values."""
    torch.manual_seed(0)
    network = ResidualUNet(**{**SMALL, **arguments}).eval()
    with torch.no_grad():
        for weights in network.parameters():
            if not weights.any():
                weights.normal_(0, 0.1)
    return network


def inputs(side=64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    normal = torch.randn(1, 3, side, side, generator=generator)
    return normal, (torch.rand(1, 1, side, side, generator=generator) < 0.2).float()


def test_a_new_network_adds_nothing():
    assert not ResidualUNet(**SMALL)(*inputs()).any()


def test_picture_and_mask_both_count():
    network = trained()
    normal, mask = inputs()
    residual = network(normal, mask)
    assert residual.shape == normal.shape and residual.any()
    assert not torch.equal(network(normal, 1 - mask), residual)
    assert not torch.equal(network(normal.flip(3), mask), residual)


def test_every_weight_gets_a_gradient_after_the_first_update():
    network = ResidualUNet(**SMALL)
    normal, mask = inputs()
    for _ in range(3):
        network.zero_grad()
        (network(normal, mask) - 0.3).square().mean().backward()
        with torch.no_grad():
            for weights in network.parameters():
                weights.sub_(0.1 * weights.grad)
    assert all(weights.grad is not None for weights in network.parameters())
    assert all(weights.grad.any() for weights in network.parameters())


@pytest.mark.parametrize("arguments", [{}, {"blocks": 2}, {"widths": (8, 8), "dilations": (1,)}])
def test_a_pixel_depends_on_nothing_beyond_the_reach(arguments):
    network = trained(**arguments).double()
    reach = network.reach
    side = -(-(2 * reach + 40) // network.multiple) * network.multiple
    normal = torch.randn(1, 3, side, side, dtype=torch.float64, requires_grad=True)
    middle = side // 2
    network(normal, torch.ones(1, 1, side, side, dtype=torch.float64))[0, :, middle, middle].sum().backward()
    touched = torch.nonzero(normal.grad.abs().sum((0, 1)))
    distance = int((touched - middle).abs().max())
    assert network.multiple < distance <= reach
