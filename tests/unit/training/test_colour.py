"""The colour network's examples, loss and validation."""

import numpy as np
import pytest
import torch
from torch import nn

from pipeline.models.cells import CHANNELS, SIDE
from pipeline.models.colour import KNOTS
from pipeline.training.colour import ColourTask
from tests.conftest import painting


def darker(pixels, rng):
    return pixels * np.float32(rng.uniform(0.4, 0.6))


class Gain(nn.Module):
    """One curve for all pictures: a straight line of a learnt slope."""

    def __init__(self):
        super().__init__()
        self.slope = nn.Parameter(torch.ones(()))

    def forward(self, pictures):
        return (self.slope * torch.linspace(0, 1, KNOTS)).expand(len(pictures), 3, KNOTS)


def make_task(count=3, damage=darker):
    return ColourTask(
        Gain(),
        train=[painting(n, 90, 70) for n in range(count)],
        validation=[painting(n, 40, 300) for n in (10, 11)],
        damage=damage,
        judged={"none": lambda pixels, _: pixels, "darker": darker},
        pictures=7,
        batch_size=4,
        learning_rate=0.1,
        weight_decay=0.0,
        seed=0,
    )


def test_an_epoch_is_a_function_of_seed_and_epoch():
    task = make_task()
    first, again, other = (list(task.batches(epoch, 0, 1)) for epoch in (0, 0, 1))
    assert [len(batch["truth"]) for batch in first] == [4, 3]
    assert all(torch.equal(a[name], b[name]) for a, b in zip(first, again, strict=True) for name in a)
    assert not torch.equal(first[0]["damaged"], other[0]["damaged"])


def test_examples_are_cells_damaged_alike():
    batch = next(iter(make_task().batches(0, 0, 1)))
    assert batch["damaged"].shape == (4, CHANNELS, SIDE, SIDE)
    assert batch["truth"].shape == (4, 3, SIDE, SIDE)
    ratio = batch["damaged"][:, -3:].sum((1, 2, 3)) / batch["truth"].sum((1, 2, 3))
    assert ((ratio > 0.39) & (ratio < 0.61)).all()
    mean, least, most = (batch["damaged"][:, first : first + 3] for first in (0, 3, 6))
    assert (least <= mean + 1e-5).all() and (mean <= most + 1e-5).all()


def test_the_loss_falls_as_the_gain_is_found():
    task = make_task()
    network, optimizer = task.networks["colour"], task.phases[0][2]
    for epoch in range(8):
        for batch in task.batches(epoch, 0, 1):
            optimizer.zero_grad()
            loss, row = task.loss("colour", batch, task.networks)
            loss.backward()
            optimizer.step()
    assert 1.5 < float(network.slope.detach()) < 2.6
    assert row["delta_e"] < 0.7 * row["delta_e_before"]


def test_validation_tells_the_kinds_apart():
    task = make_task()
    row = task.validate(task.networks["colour"], 0)
    assert set(row) == {"val_delta_e", "val_none", "val_darker"}
    assert row["val_none"] == pytest.approx(0.01, abs=0.005)  # the smoothed root of nought
    assert row["val_darker"] > 5
    assert row["val_delta_e"] == pytest.approx((row["val_none"] + row["val_darker"]) / 2)


def test_no_picture_gives_no_batch():
    assert list(make_task(count=0).batches(0, 0, 1)) == []
