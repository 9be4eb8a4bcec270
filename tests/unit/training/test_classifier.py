"""What the classifier's tasks draw, and what their losses reward: weights, mixed labels, shifted logits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from pipeline.catalog.sets.balance import Balance, Balancing
from pipeline.training.classifier import Losses, PictureTask, Recipe
from pipeline.training.families.classifiers.frozen import DescriptionTask
from pipeline.training.labels import NO_SCHOOL, Labels, plain_labels
from pipeline.training.mixing import UNMIXED, Mixing
from pipeline.training.task import Schedule

SCHEDULE = Schedule(
    epochs=1, batch_size=64, learning_rate=0.1, cosine=False, ema_decay=0.0, clip_norm=0.0, patience=0, seed=0
)
SCHOOLS = np.array([0] * 6 + [1] * 3 + [NO_SCHOOL] * 3, np.int64)
COUNT, WIDTH = len(SCHOOLS), 5


def labels() -> Labels:
    held = np.arange(COUNT)[:, None] % np.array([2, 3]) == 0
    weight = np.where(SCHOOLS == 1, 2.0, SCHOOLS == 0).astype(np.float32)
    return replace(plain_labels(SCHOOLS, held.astype(np.float32)), weight=weight)


def recipe(mixing: Mixing = UNMIXED, balance: Balance = "none", smoothing: float = 0.0) -> Recipe:
    losses = Losses(l2_school=0, l2_tags=0, label_smoothing=smoothing, completed_weight=1)
    return Recipe(losses, SCHEDULE, 3, mixing, Balancing(balance, 0))


def task(given: Recipe, train: Labels | None = None) -> DescriptionTask:
    """Work n is described by zeros and its number, so that a mixed batch says of what it is mixed."""
    rows = np.zeros((COUNT, 2, WIDTH), np.float32)
    rows[:, :, 0] = np.arange(COUNT)[:, None]
    known = train or labels()
    return DescriptionTask(rows, known, rows[:, 0], known, given)


def weights(network: nn.Module) -> dict[str, nn.Module]:
    """The network with a head that is not all zeros."""
    with torch.no_grad():
        for number, parameter in enumerate(network.parameters()):
            noise = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(number))
            parameter.copy_(parameter + noise)
    return {"classifier": network}


def test_repeat_is_how_often_a_work_is_drawn_and_processes_share() -> None:
    four = replace(plain_labels(np.arange(4), np.zeros((4, 1), np.float32)), repeat=np.array([0, 1, 2, 4]))
    views = np.zeros((4, 2, WIDTH), np.float32)
    three_each = SCHEDULE.model_copy(update={"batch_size": 3})
    own = DescriptionTask(views, four, views[:, 0], four, Recipe(recipe().losses, three_each, 4))

    def drawn(epoch: int, rank: int, processes: int) -> list[int]:
        return [n for b in own.batches(epoch, rank, processes) for n in b["school"].argmax(1).tolist()]

    assert sorted(drawn(0, 0, 1)) == [1, 2, 2, 3, 3, 3, 3]
    assert drawn(0, 0, 1) == drawn(0, 0, 1) != drawn(1, 0, 1)
    halves = drawn(0, 0, 2), drawn(0, 1, 2)
    assert len(halves[0]) == len(halves[1]) == 4
    assert set(halves[0] + halves[1]) == {1, 2, 3}


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_the_loss_is_weighted_cross_entropy_and_that_of_the_tags(smoothing: float) -> None:
    own = task(recipe(smoothing=smoothing))
    networks = weights(own.networks["classifier"])
    (batch,) = own.batches(0, 0, 1)
    loss, row = own.loss("classifier", batch, networks)
    order = batch["inputs"][:, 0].long().numpy()
    known = labels()[order]
    logits = networks["classifier"](batch["inputs"])
    school = functional.cross_entropy(
        logits[:, :3],
        torch.from_numpy(known.school).clamp(min=0),
        reduction="none",
        label_smoothing=smoothing,
    )
    tags = functional.binary_cross_entropy_with_logits(
        logits[:, 3:], torch.from_numpy(known.tags), reduction="none"
    )
    expected = (school * torch.from_numpy(known.weight)).mean() + tags.sum(1).mean()
    torch.testing.assert_close(loss, expected)
    assert row["loss"] == pytest.approx(expected.item())


def test_a_mixed_pair_is_learnt_from_as_its_two_works_in_their_shares() -> None:
    own = task(recipe(Mixing(mixup=1.0, cutmix=0.0)))
    networks = weights(own.networks["classifier"])
    (batch,) = own.batches(0, 0, 1)
    (plain,) = task(recipe()).batches(0, 0, 1)
    assert not torch.equal(batch["inputs"], plain["inputs"])
    logits = networks["classifier"](batch["inputs"])
    # The rows of weights say how much of which school is in a work; those without a school have none.
    mass = torch.from_numpy(labels().weight).sum()
    torch.testing.assert_close(batch["school"].sum(), mass)
    assert (batch["school"].sum(1) < 2.01).all()
    chances = logits[:, :3].log_softmax(1)
    tags = functional.binary_cross_entropy_with_logits(logits[:, 3:], batch["tags"], reduction="none")
    expected = -(batch["school"] * chances).sum(1).mean() + tags.sum(1).mean()
    torch.testing.assert_close(own.loss("classifier", batch, networks)[0], expected)


def test_two_works_without_a_school_leave_no_trace_on_the_schools_logits() -> None:
    none = plain_labels(np.full(COUNT, NO_SCHOOL), labels().tags)
    own = task(recipe(Mixing(mixup=1.0, cutmix=0.0)), none)
    networks = weights(own.networks["classifier"])
    (batch,) = own.batches(0, 0, 1)
    own.loss("classifier", batch, networks)[0].backward()
    gradient = own.head.weight.grad
    assert gradient is not None
    assert (gradient[:3] == 0).all()
    assert (gradient[3:] != 0).any()


def test_works_whose_tags_are_not_known_leave_no_trace_on_the_tags_logits() -> None:
    own = task(recipe(), replace(labels(), tag_weight=np.zeros(COUNT, np.float32)))
    networks = weights(own.networks["classifier"])
    (batch,) = own.batches(0, 0, 1)
    own.loss("classifier", batch, networks)[0].backward()
    gradient = own.head.weight.grad
    assert gradient is not None
    assert (gradient[3:] == 0).all()
    assert (gradient[:3] != 0).any()


def test_the_epoch_decides_what_is_mixed_with_what() -> None:
    mixing = Mixing(mixup=0.4, cutmix=0.0)

    def inputs(epoch: int) -> torch.Tensor:
        (batch,) = task(recipe(mixing)).batches(epoch, 0, 1)
        return batch["inputs"]

    assert torch.equal(inputs(0), inputs(0))
    assert not torch.equal(inputs(0), inputs(1))


def test_logit_adjustment_adds_the_schools_shares_in_the_training_loss_only() -> None:
    own = task(recipe(balance="logit_adjustment"))
    networks = weights(own.networks["classifier"])
    shares = np.array([6, 6]) / 12  # draws times weights of the first two schools; the third has no work
    np.testing.assert_allclose(own.adjustment.numpy()[:2], np.log(shares), atol=1e-2)
    plain = task(recipe())
    plain.networks["classifier"].load_state_dict(own.networks["classifier"].state_dict())
    (batch,) = own.batches(0, 0, 1)
    logits = networks["classifier"](batch["inputs"]).detach()
    shifted = logits[:, :3] + own.adjustment
    school = -(batch["school"] * shifted.log_softmax(1)).sum(1).mean()
    tags = functional.binary_cross_entropy_with_logits(logits[:, 3:], batch["tags"], reduction="none")
    torch.testing.assert_close(
        own.loss("classifier", batch, networks)[0], school + tags.sum(1).mean(), check_stride=False
    )
    with torch.no_grad():
        assert own.validate(networks["classifier"], 0) == plain.validate(plain.networks["classifier"], 0)


def test_with_logit_adjustment_the_schools_start_even_and_the_tags_as_ever() -> None:
    adjusted, plain = (task(recipe(balance=name)).head.bias.detach() for name in ("logit_adjustment", "none"))
    assert adjusted[:2].tolist() == pytest.approx([0, 0], abs=1e-6)
    assert adjusted[2] < -5, "a school without a work is not as likely as the others"
    torch.testing.assert_close(adjusted[3:], plain[3:])
    uneven = task(recipe(), replace(labels(), repeat=np.where(SCHOOLS == 1, 3, 1))).head.bias.detach()
    assert uneven[1] > uneven[0]


def picture_task(strength: list[float], mixing: Mixing = UNMIXED) -> tuple[PictureTask, list[Any]]:
    """Pictures of one colour, work n's being n x 10; how each is altered is written down."""
    asked: list[Any] = []

    def augmenter(seed: int, strength: float) -> Callable[[np.ndarray], np.ndarray]:
        asked.append((seed, strength))
        return lambda picture: picture + np.uint8(100 * strength)

    count = len(strength)
    pictures = [np.full((8, 8, 3), n * 10, np.uint8) for n in range(count)]
    own = replace(
        plain_labels(np.arange(count) % 2, np.zeros((count, 1), np.float32)), strength=np.array(strength)
    )
    network = nn.Sequential(nn.Flatten(), nn.Linear(192, 4))
    given = ([], own[np.array([], np.int64)])
    return PictureTask(network, (pictures, own), given, recipe(mixing), side=8, augmenter=augmenter), asked


