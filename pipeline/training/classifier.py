"""What a classifier brings to the training loop: examples, losses, validation.

Two ways to learn: `PictureTask` trains a whole network on augmented pictures; `DescriptionTask` in
families/classifiers/frozen.py trains a head on descriptions that the frozen trunk computes once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from pipeline.models.lite0 import to_input
from pipeline.params import StageParams
from pipeline.training.labels import NO_SCHOOL, Balancing, Labels, school_mass
from pipeline.training.mixing import UNMIXED, Mixing, mixed
from pipeline.training.task import Batch, Row, Schedule

Picture = NDArray[np.uint8]
# (seed, strength beyond the policy's) -> a function whose draws follow the seed.
Augmenter = Callable[[int, float], Callable[[Picture], Picture]]


class Losses(StageParams):
    """What is minimised; a group inside the trainer's parameters."""

    l2_school: float = Field(ge=0)
    l2_tags: float = Field(ge=0)
    label_smoothing: float = Field(ge=0, lt=1)
    completed_weight: float = Field(ge=0, le=1)


@dataclass(frozen=True)
class Recipe:
    """How to train: the losses, the schedule, how many of the logits are schools, how batches are mixed,
    and how rare schools are made to count."""

    losses: Losses
    schedule: Schedule
    schools: int
    mixing: Mixing = UNMIXED
    balancing: Balancing | None = None

    @property
    def method(self) -> str:
        """By which method rare schools are made to count."""
        return self.balancing.method if self.balancing else "none"


