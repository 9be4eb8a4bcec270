"""What a family of models brings to the training loop, and how long and how fast it is trained."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

from pydantic import Field

from pipeline.params import StageParams

if TYPE_CHECKING:  # a stage that only takes weights over has no need of torch, which takes seconds to load
    import torch
    from torch import Tensor, nn

Batch = dict[str, "Tensor"]
Row = dict[str, float]  # one epoch: means of what the losses report, and validation figures


class Schedule(StageParams):
    """How long and how fast to train: what the parameters of every training stage begin from."""

    epochs: int = Field(ge=1)
    batch_size: int = Field(ge=1)
    learning_rate: float = Field(gt=0)
    cosine: bool
    ema_decay: float = Field(ge=0, lt=1)
    clip_norm: float = Field(ge=0)
    patience: int = Field(ge=0)
    seed: int = Field(ge=0)


class Task(Protocol):
    """What a family of models brings to the loop.

    networks: name -> network; the one named `averaged` gets a moving average.
    phases: the updates made with each batch, in order: (name, network, its optimizer). An
        optimizer holds the parameters of its phase's network only.
    monitor: the validation figure that decides which epoch is best, and whether more is better;
        None keeps the last epoch.
    """

    networks: dict[str, nn.Module]
    averaged: str
    phases: Sequence[tuple[str, str, torch.optim.Optimizer]]
    monitor: tuple[str, bool] | None

    def batches(self, epoch: int, rank: int, processes: int) -> Iterator[Batch]:
        """The batches of one epoch for one of several processes; a function of its arguments only."""

    def loss(self, phase: str, batch: Batch, networks: dict[str, nn.Module]) -> tuple[Tensor, Row]:
        """The loss of one phase, a mean over the batch, and what to report of it."""

    def validate(self, network: nn.Module, epoch: int) -> Row:
        """Figures of the averaged network, computed without gradients."""
