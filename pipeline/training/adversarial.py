"""Adversarial refinement of the restorer: a discriminator is to take what was filled for paint.

The penalty of the pixels makes a network fill with the mean of all that might have been there, which is
smooth. Beside it, a PatchGAN (Isola et al. 2017; hinge loss, Lim & Ye 2017) asks for the texture of the paint
around. That texture is likely, not known: PSNR falls as it grows (Blau & Michaeli 2018), so PSNR cannot say
which epoch is best, only how much was given up. It is off by default, and meant for a GPU.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from pipeline.models.patchgan import PatchDiscriminator
from pipeline.params import StageParams
from pipeline.training.loop import Trainer
from pipeline.training.precision import autocast
from pipeline.training.restorer import RestorerTask
from pipeline.training.task import Batch, Row

_BETAS = (0.5, 0.999)  # Adam's: less momentum, as two networks that chase each other need


class PatchAdversarial(StageParams):
    """How much the discriminator counts, and since when; a group inside the trainer's parameters."""

    weight: float = Field(ge=0.0)
    from_epoch: int = Field(ge=0)
    width: int = Field(ge=4, le=256)
    levels: int = Field(ge=1, le=3)
    discriminator_rate: float = Field(gt=0.0, le=0.1)
    psnr_given_up: float = Field(ge=0.0)


class AdversarialTask:
    """The restorer's task and a discriminator: a batch updates this one, then the restorer.

    Until `from_epoch` the restorer is trained as without it, and the discriminator not at all.

    Args:
        restorer: the task as it is without: data, penalty of the pixels, validation.
        discriminator: tells what was filled from what was painted.
        settings: see `PatchAdversarial`.
    """

    averaged = "restorer"
    # What is kept is AdversarialTrainer's to decide; another trainer keeps the last epoch.
    monitor: tuple[str, bool] | None = None

    def __init__(
        self, restorer: RestorerTask, discriminator: PatchDiscriminator, settings: PatchAdversarial
    ) -> None:
        self.restorer, self.discriminator, self.settings = restorer, discriminator, settings
        self.networks: dict[str, nn.Module] = {**restorer.networks, "discriminator": discriminator}
        optimizer = torch.optim.Adam(discriminator.parameters(), settings.discriminator_rate, _BETAS)
        self.phases: Sequence[tuple[str, str, torch.optim.Optimizer]] = (
            ("discriminator", "discriminator", optimizer),
            *restorer.phases,
        )

    def batches(self, epoch: int, rank: int, processes: int) -> Iterator[Batch]:
        """The restorer's batches; the flag `adversarial` tells whether the discriminator has set in."""
        adversarial = epoch >= self.settings.from_epoch
        for batch in self.restorer.batches(epoch, rank, processes):
            yield {**batch, "adversarial": torch.full((len(batch["mask"]),), adversarial)}

    def loss(self, phase: str, batch: Batch, networks: dict[str, nn.Module]) -> tuple[Tensor, Row]:
        """The discriminator's hinge loss; or the restorer's penalty and, weighted, its share of the game.

        Patches count by how much of them is a hole; those that touch none do not. The network that is not
        this phase's is called as it is, outside the loop's wrapper: it gets no gradient, and no other process
        waits for one.
        """
        adversarial = bool(batch["adversarial"][0])
        if phase == "restorer":
            refined = self.restorer.refined(networks["restorer"], batch)
            loss, row = self.restorer.penalty(refined, batch)
            if adversarial:
                deceived = self._deceive(refined, batch)
                loss, row = loss + self.settings.weight * deceived, row | {"g_loss": float(deceived.detach())}
            return loss, row
        if adversarial:
            return self._tell_apart(networks["discriminator"], batch)
        # It has no gradient: the optimizer leaves the discriminator, and its own state, as they are.
        return torch.zeros((), device=batch["mask"].device, requires_grad=True), {}

    def validate(self, network: nn.Module, epoch: int) -> Row:
        """PSNR in the holes (see RestorerTask), and how sharp they are beside the truth: 1 = as sharp."""
        device = next(network.parameters()).device
        sums = torch.zeros(2, device=device)
        for batch in self.restorer.validation:
            held = {name: tensor.to(device) for name, tensor in batch.items()}
            refined = self.restorer.refined(network, held).clamp(0, 1)
            sums += torch.stack([steepness(values, held["mask"]) for values in (refined, held["truth"])])
        return {**self.restorer.validate(network, epoch), "val_sharpness": float(sums[0] / sums[1])}

    def _tell_apart(self, discriminator: nn.Module, batch: Batch) -> tuple[Tensor, Row]:
        mask = batch["mask"]
        with torch.no_grad(), self._precision(mask):
            fake = self.restorer.refined(self.networks["restorer"], batch)
        pictures = torch.cat([_normal(batch["truth"], batch), _normal(fake, batch)])
        with self._precision(mask):
            # One call for both: each process synchronises its gradients once per call.
            real, made = discriminator(pictures, torch.cat([mask, mask])).chunk(2)
        hinge = functional.relu(1 - real) + functional.relu(1 + made)
        share = self.discriminator.share(mask)
        values = {"d_loss": hinge, "d_real": real, "d_fake": made}
        means = {name: _weighted(value, share) for name, value in values.items()}
        return means["d_loss"], {name: float(value.detach()) for name, value in means.items()}

    def _deceive(self, refined: Tensor, batch: Batch) -> Tensor:
        mask = batch["mask"]
        discriminator = self.discriminator.requires_grad_(False)
        try:
            with self._precision(mask):
                scores = discriminator(_normal(refined, batch), mask)
        finally:
            discriminator.requires_grad_(True)
        return -_weighted(scores, discriminator.share(mask))

    def _precision(self, tensor: Tensor) -> torch.autocast:
        """On a GPU the loop's, which reaches no further than its own wrapper; on a CPU the restorer's."""
        return autocast(tensor.device, on_cpu=self.restorer.bf16, on_gpu=True)


