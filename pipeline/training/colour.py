"""Training the colour network: give faded and yellowed train pictures their colours back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pipeline.models.cells import CHANNELS, cells
from pipeline.models.colour import apply_curves, delta_e
from pipeline.training.crops import drawn
from pipeline.training.task import Batch, Row

Pixels = NDArray[np.float32]  # (H, W, 3), values in [0, 1]
Damage = Callable[[Pixels, np.random.Generator], Pixels]

_REDUCED = 256  # pixels of the longer side that pictures are kept at
_VALIDATION = 1  # a stream of randomness apart from the epochs'
_REPEATS = 2  # validation examples of each picture and kind


class ColourTask:
    """The colour network's data, loss and validation for the training loop.

    Args:
        network: takes pictures, returns curves (see ColourNet).
        train: pictures, (H, W, 3) 8-bit sRGB.
        validation: the same, of other works.
        damage: fades or yellows a picture in [0, 1], or leaves it as it is.
        judged: kinds by name, for validation; 'none' may be one of them.
        pictures: examples per epoch.
        batch_size: examples per update.
        learning_rate: of AdamW.
        weight_decay: of AdamW.
        seed: of crops and damage.
    """

    averaged = "colour"
    monitor: tuple[str, bool] | None = ("val_delta_e", False)
    phases: Sequence[tuple[str, str, torch.optim.Optimizer]]

    def __init__(
        self,
        network: nn.Module,
        *,
        train: Sequence[NDArray[np.uint8]],
        validation: Sequence[NDArray[np.uint8]],
        damage: Damage,
        judged: dict[str, Damage],
        pictures: int,
        batch_size: int,
        learning_rate: float,
        weight_decay: float,
        seed: int,
    ) -> None:
        self.networks: dict[str, nn.Module] = {"colour": network}
        optimizer = torch.optim.AdamW(network.parameters(), learning_rate, weight_decay=weight_decay)
        self.phases = (("colour", "colour", optimizer),)
        self.train = [_reduced(picture) for picture in train]
        self.damage, self.pictures, self.batch_size, self.seed = damage, pictures, batch_size, seed
        self.validation = {
            name: self._validation(validation, kind, number)
            for number, (name, kind) in enumerate(judged.items())
        }

    def batches(self, epoch: int, rank: int, processes: int) -> Iterator[Batch]:
        """One epoch's batches: `damaged` (N, CHANNELS, SIDE, SIDE), `truth` (N, 3, SIDE, SIDE)."""
        rng = np.random.default_rng([self.seed, epoch, rank, 0])
        order = drawn(len(self.train), self.pictures // processes, rng)
        for first in range(0, len(order), self.batch_size):
            yield _stack([self._example(number, rng) for number in order[first : first + self.batch_size]])

    def loss(self, phase: str, batch: Batch, networks: dict[str, nn.Module]) -> tuple[Tensor, Row]:
        """The mean colour difference after correction."""
        del phase
        curves = networks["colour"](batch["damaged"]).float()
        # Every fourth pixel tells as much of a point operation as all do.
        damaged, truth = (pixels[:, -3:, ::2, ::2] for pixels in (batch["damaged"], batch["truth"]))
        loss = delta_e(apply_curves(damaged, curves), truth).mean()
        before = delta_e(damaged, truth).mean()
        return loss, {"delta_e": float(loss.detach()), "delta_e_before": float(before)}

    def validate(self, network: nn.Module, epoch: int) -> Row:
        """The mean colour difference of fixed examples of other works, over all and by kind."""
        del epoch
        device = next(network.parameters()).device
        row: Row = {}
        for name, batch in self.validation.items():
            damaged, truth = (batch[key].to(device) for key in ("damaged", "truth"))
            corrected = apply_curves(damaged[:, -3:], network(damaged).float())
            row[f"val_{name}"] = float(delta_e(corrected, truth).mean().detach())
        return {"val_delta_e": sum(row.values()) / len(row), **row}

    def _example(self, number: int, rng: np.random.Generator) -> tuple[Pixels, Pixels]:
        truth = cells(_part(self.train[number], rng))
        truth = np.ascontiguousarray(np.rot90(truth, int(rng.integers(4)))[:, :: int(rng.choice([-1, 1]))])
        return _aged(truth, self.damage, rng), truth[..., -3:]

    def _validation(self, pictures: Sequence[NDArray[np.uint8]], kind: Damage, stream: int) -> Batch:
        rng = np.random.default_rng([self.seed, _VALIDATION, stream])
        truths = [cells(_reduced(picture)) for picture in pictures for _ in range(_REPEATS)]
        return _stack([(_aged(truth, kind, rng), truth[..., -3:]) for truth in truths])


def _aged(truth: Pixels, damage: Damage, rng: np.random.Generator) -> Pixels:
    """The cells of a picture, as they would be had it been damaged before.

    Point operations that rise keep what is least and greatest in a cell; a mean changes little in them.
    """
    seed = int(rng.integers(2**32))
    groups = [truth[..., first : first + 3] for first in range(0, CHANNELS, 3)]
    return np.concatenate([damage(group, np.random.default_rng(seed)) for group in groups], axis=2)


def _reduced(picture: NDArray[np.uint8]) -> Pixels:
    pixels = picture.astype(np.float32) / np.float32(255)
    factor = _REDUCED / max(picture.shape[:2])
    if factor >= 1:
        return pixels
    size = tuple(max(1, round(side * factor)) for side in (picture.shape[1], picture.shape[0]))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.float32)


def _part(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """A part of a picture, four tenths of each side or more; the whole of it in every third case."""
    if rng.random() < 1 / 3:
        return pixels
    height, width = (max(1, round(side * rng.uniform(0.4, 1.0))) for side in pixels.shape[:2])
    top = int(rng.integers(pixels.shape[0] - height + 1))
    left = int(rng.integers(pixels.shape[1] - width + 1))
    return pixels[top : top + height, left : left + width]


def _stack(examples: Sequence[tuple[Pixels, Pixels]]) -> Batch:
    damaged, truth = (np.stack(part) for part in zip(*examples, strict=True))
    return {
        name: torch.from_numpy(np.ascontiguousarray(part)).permute(0, 3, 1, 2).contiguous()
        for name, part in (("damaged", damaged), ("truth", truth))
    }
