from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.training.mixing import cutmix, mixup

MIXES = pytest.mark.parametrize("mix", [mixup, cutmix])


def batch(count: int, height: int = 12, width: int = 9) -> tuple[torch.Tensor, torch.Tensor]:
    """Picture n is n / count all over, and of class n: what is mixed in can be read from the pixels."""
    pictures = (torch.arange(count) / count)[:, None, None, None].expand(count, 3, height, width).clone()
    return pictures, torch.eye(count)


@MIXES
@given(count=st.integers(2, 6), alpha=st.floats(0.05, 4), seed=st.integers(0, 50))
@settings(max_examples=60, deadline=None)
def test_labels_are_mixed_in_the_shares_of_the_pictures(
    mix: Callable[..., tuple[torch.Tensor, torch.Tensor]], count: int, alpha: float, seed: int
) -> None:
    pictures, targets = batch(count)
    before = pictures.clone()
    mixed, soft = mix(pictures, targets, alpha, np.random.default_rng(seed))
    assert mixed.shape == pictures.shape
    assert torch.equal(pictures, before)
    assert torch.allclose(soft.sum(1), torch.ones(count))
    assert ((soft > 0).sum(1) <= 2).all()
    # The mean of a picture is what its label says.
    assert torch.allclose(mixed.mean(dim=(1, 2, 3)), soft @ (torch.arange(count) / count), atol=1e-5)


@MIXES
def test_the_generator_decides(mix: Callable[..., tuple[torch.Tensor, torch.Tensor]]) -> None:
    pictures, targets = batch(5)
    first, again, other = (mix(pictures, targets, 1.0, np.random.default_rng(n)) for n in (1, 1, 2))
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])
    assert not torch.equal(first[1], other[1])


@MIXES
def test_nothing_is_mixed_at_alpha_0_or_alone(mix: Callable[..., tuple[torch.Tensor, torch.Tensor]]) -> None:
    for count, alpha in ((4, 0.0), (1, 1.0)):
        pictures, targets = batch(count)
        mixed, soft = mix(pictures, targets, alpha, np.random.default_rng(0))
        assert torch.equal(mixed, pictures)
        assert torch.equal(soft, targets)


def test_cutmix_keeps_pixels_whole_and_mixup_mixes_features_too() -> None:
    pictures, targets = batch(4)
    mixed, _ = cutmix(pictures, targets, 1.0, np.random.default_rng(3))
    assert set(mixed.unique().tolist()) <= set(pictures.unique().tolist())
    rows, soft = mixup(torch.eye(4), targets, 1.0, np.random.default_rng(3))
    assert torch.allclose(rows, soft)
