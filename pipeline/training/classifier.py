"""What a classifier brings to the training loop: examples, losses, validation.

Two ways to learn: `DescriptionTask` trains a head on descriptions that were computed once by the
frozen trunk (models/lite0.py); `PictureTask` trains a whole network on augmented pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from lightning.fabric import Fabric
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from pipeline.models.lite0 import LinearHead, to_input
from pipeline.params import StageParams
from pipeline.training.loop import Batch, Row, Schedule, Trainer

Picture = NDArray[np.uint8]
Augmenter = Callable[[int], Callable[[Picture], Picture]]  # seed -> a function of that seed
Descriptions = NDArray[np.float32]

NO_SCHOOL = -1


class Losses(StageParams):
    """What is minimised; a group inside the trainer's parameters."""

    l2_school: float = Field(ge=0)
    l2_tags: float = Field(ge=0)
    label_smoothing: float = Field(ge=0, lt=1)
    completed_weight: float = Field(ge=0, le=1)


@dataclass(frozen=True)
class Recipe:
    """How to train: the losses, the schedule, and how many of the logits are schools."""

    losses: Losses
    schedule: Schedule
    schools: int


@dataclass(frozen=True)
class Labels:
    """Labels of N works: school (N,) as class numbers or NO_SCHOOL, tags (N, T) of 0 and 1,
    weight (N,) of the school's loss, repeat (N,): draws per epoch."""

    school: NDArray[np.int64]
    tags: NDArray[np.float32]
    weight: NDArray[np.float32]
    repeat: NDArray[np.int64]

    def __getitem__(self, rows: Any) -> Labels:
        return Labels(self.school[rows], self.tags[rows], self.weight[rows], self.repeat[rows])

    def __len__(self) -> int:
        return len(self.school)

    def drawn_once(self) -> Labels:
        """The same labels without rebalancing: known schools weigh 1, every work is drawn once."""
        weight = (self.school != NO_SCHOOL).astype(np.float32)
        return replace(self, weight=weight, repeat=np.ones(len(self), np.int64))


def read_labels(index: pd.DataFrame, classes: dict[str, list[str]], completed_weight: float) -> Labels:
    """The labels in an index of prepared works.

    A school that was not recorded but completed counts `completed_weight` times as much; a missing
    one, or one that is not among the classes, has no part in the school's loss.
    """
    numbers = {name: number for number, name in enumerate(classes["school"])}
    school = np.array(
        [NO_SCHOOL if pd.isna(name) else numbers.get(name, NO_SCHOOL) for name in index["school"]],
        np.int64,
    )
    held = [set(tags) for tags in index["tags"]]
    tags = np.array([[tag in own for tag in classes["tags"]] for own in held], np.float32)
    weight = index["weight"].to_numpy(np.float32).copy()
    weight[(index["school_origin"] != "recorded").to_numpy(bool, na_value=True)] *= completed_weight
    weight[school == NO_SCHOOL] = 0
    school[weight == 0] = NO_SCHOOL
    repeat = index["repeat"].to_numpy(np.int64)
    return Labels(school, tags.reshape(len(index), len(classes["tags"])), weight, repeat)


