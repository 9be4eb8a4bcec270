"""What the enhancing networks learn from: examples, loss, validation."""

from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from pipeline.training.enhancer import (
    Crops,
    MendingTask,
    bicubic,
    eight_bit,
    enlarged,
    random_crop,
    reduced,
    resized,
    with_noise,
    worn,
)
from tests.conftest import painting

WORN = partial(worn, most=50.0, gaussian=0.4)


class Adds(nn.Module):
    """A network of one weight."""

    def __init__(self):
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(3, 1, 1))

    def forward(self, picture, noise):
        return self.shift * (1 + noise)


def make_task(side=32, fft_weight=0.1, worsen=WORN, picture_side=60, scales=(1.0, 1.0)):
    return MendingTask(
        Adds(),
        inputs=["picture", "noise"],
        train=[painting(n, picture_side, picture_side + 9) for n in range(3)],
        validation=[painting(n, picture_side, picture_side) for n in (10, 11)],
        worsen=worsen,
        probes={"low": partial(with_noise, sigma=10.0), "high": partial(with_noise, sigma=40.0)},
        crops=Crops(side=side, per_epoch=10, validation=3, scales=scales),
        batch_size=4,
        learning_rate=0.1,
        fft_weight=fft_weight,
        bf16=False,
        seed=0,
    )


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def nearest(pixels, scale):
    return pixels.repeat(scale, 0).repeat(scale, 1)


def truth(side=64):
    return random_crop(painting(0, side, side), side, np.random.default_rng(0))


def test_an_epoch_is_a_function_of_seed_and_epoch():
    task = make_task()
    first, again, next_epoch = (list(task.batches(epoch, 0, 1)) for epoch in (0, 0, 1))
    assert [len(batch["truth"]) for batch in first] == [4, 4, 2]
    assert all(map(same, first, again))
    assert not same(first[0], next_epoch[0])
    assert not same(first[0], next(task.batches(0, 1, 2)))
    assert sum(len(batch["truth"]) for batch in task.batches(0, 0, 2)) == 5


def test_examples_are_eight_bit_pictures_with_a_level_of_noise():
    for batch in make_task().batches(0, 0, 1):
        assert batch["picture"].shape == batch["truth"].shape == (len(batch["truth"]), 3, 32, 32)
        assert batch["noise"].shape[1:] == (1, 32, 32) and batch["noise"].max() < 0.5
        for name in ("picture", "truth"):
            whole = batch[name] * 255
            assert (whole - whole.round()).abs().max() < 1e-3 and 0 <= whole.min() <= whole.max() <= 255


def test_noise_has_its_level_and_every_kind_of_wear_is_drawn():
    flat = np.full((128, 128, 3), 0.5, np.float32)
    noisy = with_noise(flat, np.random.default_rng(0), sigma=20.0)
    assert np.std(noisy["picture"] - flat) * 255 == pytest.approx(20, rel=0.02)
    assert noisy["noise"][0, 0, 0] * 255 == pytest.approx(20)
    sharp = truth()
    draws = [WORN(sharp, np.random.default_rng(seed)) for seed in range(40)]
    grey = [np.ptp(draw["picture"] - sharp, axis=2).max() < 2 / 255 for draw in draws]
    assert 0 < sum(grey) < 20
    assert all(draw["picture"].dtype == draw["noise"].dtype == np.float32 for draw in draws)


def test_what_is_reduced_has_the_scale_and_is_interpolated_back():
    sharp = truth()
    example = reduced(sharp, np.random.default_rng(0), scale=4, enlarge=nearest)
    assert example["picture"].shape == (16, 16, 3) and example["base"].shape == sharp.shape
    assert np.array_equal(example["base"], nearest(example["picture"], 4))
    flat = np.full((8, 8, 3), 0.2, np.float32)
    assert np.array_equal(bicubic(flat, 2, 2), eight_bit(flat)[:2, :2])


def test_reducing_is_antialiased():
    rows = (np.arange(64) % 2).astype(np.float32)
    stripes = np.broadcast_to(rows[:, None, None], (64, 64, 3))
    assert np.ptp(bicubic(stripes, 16, 16)[2:-2]) < 0.1


def test_a_picture_smaller_than_a_crop_is_mirrored_outward():
    batch = next(make_task(side=64, picture_side=40).batches(0, 0, 1))
    assert batch["truth"].shape[2:] == (64, 64)


def test_the_loss_is_none_for_the_truth_and_reaches_the_network():
    task = make_task(worsen=lambda pixels, rng: {**with_noise(pixels, rng, sigma=0.0)})
    batch = next(task.batches(0, 0, 1))
    loss, row = task.loss("network", batch, task.networks)
    assert loss.item() == pytest.approx(0.001, abs=1e-6) and row["l1"] == 0
    task = make_task()
    batch = next(task.batches(0, 0, 1))
    loss, row = task.loss("network", batch, task.networks)
    loss.backward()
    assert row["l1"] > 0.01 and task.networks["network"].shift.grad.abs().max() > 0
    plain, _ = make_task(fft_weight=0.0).loss("network", batch, task.networks)
    assert plain < loss


def test_validation_is_fixed_and_tells_each_probe():
    task, again = make_task(), make_task()
    row = task.validate(task.networks["network"], 0)
    assert row["psnr_low"] == pytest.approx(28.1, abs=0.5) and row["psnr_high"] < 20
    assert row["val_psnr"] == pytest.approx((row["psnr_low"] + row["psnr_high"]) / 2)
    assert again.validate(again.networks["network"], 7) == row


def test_without_pictures_there_is_no_batch():
    task = make_task()
    task.train = []
    assert not list(task.batches(0, 0, 1))


def test_crops_are_resized_where_scales_are_given_and_stay_eight_bit():
    own = make_task()
    scaled = make_task(scales=(0.6, 3.0))
    batches = list(scaled.batches(0, 0, 1))
    assert all(map(same, batches, scaled.batches(0, 0, 1)))
    assert not same(batches[0], next(own.batches(0, 0, 1)))
    for batch in batches:
        assert batch["truth"].shape[1:] == (3, 32, 32)
        assert torch.equal(batch["truth"], (batch["truth"] * 255).round() / 255)


def test_the_middle_is_enlarged_before_it_is_made_worse():
    still = partial(with_noise, sigma=0.0)
    example = enlarged(truth(64), np.random.default_rng(0), worsen=still, ratio=2)
    assert example["truth"].shape == (64, 64, 3)
    back = resized(example["truth"], 32)
    assert np.abs(back - truth(64)[16:48, 16:48]).mean() < 0.02
    # Enlarged, it is smooth: neighbours differ by about half.
    steps = [
        np.abs(np.diff(picture, axis=0)).mean() for picture in (truth(64)[16:48, 16:48], example["truth"])
    ]
    assert steps[1] < 0.7 * steps[0]