class ClassifierTask:
    """What both ways share. The one phase updates the one network, named 'classifier'."""

    averaged = "classifier"

    def __init__(
        self,
        network: nn.Module,
        train: Labels,
        val: Labels,
        recipe: Recipe,
    ) -> None:
        self.networks = {self.averaged: network}
        # Every classifier ends in its one layer of logits; L2 is put on that layer's weights.
        self.head = [m for m in network.modules() if isinstance(m, nn.Linear)][-1]
        self.train, self.val = train, val
        adjusted = recipe.method == "logit_adjustment"
        bias, self.adjustment = _start(train, recipe.schools, adjusted)
        self.head.bias.data.copy_(bias)
        self.losses, self.schedule, self.schools = recipe.losses, recipe.schedule, recipe.schools
        self.mixing = recipe.mixing
        self.monitor: tuple[str, bool] | None = ("val_loss", False) if len(val) else None
        trained = [p for p in network.parameters() if p.requires_grad]
        optimizer = torch.optim.Adam(trained, self.schedule.learning_rate)
        self.phases: Sequence[tuple[str, str, torch.optim.Optimizer]] = [
            (self.averaged, self.averaged, optimizer)
        ]

    def inputs(self, rows: NDArray[np.int64], rng: np.random.Generator) -> Tensor:
        """What the network sees of training works, by their row."""
        raise NotImplementedError

    def val_inputs(self) -> Iterator[Tensor]:
        """What the network sees of the validation works, in order, in batches."""
        raise NotImplementedError

    def batches(self, epoch: int, rank: int, processes: int) -> Iterator[Batch]:
        """Every work as often as its `repeat` says, shuffled; processes get equally many."""
        rng = np.random.default_rng([self.schedule.seed, epoch])
        order = rng.permutation(np.repeat(np.arange(len(self.train)), self.train.repeat))
        order = np.resize(order, -(-len(order) // processes) * processes)[rank::processes]
        own = np.random.default_rng([self.schedule.seed, epoch, rank])
        for start in range(0, len(order), self.schedule.batch_size):
            rows = order[start : start + self.schedule.batch_size]
            targets = _targets(self.train[rows], self.schools)
            inputs, targets = mixed(self.inputs(rows, own), targets, self.mixing, own)
            yield {"inputs": inputs, **self._parts(targets)}

    def loss(self, phase: str, batch: Batch, networks: dict[str, nn.Module]) -> tuple[Tensor, Row]:
        """Weighted cross-entropy of the school, binary cross-entropy of the tags, L2 of the head."""
        logits = networks[phase](batch["inputs"])
        school, tags = self._terms(logits, batch, self.adjustment.to(logits.device))
        squares = self.head.weight.square().sum(1)
        l2_school, l2_tags = self.losses.l2_school / 2, self.losses.l2_tags / 2
        penalty = (l2_school * squares[: self.schools]).sum() + (l2_tags * squares[self.schools :]).sum()
        loss = school + tags + penalty
        return loss, {"loss": float(loss.detach())}

    def validate(self, network: nn.Module, epoch: int) -> Row:
        """Loss (without L2) and accuracy of the school on the validation works."""
        if len(self.val) == 0:
            return {}
        device = next(network.parameters()).device
        logits = torch.cat([network(batch.to(device)).float().cpu() for batch in self.val_inputs()])
        known = self.val.school != NO_SCHOOL
        targets = _targets(self.val.drawn_once(), self.schools)
        school, tags = self._terms(logits, self._parts(targets), torch.zeros(self.schools))
        guesses = logits[:, : self.schools].argmax(1).numpy()
        return {
            "val_loss": float(school + tags),
            "val_accuracy": float((guesses == self.val.school)[known].mean()) if known.any() else 0.0,
        }

    def _parts(self, targets: Tensor) -> Batch:
        return {
            "school": targets[:, : self.schools],
            "tags": targets[:, self.schools : -1],
            "tag_weight": targets[:, -1],
        }

    def _terms(self, logits: Tensor, batch: Batch, adjustment: Tensor) -> tuple[Tensor, Tensor]:
        school, smoothing = batch["school"], self.losses.label_smoothing
        school = (1 - smoothing) * school + smoothing * school.mean(1, keepdim=True)
        chances = functional.log_softmax(logits[:, : self.schools] + adjustment, dim=1)
        scores = logits[:, self.schools :]
        # Binary cross-entropy with the weight inside the targets, so that it may be 0.
        tags = batch["tag_weight"][:, None] * functional.softplus(scores) - batch["tags"] * scores
        return -(school * chances).sum(1).mean(), tags.sum(1).mean()


class PictureTask(ClassifierTask):
    """A whole network on pictures, augmented anew at each draw."""

    def __init__(
        self,
        network: nn.Module,
        train: tuple[Sequence[Picture], Labels],
        val: tuple[Sequence[Picture], Labels],
        recipe: Recipe,
        *,
        side: int,
        augmenter: Augmenter,
    ) -> None:
        super().__init__(network, train[1], val[1], recipe)
        self.pictures, self.side, self.augmenter = train[0], side, augmenter
        self.val_tensors = [to_input(picture, side) for picture in val[0]]

    def batches(self, epoch: int, rank: int, processes: int) -> Iterator[Batch]:
        """As in every classifier's task; the augmentation's draws are the epoch's own."""
        strengths = np.unique(self.train.strength).tolist()
        own = np.random.SeedSequence([self.schedule.seed, epoch, rank])
        seeds = own.generate_state(len(strengths))
        self.augment = {
            strength: self.augmenter(int(seed), strength)
            for strength, seed in zip(strengths, seeds, strict=True)
        }
        yield from super().batches(epoch, rank, processes)

    def inputs(self, rows: NDArray[np.int64], rng: np.random.Generator) -> Tensor:
        """Augmented pictures (N, 3, side, side), sRGB in [0, 1]; rare ones more strongly, where planned."""
        augments = [self.augment[strength] for strength in self.train.strength[rows].tolist()]
        altered = [augment(self.pictures[row]) for augment, row in zip(augments, rows, strict=True)]
        return _stack([to_input(picture, self.side) for picture in altered])

    def val_inputs(self) -> Iterator[Tensor]:
        """The validation pictures as they are."""
        for start in range(0, len(self.val_tensors), self.schedule.batch_size):
            yield _stack(self.val_tensors[start : start + self.schedule.batch_size])


def _targets(labels: Labels, schools: int) -> Tensor:
    """What a batch's loss is computed from: (N, S + T + 1): schools, tags, and the weight of the tags.

    Weights are inside: a row of schools sums up to its weight, and is 0 for a work without a school;
    a tag that a work has is the weight of its tags. So mixed works' rows are mixed rows.
    """
    school = np.zeros((len(labels), schools), np.float32)
    known = np.flatnonzero(labels.school != NO_SCHOOL)
    school[known, labels.school[known]] = labels.weight[known]
    weight = labels.tag_weight[:, None]
    return torch.from_numpy(np.concatenate([school, labels.tags * weight, weight], axis=1))


def _start(labels: Labels, schools: int, adjusted: bool) -> tuple[Tensor, Tensor]:
    """The head's first bias (S + T,), and what is added to the schools' logits (S,) in the training loss.

    The bias is the logits of how frequent schools (as they are weighted) and tags are. One that starts
    there need not be learnt: from 0, few short steps would not reach a rare tag's, and every tag would
    seem likely.

    With logit adjustment (Menon et al. 2021, equation 10) the schools' part is added in the loss
    instead, and the bias starts at 0: what is learnt are logits for schools that are all as frequent.
    A school without a work, of which nothing can be learnt, stays unlikely.
    """
    mass = school_mass(labels, schools)
    school = np.log((mass + 1e-2) / (mass + 1e-2).sum())
    added = np.where(mass > 0, school, 0.0) if adjusted else np.zeros(schools)
    drawn = labels.repeat * (labels.tag_weight > 0)
    tags = (drawn[:, None] * labels.tags).sum(0) + 0.5
    absent = drawn.sum() + 1 - tags
    bias = np.concatenate([school - added, np.log(tags / absent)])
    return torch.from_numpy(bias).float(), torch.from_numpy(added).float()


def _stack(tensors: list[Tensor]) -> Tensor:
    return torch.stack(tensors).contiguous(memory_format=torch.channels_last)
