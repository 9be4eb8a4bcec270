"""DiffAugment: what it leaves alone, what it changes, and that gradients pass."""

import pytest
import torch

from pipeline.training.diffaugment import diffaugment


@pytest.fixture
def pictures() -> torch.Tensor:
    torch.manual_seed(0)
    return torch.rand(4, 3, 16, 16) * 2 - 1


def test_probability_zero_is_the_identity(pictures):
    assert torch.equal(diffaugment(pictures, p=0), pictures)


def test_probability_one_changes_every_picture_and_keeps_the_shape(pictures):
    changed = diffaugment(pictures, p=1)
    assert changed.shape == pictures.shape
    assert (changed != pictures).flatten(1).any(dim=1).all()


def test_gradients_reach_the_pictures(pictures):
    pictures.requires_grad_()
    diffaugment(pictures, p=1).square().sum().backward()
    assert pictures.grad is not None
    assert (pictures.grad != 0).flatten(1).any(dim=1).all()


def test_gradient_is_the_numerical_one():
    picture = (torch.rand(1, 3, 4, 8, dtype=torch.float64) * 2 - 1).requires_grad_()

    def seeded(x: torch.Tensor) -> torch.Tensor:
        torch.manual_seed(3)
        return diffaugment(x, p=1)

    assert torch.autograd.gradcheck(seeded, (picture,))


def test_same_seed_same_changes(pictures):
    torch.manual_seed(1)
    first = diffaugment(pictures)
    torch.manual_seed(1)
    assert torch.equal(first, diffaugment(pictures))


def test_cutout_and_translation_put_mid_grey_in(pictures):
    bright = torch.ones_like(pictures)
    changed = diffaugment(bright, p=1)
    greys = (changed == 0).all(dim=1).flatten(1).float().mean(dim=1)
    assert ((greys > 0.05) & (greys < 0.5)).all()
