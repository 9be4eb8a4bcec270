"""The detector's examples, loss and validation."""

import numpy as np
import pytest
import torch

from pipeline.errors import PentimentoError
from pipeline.models.detector import DamageDetector
from pipeline.models.hats import CHANNELS
from pipeline.training.detector import DetectorTask, any_damage, overlap
from pipeline.training.examples import DamagedExamples as Examples
from tests.conftest import painting

KINDS = ("cracks", "dust")


def white_square(pixels, rng):
    aged, mask = pixels.copy(), np.zeros(pixels.shape[:2], bool)
    top, left = rng.integers(0, np.array(mask.shape) - 30)
    mask[top : top + 30, left : left + 30] = True
    aged[mask] = 1
    unsure = np.zeros_like(mask)
    unsure[0] = True
    return aged, {"dust": mask}, unsure


def nothing(pixels, rng):
    return pixels, {}, np.zeros(pixels.shape[:2], bool)


def make_task(ageing=white_square, side=96, **overrides):
    values = {"crop": 32, "per_picture": 3, "pictures": 4, "smallest": 64, "largest": 128, "doubled": 0.0}
    torch.manual_seed(0)
    return DetectorTask(
        DamageDetector(KINDS, widths=(8, 8), blocks=(1,), dilations=(1,)),
        train=[painting(n, side, side + 9) for n in range(3)],
        validation=[painting(n, side, side) for n in (10, 11)],
        ageing=ageing,
        examples=Examples(validation_pictures=2, **(values | overrides)),
        batch_size=4,
        learning_rate=0.01,
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


def test_damage_lies_in_the_map_of_its_kind():
    task = make_task(crop=64)
    for batch in task.batches(0, 0, 1):
        assert batch["picture"].shape[1:] == (CHANNELS, 64, 64)
        cracks, dust = batch["damage"].unbind(1)
        assert not cracks.any() and dust.any()
        white = batch["picture"][:, :3].amin(1) == 0.5
        assert white[dust > 0].all()
        assert set(batch["known"].unique().tolist()) <= {0.0, 1.0}


def test_half_of_the_crops_and_more_hold_damage_however_small_it_is():
    def speck(pixels, rng):
        mask = np.zeros(pixels.shape[:2], bool)
        mask[tuple(rng.integers(0, mask.shape))] = True
        return pixels, {"dust": mask}, np.zeros_like(mask)

    task = make_task(speck, side=200, smallest=200, largest=200, pictures=100)
    held = torch.cat([batch["damage"].flatten(1).any(1) for batch in task.batches(0, 0, 1)])
    assert 0.4 < held.float().mean() < 0.7  # one in 25 by chance


def test_small_pictures_are_shown_enlarged_with_their_damage():
    for batch in make_task(crop=64, doubled=1.0).batches(0, 0, 1):
        assert batch["picture"].shape[1:] == (CHANNELS, 64, 64)
        pairs = batch["damage"].unfold(2, 2, 2).unfold(3, 2, 2).flatten(4)
        assert (pairs.amax(-1) == pairs.amin(-1)).all()  # a pixel's four copies agree
        inside = -torch.nn.functional.max_pool2d(-batch["damage"][:, 1:].float(), 9, 1) > 0
        white = batch["picture"][:, :3].amin(1, keepdim=True)[..., 4:-4, 4:-4] > 0.49
        assert inside.any() and white[inside].all()


def test_half_of_the_time_a_picture_keeps_its_size():
    seen = []

    def sizes(pixels, rng):
        seen.append(max(pixels.shape))
        return nothing(pixels, rng)

    list(make_task(sizes, side=87, pictures=200, smallest=70, largest=110).batches(0, 0, 1))
    assert 0.4 < np.mean(np.array(seen) == 96) < 0.6 and min(seen) >= 70 and max(seen) <= 110


def test_a_picture_smaller_than_a_crop_is_mirrored_outward():
    batch = next(make_task(side=40, crop=96).batches(0, 0, 1))
    assert batch["picture"].shape[2:] == (96, 96)


def test_training_lowers_the_loss_and_finds_the_squares():
    task = make_task(crop=64)
    network, optimizer = task.networks["detector"], task.phases[0][2]
    batch = next(task.batches(0, 0, 1))
    before = task.loss("detector", batch, task.networks)[0].item()
    for _ in range(40):
        optimizer.zero_grad()
        task.loss("detector", batch, task.networks)[0].backward()
        optimizer.step()
    after, row = task.loss("detector", batch, task.networks)
    assert after.item() < before / 2 and row["tversky"] < 0.3
    assert all(weights.grad.any() for weights in network.parameters())


def test_what_is_too_faint_to_tell_costs_nothing():
    task = make_task()
    task.networks["detector"].eval()
    batch = next(task.batches(0, 0, 1))
    batch["known"][:] = 0
    batch["damage"][:, 0] = 1
    row = task.loss("detector", batch, task.networks)[1]
    assert row["entropy"] == 0 and row["tversky"] == pytest.approx(0, abs=1e-6)


def test_a_damaged_crop_costs_as_much_as_any_other_and_a_clean_one_nothing():
    class Finds(torch.nn.Module):
        def forward(self, picture, as_logits):
            return picture * 40 - 20

    task = make_task()
    task.networks["detector"] = Finds()
    damage = torch.zeros(3, len(KINDS), 64, 64)
    damage[0, 0, :48], damage[1, 0, 9] = 1, 1  # wide and thin; none in the third
    seen = damage.clone()
    seen[1] = 0
    batch = {"picture": seen, "damage": damage.bool(), "known": torch.ones(3, 1, 64, 64, dtype=torch.bool)}
    missed = 1 - 16 / (16 + 64 / 2)  # half of what is missed, beside 16 pixels
    row = task.loss("detector", batch, task.networks)[1]
    assert row["each"] == pytest.approx(missed / 2, abs=1e-3) and row["tversky"] < 0.01
    batch["picture"] = damage
    assert task.loss("detector", batch, task.networks)[1]["each"] == pytest.approx(0, abs=1e-3)
    batch["picture"], batch["damage"][:2] = torch.ones_like(damage), False
    assert task.loss("detector", batch, task.networks)[1]["each"] == 0


def test_validation_is_fixed_and_counts_false_alarms_in_clean_pictures():
    task, again = make_task(crop=128), make_task(crop=128)  # whole pictures: each holds a square
    network = task.networks["detector"].eval()
    with torch.no_grad():
        row = task.validate(network, 0)
        assert again.validate(network, 7) == row
        assert 0 < row["val_f1"] < 1 and row["val_clean_alarms"] == 0  # no clean picture
        assert make_task(nothing).validate(network, 0)["val_f1"] == 0


def test_every_damaged_crop_counts_alike_in_the_mean():
    def of_two_sizes(pixels, rng):
        wide, thin = np.zeros((2, *pixels.shape[:2]), bool)
        wide[: len(wide) // 2] = True
        thin[:, 1] = True
        mask = wide if rng.random() < 0.5 else thin
        return (
            np.where(mask[..., None], [1.0] * 3, 0.5).astype(np.float32),
            {"dust": mask},
            np.zeros_like(mask),
        )

    class FindsWide(torch.nn.Module):
        """Says that whole white squares are damage, and misses lines."""

        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(1))

        def forward(self, picture, as_logits):
            white = (picture[:, :3].amin(1) > 0.4).float()[:, None]
            wide = torch.nn.functional.avg_pool2d(white, 5, 1, 2) > 0.5
            return torch.where(wide, 8.0, -8.0).expand(-1, len(KINDS), -1, -1) * self.weight

    row = make_task(of_two_sizes, crop=64).validate(FindsWide(), 0)
    assert row["val_f1"] > 0.95 and row["val_f1_mean"] < 0.9


def test_damage_of_an_unknown_kind_is_refused():
    def burn(pixels, rng):
        return pixels, {"burns": np.ones(pixels.shape[:2], bool)}, np.zeros(pixels.shape[:2], bool)

    with pytest.raises(PentimentoError, match="no map for damage of the kind burns"):
        make_task(burn)
    with pytest.raises(PentimentoError, match="smallest is larger"):
        make_task(smallest=256)


def test_either_kind_is_damage_and_overlaps_are_those_of_the_literature():
    logits = torch.tensor([0.0, 0.0]).view(1, 2, 1, 1)
    assert any_damage(logits).item() == pytest.approx(0.75)
    found, truth = torch.zeros(1, 1000), torch.zeros(1, 1000)
    found[:, :400] = truth[:, 200:800] = 1
    assert overlap(found, truth, 0.5).item() == pytest.approx(0.4, abs=0.01)  # Dice
    assert overlap(found, truth, 1.0).item() == pytest.approx(0.5, abs=0.01)  # precision
    assert overlap(found, truth, 0.0).item() == pytest.approx(1 / 3, abs=0.01)  # recall