class AdversarialTrainer(Trainer):
    """The training loop with another rule of what is kept.

    Before the discriminator sets in: the epoch with the best `val_psnr`. From then on: the last epoch that
    gives up no more than `psnr_given_up` dB of the best `val_psnr` so far; after `patience` epochs that all
    give up more, training ends. If every one gives up more, what was best before is the result.
    """

    task: AdversarialTask

    def _judge(self, epoch: int, row: Row) -> None:
        settings = self.task.settings
        past = max((earlier["val_psnr"] for earlier in self.history), default=-math.inf)
        if epoch < settings.from_epoch:
            better = row["val_psnr"] > past
        else:
            better = row["val_psnr"] >= past - settings.psnr_given_up
        if better:
            super()._judge(epoch, row)  # nothing is monitored: this epoch is kept

    def _exhausted(self) -> bool:
        since = max(int(self.best["epoch"]), self.task.settings.from_epoch - 1)
        return 0 < self.schedule.patience <= self.epoch - 1 - since


def steepness(values: Tensor, mask: Tensor) -> Tensor:
    """The sum of the differences between neighbours of which one is in a hole, a number.

    Args:
        values: (N, C, H, W).
        mask: (N, 1, H, W), 1 in the holes, 0 elsewhere.
    """
    across = values.diff(dim=3).abs() * torch.maximum(mask[..., 1:], mask[..., :-1])
    down = values.diff(dim=2).abs() * torch.maximum(mask[..., 1:, :], mask[..., :-1, :])
    return across.sum() + down.sum()


def _normal(picture: Tensor, batch: Batch) -> Tensor:
    """A picture that equals the start outside its holes, as networks see it: (N, 3, S, S)."""
    return batch["normal"] + (picture - batch["start"]) / batch["contrast"]


def _weighted(scores: Tensor, share: Tensor) -> Tensor:
    """The mean of each picture's scores (N, 1, h, w), weighted by their patches' holes; of it the batch's."""
    return ((scores * share).sum((1, 2, 3)) / share.sum((1, 2, 3)).clamp(min=1e-12)).mean()