def balanced(labels: Labels) -> Labels:
    """The same labels, each school's weights scaled so that all schools weigh the same in sum."""
    weight = labels.weight.astype(np.float64)
    total = np.bincount(labels.school[labels.school >= 0], weight[labels.school >= 0])
    present = np.flatnonzero(total > 0)
    factor = np.ones(len(total))
    factor[present] = weight.sum() / (len(present) * total[present])
    known = labels.school >= 0
    weight[known] *= factor[labels.school[known]]
    return replace(labels, weight=weight.astype(np.float32))


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
        self.head.bias.data.copy_(_prior(train, recipe.schools))
        self.losses, self.schedule, self.schools = recipe.losses, recipe.schedule, recipe.schools
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
            labels = self.train[rows]
            yield {
                "inputs": self.inputs(rows, own),
                "school": torch.from_numpy(labels.school),
                "tags": torch.from_numpy(labels.tags),
                "weight": torch.from_numpy(labels.weight),
            }

    def loss(self, phase: str, batch: Batch, networks: dict[str, nn.Module]) -> tuple[Tensor, Row]:
        """Weighted cross-entropy of the school, binary cross-entropy of the tags, L2 of the head."""
        school, tags = self._terms(networks[phase](batch["inputs"]), batch)
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
        school, tags = self._terms(
            logits,
            {
                "school": torch.from_numpy(self.val.school),
                "tags": torch.from_numpy(self.val.tags),
                "weight": torch.from_numpy(known.astype(np.float32)),
            },
        )
        guesses = logits[:, : self.schools].argmax(1).numpy()
        return {
            "val_loss": float(school + tags),
            "val_accuracy": float((guesses == self.val.school)[known].mean()) if known.any() else 0.0,
        }

    def _terms(self, logits: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        school = functional.cross_entropy(
            logits[:, : self.schools],
            batch["school"].clamp(min=0),  # those without a school have weight 0
            reduction="none",
            label_smoothing=self.losses.label_smoothing,
        )
        tags = functional.binary_cross_entropy_with_logits(
            logits[:, self.schools :], batch["tags"], reduction="none"
        )
        return (school * batch["weight"]).mean(), tags.sum(1).mean()


class DescriptionTask(ClassifierTask):
    """A linear head on descriptions (N, views, D) of the works, one of the views at each draw."""

    def __init__(
        self,
        views: Descriptions,
        train: Labels,
        val_descriptions: Descriptions,
        val: Labels,
        recipe: Recipe,
    ) -> None:
        outputs = recipe.schools + train.tags.shape[1]
        head = LinearHead(views.shape[2], outputs)
        flat = torch.from_numpy(views.reshape(-1, views.shape[2]))
        head.mean.copy_(flat.mean(dim=0))
        head.scale.copy_(flat.std(dim=0, correction=0) + 1e-3)
        nn.init.zeros_(head.linear.weight)
        super().__init__(head, train, val, recipe)
        self.monitor = None  # a convex problem: the last epoch is the best that there is
        self.views = torch.from_numpy(views)
        self.val_descriptions = torch.from_numpy(val_descriptions)

    def inputs(self, rows: NDArray[np.int64], rng: np.random.Generator) -> Tensor:
        """Descriptions of one view of each work, drawn at random."""
        return self.views[rows, rng.integers(0, self.views.shape[1], len(rows))]

    def val_inputs(self) -> Iterator[Tensor]:
        """Descriptions of the validation works."""
        yield self.val_descriptions


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
        seed = np.random.SeedSequence([self.schedule.seed, epoch, rank]).generate_state(1)[0]
        self.augment = self.augmenter(int(seed))
        yield from super().batches(epoch, rank, processes)

    def inputs(self, rows: NDArray[np.int64], rng: np.random.Generator) -> Tensor:
        """Augmented pictures (N, 3, side, side), sRGB in [0, 1]."""
        return _stack([to_input(self.augment(self.pictures[row]), self.side) for row in rows])

    def val_inputs(self) -> Iterator[Tensor]:
        """The validation pictures as they are."""
        for start in range(0, len(self.val_tensors), self.schedule.batch_size):
            yield _stack(self.val_tensors[start : start + self.schedule.batch_size])


def fit_head(
    views: Descriptions,
    train: Labels,
    val_descriptions: Descriptions,
    val: Labels,
    recipe: Recipe,
    *,
    folder: Path,
    fabric: Fabric,
    label: str,
) -> tuple[LinearHead, list[Row]]:
    """A linear head trained on descriptions, on the CPU, and its history; see `DescriptionTask`."""
    task = DescriptionTask(views, train, val_descriptions, val, recipe)
    trainer = Trainer(task, recipe.schedule, folder, fabric)
    head = trainer.fit(label).cpu()
    assert isinstance(head, LinearHead)
    return head, trainer.history


def train_fold(
    views: Descriptions,
    labels: Labels,
    train: NDArray[np.int64],
    test: NDArray[np.int64],
    recipe: Recipe,
    *,
    balance: bool,
    folder: Path,
    fabric: Fabric,
    label: str,
) -> NDArray[np.float64]:
    """Logits of the rows `test` by a head trained on the rows `train` of views (N, views, D).

    As in use, a work's logits are the mean of its plain and its mirrored view's (the first two).
    """
    own = balanced(labels[train]) if balance else labels[train]
    none = np.array([], np.int64)
    head, _ = fit_head(
        views[train], own, views[none, 0], labels[none], recipe, folder=folder, fabric=fabric, label=label
    )  # fmt: skip
    with torch.inference_mode():
        logits: Tensor = head(torch.from_numpy(views[test, :2])).double().mean(dim=1)
    return logits.numpy()


def _prior(labels: Labels, schools: int) -> Tensor:
    """The logits (S + T,) of how frequent schools (as they are weighted) and tags are.

    A bias that starts there need not be learnt: from 0, few short steps would not reach a rare
    tag's, and every tag would seem likely.
    """
    known = labels.school != NO_SCHOOL
    drawn = labels.repeat * labels.weight
    school = np.bincount(labels.school[known], drawn[known], minlength=schools) + 1e-2
    tags = (labels.repeat[:, None] * labels.tags).sum(0) + 0.5
    absent = labels.repeat.sum() + 1 - tags
    logits = np.concatenate([np.log(school / school.sum()), np.log(tags / absent)])
    return torch.from_numpy(logits).float()


def _stack(tensors: list[Tensor]) -> Tensor:
    return torch.stack(tensors).contiguous(memory_format=torch.channels_last)
