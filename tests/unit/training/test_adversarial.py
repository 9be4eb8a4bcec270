"""The restorer's adversarial refinement: who learns when, what is kept, exact resume, off by default."""

import json
import math

import pytest
import torch

from pipeline.errors import PentimentoError
from pipeline.models.patchgan import PatchDiscriminator
from pipeline.models.unet import ResidualUNet
from pipeline.stages.train_restorer import Params, make_task, make_trainer, stakes
from pipeline.training.adversarial import (
    AdversarialTask,
    AdversarialTrainer,
    PatchAdversarial,
    steepness,
)
from pipeline.training.loop import Trainer, make_fabric
from pipeline.training.restorer import RestorerTask
from tests.conftest import TRAIN_RESTORER, painting

OFF = TRAIN_RESTORER["adversarial"] | {"from_epoch": 0}
SETTINGS = TRAIN_RESTORER | {"start": "telea", "bf16": False, "epochs": 3}


def params(adversarial=None, **changes):
    values = SETTINGS | changes | {"adversarial": OFF | (adversarial or {})}
    return Params.model_validate_json(json.dumps(values))


def plain_task(given):
    torch.manual_seed(1)
    network = ResidualUNet(**given.network.model_dump())
    pictures = [painting(n, 64, 64) for n in range(6)]
    return make_task(network, given, pictures[:4], pictures[4:])


def adversarial_task(**changes):
    given = params({"weight": 0.5, **changes})
    torch.manual_seed(2)
    discriminator = PatchDiscriminator(given.adversarial.width, 2)
    return AdversarialTask(plain_task(given), discriminator, given.adversarial)


def train(folder, given):
    trainer = make_trainer(plain_task(given), given, folder, make_fabric())
    return trainer.fit("test"), trainer


def weights(network):
    return {name: value.detach().clone() for name, value in network.state_dict().items()}


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(value, other[name]) for name, value in one.items())


def test_without_weight_the_rest_of_the_group_changes_nothing(tmp_path):
    trained = []
    for name, group in (("one", None), ("other", {"width": 64, "from_epoch": 99})):
        network, trainer = train(tmp_path / name, params(group))
        assert type(trainer) is Trainer and type(trainer.task) is RestorerTask
        assert [phase for phase, _, _ in trainer.task.phases] == ["restorer"]
        assert stakes(params(group).adversarial, trainer) == {}
        trained.append((weights(network), trainer.history))
    assert same(trained[0][0], trained[1][0]) and trained[0][1] == trained[1][1]


def test_until_it_sets_in_the_restorer_is_trained_as_without_it(tmp_path):
    plain, trainer = train(tmp_path / "plain", params(cosine=False, epochs=2))
    late, played = train(tmp_path / "late", params({"weight": 0.5, "from_epoch": 2}, cosine=False))
    first = played.history[:2]
    assert [row["val_psnr"] for row in first] == [row["val_psnr"] for row in trainer.history]
    assert not any("d_loss" in row for row in first) and "d_loss" in played.history[2]
    assert not same(weights(plain), weights(late))


def test_the_discriminator_learns_on_a_fixed_batch_and_the_restorer_stays():
    task = adversarial_task(width=8)
    batch = next(task.batches(0, 0, 1))
    before = weights(task.networks["restorer"])
    optimizer = task.phases[0][2]
    losses = []
    for _ in range(60):
        optimizer.zero_grad()
        loss, row = task.loss("discriminator", batch, task.networks)
        loss.backward()
        optimizer.step()
        losses.append(row["d_loss"])
    assert losses[-1] < 0.8 * losses[0] and row["d_real"] > row["d_fake"]
    assert same(before, weights(task.networks["restorer"]))
    assert all(weight.grad is None for weight in task.networks["restorer"].parameters())


def test_its_verdict_reaches_the_restorer_from_the_holes_alone():
    task = adversarial_task()
    batch = next(task.batches(0, 0, 1))
    restorer = task.networks["restorer"]

    def gradient(batch):
        restorer.zero_grad()
        task._deceive(task.restorer.refined(restorer, batch), batch).backward()
        return restorer.head.weight.grad.clone()

    assert gradient(batch).any()
    assert all(weight.grad is None for weight in task.discriminator.parameters())
    assert all(weight.requires_grad for weight in task.discriminator.parameters())
    assert not gradient({**batch, "mask": torch.zeros_like(batch["mask"])}).any()
    loss, row = task.loss("restorer", batch, task.networks)
    alone, _ = task.restorer.loss("restorer", batch, task.networks)
    assert loss.item() == pytest.approx(alone.item() + 0.5 * row["g_loss"], abs=1e-5)


