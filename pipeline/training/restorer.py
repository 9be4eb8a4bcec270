"""Training the restorer: refine a classical filling of holes made to order in train pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from pipeline.metrics import decibels
from pipeline.models.surroundings import surroundings
from pipeline.params import StageParams
from pipeline.training.crops import at_least, drawn, turned, zoomed
from pipeline.training.precision import autocast
from pipeline.training.task import Batch, Row

Pixels = NDArray[np.float32]  # (H, W, 3), values in [0, 1]
Mask = NDArray[np.bool_]  # (H, W)

Damage = Callable[[Pixels, np.random.Generator], tuple[Pixels, Mask]]
Start = Callable[[Pixels, Mask], Pixels]

_MARGIN = 8  # pixels around a crop that its classical start may see
_FLOOR = 0.01  # error of the start below which a crop weighs no more
_VALIDATION = 1  # a stream of randomness apart from the epochs'


class Examples(StageParams):
    """How examples are made; a group inside the trainer's parameters."""

    crop: int = Field(ge=32, le=512, multiple_of=16)
    per_picture: int = Field(ge=1, le=64)
    pictures: int = Field(ge=1)
    least_share: float = Field(ge=0.0, lt=1.0)
    zoom: float = Field(ge=1.0, le=8.0)  # see zoomed
    validation_pictures: int = Field(ge=1)


