"""What a GAN brings to the training loop: pictures of one size, two phases, sample grids.

Hinge loss (Lim & Ye 2017), R1 gradient penalty on real pictures (Mescheder et al. 2018) every few
steps only (Karras et al. 2020), DiffAugment (Zhao et al. 2020), moving average of the generator.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from pipeline.archive.sheets import contact_sheet
from pipeline.models.gan import Discriminator, Generator, Projection, latents, to_pixels
from pipeline.params import StageParams
from pipeline.training.diffaugment import diffaugment
from pipeline.training.precision import autocast
from pipeline.training.task import Batch, Row

GRID = 6  # samples a side of the grids drawn while training
BETAS = (0.0, 0.99)  # Adam's: no momentum, as two networks that chase each other need


class GanAdversarial(StageParams):
    """How the two networks play against each other; a group inside the trainer's parameters."""

    discriminator_rate: float = Field(gt=0, le=0.1)
    augment: float = Field(ge=0, le=1)
    r1_weight: float = Field(ge=0)
    r1_every: int = Field(ge=1)
    grid_every: int = Field(ge=1)
    precision: Literal["bf16", "fp32"]


class GANTask:
    """The task of `Trainer`: a batch updates the discriminator, then the generator.

    Args:
        pictures: (N, side, side, 3), 8-bit sRGB; each is shown once an epoch, half of them mirrored.
        generator, discriminator: the two networks; the generator gets the moving average.
        settings: see `GanAdversarial`.
        learning_rate: the generator's; the discriminator's is in `settings`.
        batch_size: pictures per update, over all processes.
        seed: of the order, the flips and the latent vectors.
        grids: folder of the sample grids, one PNG every few epochs.
    """

    averaged = "generator"
    monitor: tuple[str, bool] | None = None

    def __init__(
        self,
        pictures: NDArray[np.uint8],
        generator: Generator,
        discriminator: Discriminator,
        settings: GanAdversarial,
        *,
        learning_rate: float,
        batch_size: int,
        seed: int,
        grids: Path,
    ) -> None:
        self.pictures, self.settings = pictures, settings
        self.batch_size, self.seed, self.grids = batch_size, seed, grids
        self.networks: dict[str, nn.Module] = {
            "generator": generator,
            "discriminator": discriminator,
        }
        self.phases: Sequence[tuple[str, str, torch.optim.Optimizer]] = (
            ("discriminator", "discriminator", _adam(discriminator, settings.discriminator_rate)),
            ("generator", "generator", _adam(generator, learning_rate)),
        )
        # Outside `networks`: it is never trained, so no checkpoint need carry its 14 MB.
        self.projection = Projection() if len(discriminator.heads) else None
        if self.projection is not None:
            self.projection.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.bf16 = settings.precision == "bf16"
        self._fixed = latents(seed, 0, GRID * GRID, generator.latent)

    def batches(self, epoch: int, rank: int, processes: int) -> Iterator[Batch]:
        """Pictures and latent vectors; the flag `penalise` marks the steps with a gradient penalty."""
        rng = np.random.default_rng((self.seed, epoch))
        generator = self.networks["generator"]
        size = max(1, self.batch_size // processes)
        order = rng.permutation(len(self.pictures))
        steps = max(1, len(order) // (size * processes))
        for step in range(steps):
            start = (step * processes + rank) * size
            rows = np.take(order, range(start, start + size), mode="wrap")
            mirrored = rng.random((processes, size))[rank] < 0.5
            chosen = self.pictures[rows]
            chosen[mirrored] = chosen[mirrored, :, ::-1]
            first = ((epoch * steps + step) * processes + rank) * 2 * size
            z = latents(self.seed + 1, first, first + 2 * size, int(generator.latent))  # type: ignore[arg-type]
            penalise = step % self.settings.r1_every == 0 and self.settings.r1_weight > 0
            yield {
                "real": to_tensor(chosen),
                "z_discriminator": z[:size],
                "z_generator": z[size:],
                "penalise": torch.full((size,), penalise),
            }

    def loss(self, phase: str, batch: Batch, networks: dict[str, nn.Module]) -> tuple[Tensor, Row]:
        """The hinge loss of one phase, with the penalty where the batch asks for it.

        The network that is not this phase's is called as it is, outside the loop's wrapper, and
        with its parameters frozen: it gets no gradient, and no other process waits for one.
        """
        device = batch["real"].device
        if self.projection is not None:
            self.projection.to(device)
        with autocast(device, on_cpu=self.bf16, on_gpu=self.bf16):
            if phase == "discriminator":
                return self._judge(batch, networks["discriminator"])
            return self._deceive(batch, networks["generator"])

    def _judge(self, batch: Batch, discriminator: nn.Module) -> tuple[Tensor, Row]:
        with torch.no_grad():
            fake = self.networks["generator"](batch["z_discriminator"]).float()
            real = diffaugment(batch["real"], self.settings.augment)
            fake = diffaugment(fake, self.settings.augment)
            seen = self._project(torch.cat([real, fake]))
        # One call for both: each process synchronises its gradients once per call.
        scores = torch.stack(discriminator(*seen, parts=2).chunk(2))
        loss = functional.relu(torch.stack([1 - scores[0], 1 + scores[1]])).mean(dim=1).sum()
        row = {"d_loss": loss.item(), "d_real": scores[0].mean().item()}
        row["d_fake"] = scores[1].mean().item()
        if bool(batch["penalise"][0]):
            penalty = gradient_penalty(self.networks["discriminator"], [x[: len(real)].float() for x in seen])
            loss = loss + 0.5 * self.settings.r1_weight * self.settings.r1_every * penalty
        return loss, row

    def _deceive(self, batch: Batch, generator: nn.Module) -> tuple[Tensor, Row]:
        discriminator = self.networks["discriminator"].requires_grad_(False)
        try:
            fake = diffaugment(generator(batch["z_generator"]).float(), self.settings.augment)
            loss = -discriminator(*self._project(fake)).mean(dim=0).sum()
        finally:
            discriminator.requires_grad_(True)
        return loss, {"g_loss": loss.item()}

    def _project(self, pictures: Tensor) -> list[Tensor]:
        pictures = pictures.contiguous(memory_format=torch.channels_last)
        if self.projection is None:
            return [pictures]
        # Backwards through depthwise convolutions is twice as fast in single precision on a CPU.
        single = pictures.requires_grad and pictures.device.type == "cpu"
        with autocast(pictures.device, on_cpu=self.bf16 and not single, on_gpu=self.bf16):
            return [pictures, *self.projection(pictures)]

    @torch.no_grad()
    def validate(self, network: nn.Module, epoch: int) -> Row:
        """Draw the fixed latent vectors' pictures every few epochs; a file per epoch, so none is lost."""
        if (epoch + 1) % self.settings.grid_every == 0:
            z = self._fixed.to(next(network.parameters()).device)
            pixels = to_pixels(network(z))
            rows = [list(pixels[start : start + GRID]) for start in range(0, len(pixels), GRID)]
            contact_sheet(self.grids / f"samples-{epoch + 1:04d}.png", rows, pixels.shape[1])
        return {}


def gradient_penalty(discriminator: nn.Module, real: list[Tensor]) -> Tensor:
    """R1: the mean over pictures of the squared gradient of the score by the discriminator's inputs.

    The inputs are the picture and, for a projected discriminator, its feature maps: everything that
    the trained part sees. Computed in single precision.
    """
    inputs = [x.detach().requires_grad_() for x in real]
    with torch.autocast(inputs[0].device.type, enabled=False):
        scores = discriminator(*inputs)
        gradients = torch.autograd.grad(scores.sum(), inputs, create_graph=True)
    return torch.stack([g.square().flatten(1).sum(1).mean() for g in gradients]).sum()


def to_tensor(pictures: NDArray[np.uint8]) -> Tensor:
    """(N, H, W, 3), 8 bit, to (N, 3, H, W) in [-1, 1]."""
    return torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2).float() / 127.5 - 1


def _adam(network: nn.Module, rate: float) -> torch.optim.Optimizer:
    return torch.optim.Adam(network.parameters(), lr=rate, betas=BETAS)
