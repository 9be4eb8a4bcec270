"""The restorer network: it starts at the classical filling and sees as far as it says."""

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
    start = torch.rand(1, 3, side, side, generator=generator)
    return start, (torch.rand(1, 1, side, side, generator=generator) < 0.2).float()


def test_a_new_network_gives_back_the_classical_filling():
    start, mask = inputs()
    assert torch.equal(ResidualUNet(**SMALL)(start, mask), start)


def test_only_holes_change_once_it_has_learnt():
    start, mask = inputs()
    refined = trained()(start, mask)
    outside = (mask == 0).expand_as(start)
    assert torch.equal(refined[outside], start[outside])
    assert (refined != start)[~outside].float().mean() > 0.9


def test_every_weight_gets_a_gradient_after_the_first_update():
    network = ResidualUNet(**SMALL)
    start, mask = inputs()
    for _ in range(3):
        network.zero_grad()
        (network(start, mask) - 0.3).square().mean().backward()
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
    start = torch.rand(1, 3, side, side, dtype=torch.float64, requires_grad=True)
    middle = side // 2
    network(start, torch.ones(1, 1, side, side, dtype=torch.float64))[0, :, middle, middle].sum().backward()
    touched = torch.nonzero(start.grad.abs().sum((0, 1)))
    distance = int((touched - middle).abs().max())
    assert network.multiple < distance <= reach


def test_brightness_and_contrast_of_a_passage_carry_over():
    network = trained().double()
    start, mask = (tensor.double() for tensor in inputs())
    plain = network(start, mask) - start
    dim = network(start * 0.5 + 0.2, mask) - (start * 0.5 + 0.2)
    assert torch.allclose(dim, plain * 0.5, atol=plain.abs().max().item() * 0.1)