def test_a_rare_work_s_picture_is_altered_by_its_own_strength() -> None:
    own, asked = picture_task([0.0, 0.5, 0.5, 1.0])
    (batch,) = own.batches(0, 0, 1)
    values = sorted(round(float(v) * 255) for v in batch["inputs"][:, 0, 0, 0])
    assert values == [0, 10 + 50, 20 + 50, 30 + 100]
    assert [strength for _, strength in asked] == [0.0, 0.5, 1.0]
    assert len({seed for seed, _ in asked}) == 3, "each with draws of its own"
    asked.clear()
    list(own.batches(1, 0, 1))
    again = list(asked)
    asked.clear()
    list(own.batches(1, 0, 1))
    assert asked == again, "an epoch's draws are its own"


def test_cutmix_puts_a_part_of_another_picture_and_its_share_of_the_label() -> None:
    own, _ = picture_task([0.0] * 4, Mixing(mixup=0.0, cutmix=1.0))
    batches = [batch for epoch in range(8) for batch in own.batches(epoch, 0, 1)]
    assert all(set(torch.round(b["inputs"] * 255).unique().tolist()) <= {0, 10, 20, 30} for b in batches)
    assert any(len(picture.unique()) == 2 for b in batches for picture in b["inputs"])
    for batch in batches:
        torch.testing.assert_close(batch["school"].sum(1), torch.ones(4))