def test_patches_without_a_hole_do_not_count():
    task = adversarial_task()
    task.discriminator.eval()
    shapes = {"normal": 3, "start": 3, "truth": 3, "mask": 1, "contrast": 1}
    batch = {name: torch.ones(1, channels, 256, 256) for name, channels in shapes.items()}
    batch["mask"] = torch.zeros(1, 1, 256, 256)
    batch["mask"][..., 20:24, 20:24] = 1
    batch["adversarial"] = torch.ones(1, dtype=torch.bool)

    def verdict(place):
        normal = batch["normal"].clone()
        normal[..., place, place] = 3
        return task.loss("discriminator", {**batch, "normal": normal}, task.networks)[1]["d_real"]

    nothing = verdict(slice(0, 0))
    assert verdict(slice(200, 256)) == nothing
    assert verdict(slice(30, 40)) != nothing


def test_resumed_training_is_bit_equal_to_undisturbed(tmp_path, monkeypatch):
    given = params({"weight": 0.5, "from_epoch": 1}, epochs=4)
    whole, undisturbed = train(tmp_path / "whole", given)

    class Killed(Exception):
        pass

    batches = AdversarialTask.batches

    def cut(self, epoch, rank, processes):
        for number, batch in enumerate(batches(self, epoch, rank, processes)):
            if (epoch, number) == (2, 1):
                raise Killed
            yield batch

    monkeypatch.setattr(AdversarialTask, "batches", cut)
    with pytest.raises(Killed):
        train(tmp_path / "cut", given)
    monkeypatch.undo()
    resumed, trainer = train(tmp_path / "cut", given)
    assert same(weights(whole), weights(resumed))
    assert trainer.history[0].keys() < trainer.history[3].keys()
    assert trainer.history == undisturbed.history and trainer.best["epoch"] == undisturbed.best["epoch"]
    judges = [weights(one.task.discriminator) for one in (trainer, undisturbed)]
    assert same(*judges) and not same(judges[0], weights(PatchDiscriminator(4, 2)))


@pytest.mark.parametrize(
    ("figures", "kept"),
    [
        ([30.0, 31.0, 30.5, 30.6, 30.8, 30.75], 5),  # the last of those within the bound
        ([30.0, 31.0, 30.6, 30.7, 30.2, 30.1], 3),  # then it was given up too much
        ([30.0, 31.0, 30.5, 30.4, 30.1, 30.1], 2),  # just what may be given up
        ([30.0, 31.0, 30.1, 30.2, 30.3, 30.1], 1),  # always too much: as it was before
        ([31.0, 30.8, 30.6, 30.4, 30.3, 30.1], 2),  # before it sets in nothing is given up
    ],
)
def test_the_last_epoch_is_kept_that_gives_up_no_more_than_the_bound(tmp_path, capsys, figures, kept):
    given = params({"weight": 0.5, "from_epoch": 2, "psnr_given_up": 0.5}, epochs=6)
    trainer = make_trainer(plain_task(given), given, tmp_path, make_fabric())
    for epoch, figure in enumerate(figures):
        row = {"val_psnr": figure, "val_sharpness": 0.5}
        trainer._judge(epoch, row)
        trainer.history.append(row)
        trainer.epoch = epoch + 1
    assert trainer.best["epoch"] == kept
    found = stakes(given.adversarial, trainer)
    assert found["psnr_given_up"] == pytest.approx(31.0 - figures[kept])
    assert found["adversarial_epochs"] == max(0, kept - 1)
    assert ("every epoch with the discriminator" in capsys.readouterr().err) == (kept == 1)


def test_patience_is_counted_from_where_it_sets_in(tmp_path):
    given = params({"weight": 0.5, "from_epoch": 4, "psnr_given_up": 0.5}, epochs=9, patience=2)
    trainer = make_trainer(plain_task(given), given, tmp_path, make_fabric())
    ended = []
    for epoch, figure in enumerate([30.0, 29.0, 29.0, 29.0, 29.0, 29.7, 29.0, 29.0]):
        row = {"val_psnr": figure}
        trainer._judge(epoch, row)
        trainer.history.append(row)
        trainer.epoch = epoch + 1
        ended.append(trainer._exhausted())
    assert ended == [False] * 7 + [True]


def test_a_discriminator_that_would_never_set_in_is_refused(tmp_path):
    given = params({"weight": 0.5, "from_epoch": 3})
    with pytest.raises(PentimentoError, match="from_epoch is 3, but there are 3 epochs"):
        make_trainer(plain_task(given), given, tmp_path, make_fabric())


def test_sharpness_is_measured_in_the_holes(tmp_path):
    trainer = train(tmp_path, params({"weight": 0.5}))[1]
    assert isinstance(trainer, AdversarialTrainer)
    assert all(0 < row["val_sharpness"] < math.inf for row in trainer.history)
    values, mask = torch.zeros(1, 1, 8, 8), torch.zeros(1, 1, 8, 8)
    values[..., 5:] = 2  # an edge
    mask[..., 2:4, 5] = 1
    assert steepness(values, mask).item() == 4
    assert steepness(values, mask.roll(-3, 3)).item() == 0


def test_settings_are_checked():
    with pytest.raises(ValueError, match="weight"):
        PatchAdversarial(**(OFF | {"weight": -1.0}))