class RestorerTask:
    """The restorer's data, loss and validation for the training loop.

    Args:
        network: takes a normal picture and a mask, returns what to add to it (see ResidualUNet).
        train: pictures, (H, W, 3) 8-bit sRGB.
        validation: the same, of other works.
        damage: puts holes into a picture in [0, 1].
        start: fills holes by a classical method.
        examples: sizes and counts.
        batch_size: crops per update.
        learning_rate: of AdamW.
        fft_weight: weight of the error in the spectrum beside that of the pixels.
        bf16: compute in bfloat16 on a CPU that has it (a GPU's precision is the loop's matter).
        seed: of crops and damage.
    """

    averaged = "restorer"
    monitor: tuple[str, bool] | None = ("val_psnr", True)
    phases: Sequence[tuple[str, str, torch.optim.Optimizer]]

    def __init__(
        self,
        network: nn.Module,
        *,
        train: Sequence[NDArray[np.uint8]],
        validation: Sequence[NDArray[np.uint8]],
        damage: Damage,
        start: Start,
        examples: Examples,
        batch_size: int,
        learning_rate: float,
        fft_weight: float,
        bf16: bool,
        seed: int,
    ) -> None:
        self.networks: dict[str, nn.Module] = {"restorer": network}
        optimizer = torch.optim.AdamW(network.parameters(), learning_rate, weight_decay=1e-4)
        self.phases = (("restorer", "restorer", optimizer),)
        self.train, self.damage, self.start = train, damage, start
        self.examples, self.batch_size, self.seed = examples, batch_size, seed
        self.fft_weight, self.bf16 = fft_weight, bf16
        self.validation = self._validation_crops(validation)

    def batches(self, epoch: int, rank: int, processes: int) -> Iterator[Batch]:
        """One epoch's batches: see stack."""
        rng = np.random.default_rng([self.seed, epoch, rank, 0])
        count = self.examples.pictures // processes
        pending: list[tuple[Pixels, Mask, Pixels]] = []
        for number in drawn(len(self.train), count, rng):
            pending.extend(self._crops(self.train[number], rng, self.examples.per_picture))
            while len(pending) >= self.batch_size:
                yield stack(pending[: self.batch_size])
                del pending[: self.batch_size]
        if pending:
            yield stack(pending)

    def loss(self, phase: str, batch: Batch, networks: dict[str, nn.Module]) -> tuple[Tensor, Row]:
        """The penalty of what the network refines."""
        return self.penalty(self.refined(networks["restorer"], batch), batch)

    def penalty(self, refined: Tensor, batch: Batch) -> tuple[Tensor, Row]:
        """Charbonnier's penalty in the holes, relative to the start's error, and the spectrum's."""
        start, mask, truth = batch["start"], batch["mask"], batch["truth"]
        # Relative to what the start leaves to do: else wide holes, which nobody can know, would
        # drown the fine lines that can be mended well.
        to_do = hole_mean((start - truth).abs(), mask)
        pixel = hole_mean(torch.sqrt((refined - truth).square() + 1e-4) - 1e-2, mask)
        loss = (pixel / (to_do + _FLOOR)).mean()
        row = {"loss": loss, "l1": hole_mean((refined - truth).abs(), mask).mean()}
        if self.fft_weight:
            spectrum = torch.fft.rfft2((refined - truth) * mask, norm="ortho").abs().mean((1, 2, 3))
            usual = torch.fft.rfft2((start - truth) * mask, norm="ortho").abs().mean((1, 2, 3))
            loss = loss + self.fft_weight * (spectrum / (usual + 1e-3)).mean()
        return loss, {name: float(value.detach()) for name, value in row.items()}

    def validate(self, network: nn.Module, epoch: int) -> Row:
        """PSNR in the holes of fixed crops of other works: refined, and of the start alone."""
        device = next(network.parameters()).device
        refined, start = [], []
        for batch in self.validation:
            held = {name: tensor.to(device) for name, tensor in batch.items()}
            output = self.refined(network, held).clamp(0, 1)
            refined.append(hole_psnr(output, held["truth"], held["mask"]))
            start.append(hole_psnr(held["start"], held["truth"], held["mask"]))
        return {
            "val_psnr": float(torch.cat(refined).mean().detach()),
            "val_psnr_start": float(torch.cat(start).mean()),
        }

    def refined(self, network: nn.Module, batch: Batch) -> Tensor:
        """The start with its holes refined: (N, 3, S, S)."""
        start, mask = batch["start"], batch["mask"]
        with autocast(start.device, on_cpu=self.bf16):
            residual: Tensor = network(batch["normal"], mask)
        return start + residual.float() * batch["contrast"] * mask

    def _validation_crops(self, pictures: Sequence[NDArray[np.uint8]]) -> list[Batch]:
        rng = np.random.default_rng([self.seed, _VALIDATION])
        crops = [
            crop
            for picture in pictures[: self.examples.validation_pictures]
            for crop in self._crops(picture, rng, 2)
        ]
        size = self.batch_size
        return [stack(crops[first : first + size]) for first in range(0, len(crops), size)]

    def _crops(
        self, picture: NDArray[np.uint8], rng: np.random.Generator, count: int
    ) -> list[tuple[Pixels, Mask, Pixels]]:
        """Crops (start, mask, truth) of one damaged picture, each with a hole in its middle."""
        side, margin = self.examples.crop, _MARGIN
        shown = zoomed(picture, self.examples.zoom, rng)
        truth = at_least(turned(shown, rng), side).astype(np.float32) / np.float32(255)
        damaged, mask = self.damage(truth, rng)
        holes = np.argwhere(mask)
        crops: list[tuple[Pixels, Mask, Pixels]] = []
        for _ in range(count * 4 if len(holes) else 0):
            centre = holes[rng.integers(len(holes))] + rng.integers(-side // 4, side // 4 + 1, 2)
            corner = np.clip(centre - side // 2, 0, np.array(mask.shape) - side)
            window = _square(corner, side)
            share = mask[window].mean()
            if share < self.examples.least_share or share > 0.7:
                continue
            # The start sees a little beyond the crop, as it will when it is used.
            first = np.maximum(corner - margin, 0)
            wide = (
                slice(first[0], corner[0] + side + margin),
                slice(first[1], corner[1] + side + margin),
            )
            if mask[wide].all():
                continue
            inner = _square(corner - first, side)
            start = self.start(damaged[wide], mask[wide])[inner]
            crops.append((start, mask[window], truth[window]))
            if len(crops) == count:
                break
        return crops


def stack(crops: Sequence[tuple[Pixels, Mask, Pixels]]) -> Batch:
    """Crops (start, mask, truth) as one batch of tensors (N, C, S, S).

    `start`, `mask`, `truth`, and `normal` and `contrast`: the start as networks see it (see
    pipeline.models.surroundings).
    """
    start, mask, truth = (np.stack(part) for part in zip(*crops, strict=True))
    around = [surroundings(np.ascontiguousarray(one)) for one in start]
    normal = [one.normal(pixels) for one, pixels in zip(around, start, strict=True)]
    values = {
        "start": start,
        "mask": mask[..., None].astype(np.float32),
        "truth": truth,
        "normal": np.stack(normal),
        "contrast": np.stack([one.spread_contrast() for one in around]),
    }
    return {name: torch.from_numpy(array).permute(0, 3, 1, 2).contiguous() for name, array in values.items()}


def hole_mean(values: Tensor, mask: Tensor) -> Tensor:
    """The mean of values (N, C, H, W) in each picture's holes, mask (N, 1, H, W): (N,)."""
    return (values * mask).sum((1, 2, 3)) / (mask.sum((1, 2, 3)) * values.shape[1]).clamp(min=1)


def hole_psnr(values: Tensor, truth: Tensor, mask: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in each picture's holes, dB: (N,)."""
    return decibels(hole_mean((values - truth).square(), mask))


def _square(corner: NDArray[np.int_], side: int) -> tuple[slice, slice]:
    return slice(corner[0], corner[0] + side), slice(corner[1], corner[1] + side)
