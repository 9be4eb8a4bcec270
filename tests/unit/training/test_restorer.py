"""The restorer's examples and loss."""

import numpy as np
import pytest
import torch
from torch import nn

from pipeline.training.restorer import Examples, RestorerTask, hole_mean, hole_psnr
from tests.conftest import painting


def square_hole(pixels, rng):
    damaged, mask = pixels.copy(), np.zeros(pixels.shape[:2], bool)
    top, left = rng.integers(8, np.array(mask.shape) - 24)
    mask[top : top + 10, left : left + 12] = True
    damaged[mask] = 1
    return damaged, mask


def grey(pixels, mask):
    filled = pixels.copy()
    filled[mask] = 0.5
    return filled


class Adds(nn.Module):
    """A network of one weight."""

    def __init__(self):
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(3, 1, 1))

    def forward(self, normal, mask):
        return (self.shift * mask).expand_as(normal)


def make_task(damage=square_hole, start=grey, side=96, **overrides):
    values = {"crop": 32, "per_picture": 3, "pictures": 4, "least_share": 0.01, "zoom": 1.0}
    examples = Examples(validation_pictures=2, **(values | overrides))
    return RestorerTask(
        Adds(),
        train=[painting(n, side, side + 9) for n in range(3)],
        validation=[painting(n, side, side) for n in (10, 11)],
        damage=damage,
        start=start,
        examples=examples,
        batch_size=4,
        learning_rate=0.1,
        fft_weight=0.1,
        bf16=False,
        seed=0,
    )


def same(one, other):
    return all(torch.equal(one[name], other[name]) for name in one)


def test_an_epoch_is_a_function_of_seed_and_epoch():
    task = make_task()
    first, again, next_epoch = (list(task.batches(epoch, 0, 1)) for epoch in (0, 0, 1))
    assert len(first) == 3 and all(map(same, first, again))
    assert not same(first[0], next_epoch[0])
    assert not same(first[0], next(task.batches(0, 1, 2)))


def test_crops_are_the_truth_outside_the_mask_and_the_start_inside():
    for batch in make_task().batches(0, 0, 1):
        assert batch["start"].shape == batch["truth"].shape == (4, 3, 32, 32)
        holes = (batch["mask"] == 1).expand_as(batch["start"])
        assert holes.any((1, 2, 3)).all()
        assert torch.equal(batch["start"][~holes], batch["truth"][~holes])
        assert (batch["start"][holes] == 0.5).all()


def test_a_picture_smaller_than_a_crop_is_mirrored_outward():
    batch = next(make_task(side=40, crop=64).batches(0, 0, 1))
    assert batch["truth"].shape[2:] == (64, 64)


def test_a_start_that_is_perfect_cannot_be_bettered_and_a_bad_one_costs_more():
    task = make_task()
    batch = next(task.batches(0, 0, 1))
    perfect = {**batch, "start": batch["truth"]}
    assert task.loss("restorer", perfect, task.networks)[0].item() == pytest.approx(0, abs=1e-6)
    loss, row = task.loss("restorer", batch, task.networks)
    assert loss.item() > 0.5 and row["l1"] > 0.01


def test_the_loss_reaches_the_network_from_the_holes_alone():
    task = make_task()
    batch = next(task.batches(0, 0, 1))
    task.loss("restorer", batch, task.networks)[0].backward()
    with_holes = task.networks["restorer"].shift.grad.clone()
    assert with_holes.abs().min() > 0
    task.networks["restorer"].shift.grad = None
    closed = {**batch, "mask": torch.zeros_like(batch["mask"])}
    task.loss("restorer", closed, task.networks)[0].backward()
    assert not task.networks["restorer"].shift.grad.any()


def test_validation_is_fixed_and_starts_at_the_classical_method():
    task, again = make_task(), make_task()
    row = task.validate(task.networks["restorer"], 0)
    assert row["val_psnr"] == pytest.approx(row["val_psnr_start"]) and 5 < row["val_psnr"] < 40
    assert again.validate(again.networks["restorer"], 7) == row


def test_hole_means_are_per_picture():
    values = torch.arange(2.0).view(2, 1, 1, 1).expand(2, 3, 4, 4)
    mask = torch.zeros(2, 1, 4, 4)
    mask[:, :, :2] = 1
    assert hole_mean(values, mask).tolist() == [0, 1]
    assert hole_psnr(values * 0.1, torch.zeros(2, 3, 4, 4), mask).tolist() == pytest.approx([100, 20])
