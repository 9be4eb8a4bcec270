"""Training the detector: tell damage made to order from paint, in pictures of several sizes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from pipeline.errors import PentimentoError
from pipeline.models.detector import DamageDetector
from pipeline.models.hats import HATS_REACH, SMALL, described, doubled
from pipeline.training.crops import at_least, drawn, ratio, turned
from pipeline.training.examples import DamagedExamples
from pipeline.training.precision import autocast
from pipeline.training.task import Batch, Row

Pixels = NDArray[np.float32]  # (H, W, 3), values in [0, 1]
Mask = NDArray[np.bool_]  # (H, W)
Crop = tuple[NDArray[np.float32], NDArray[np.bool_], Mask]  # (C, S, S), (K, S, S) and (S, S)

# Ages a picture: the result; where damage shows, by kind (kinds that were not applied are missing); and
# where it is too faint for anybody to tell, which counts neither as damage nor as paint.
Ageing = Callable[[Pixels, np.random.Generator], tuple[Pixels, Mapping[str, Mask], Mask]]

_VALIDATION = 1  # a stream of randomness apart from the epochs'
_POOL = 12  # pictures whose crops are mixed: a batch is not all of one picture
_BINS = 200  # of the histograms from which the best threshold is read
_FALSE_ALARM = 0.7  # weight of false alarms against misses in Tversky's index
_LEAST = 16.0  # pixels of damage below which a crop says little
_GREY = 0.08  # share of pictures shown without colour
_GAMMA = 0.5  # a picture is made darker or paler by a gamma of exp(+-this)
_SEEN = 0.5  # share of a damaged picture's crops that are drawn around a damaged pixel
_LOOKS = 2  # how often each validation picture is aged, and how many of its crops are kept each time
_KEPT = 5


class DetectorTask:
    """The detector's data, loss and validation for the training loop.

    Args:
        network: see DamageDetector; ageing may apply the kinds that it knows only.
        train: pictures, (H, W, 3) 8-bit sRGB.
        validation: the same, of other works.
        ageing: damages a picture, or leaves it as it is.
        examples: sizes and counts; a picture is aged at a longer side between `smallest` and `largest`.
        batch_size: crops per update.
        learning_rate: of AdamW.
        bf16: compute in bfloat16 on a CPU that has it (a GPU's precision is the loop's matter).
        seed: of sizes, crops and damage.
    """

    averaged = "detector"
    monitor: tuple[str, bool] | None = ("val_f1_mean", True)
    phases: Sequence[tuple[str, str, torch.optim.Optimizer]]

    def __init__(
        self,
        network: DamageDetector,
        *,
        train: Sequence[NDArray[np.uint8]],
        validation: Sequence[NDArray[np.uint8]],
        ageing: Ageing,
        examples: DamagedExamples,
        batch_size: int,
        learning_rate: float,
        bf16: bool,
        seed: int,
    ) -> None:
        if examples.smallest > examples.largest:
            raise PentimentoError("examples.smallest is larger than examples.largest; exchange them")
        self.networks: dict[str, nn.Module] = {"detector": network}
        self.kinds = network.kinds
        optimizer = torch.optim.AdamW(network.parameters(), learning_rate, weight_decay=1e-4)
        self.phases = (("detector", "detector", optimizer),)
        self.train, self.ageing = train, ageing
        self.examples, self.batch_size, self.seed, self.bf16 = examples, batch_size, seed, bf16
        self.validation = self._validation_crops(validation)

    def batches(self, epoch: int, rank: int, processes: int) -> Iterator[Batch]:
        """One epoch's batches.

        `picture` (N, C, S, S), see hats.described; `damage` (N, K, S, S), Boolean; `known` (N, 1, S, S),
        Boolean, false where nobody can tell.
        """
        rng = np.random.default_rng([self.seed, epoch, rank, 0])
        count = self.examples.pictures // processes
        pool: list[Crop] = []
        for number, picture in enumerate(drawn(len(self.train), count, rng), start=1):
            pool.extend(self._crops(self.train[picture], rng))
            if number % _POOL and number < count:
                continue
            mixed = [pool[place] for place in rng.permutation(len(pool))]
            whole = len(mixed) if number == count else len(mixed) // self.batch_size * self.batch_size
            for first in range(0, whole, self.batch_size):
                yield stack(mixed[first : first + self.batch_size])
            pool = mixed[whole:]

    def loss(self, phase: str, batch: Batch, networks: dict[str, nn.Module]) -> tuple[Tensor, Row]:
        """Cross-entropy of each kind and of damage as such, Dice of each kind and crop, Tversky of damage."""
        damage, known = batch["damage"].float(), batch["known"].float()
        with autocast(damage.device, on_cpu=self.bf16):
            logits = networks["detector"](batch["picture"], as_logits=True)
        logits = logits.float()
        entropies = functional.binary_cross_entropy_with_logits(logits, damage, reduction="none")
        kinds = (entropies * known).sum(1).mean()
        either, truth = any_damage(logits), damage.amax(dim=1)
        entropy = functional.binary_cross_entropy(either.clamp(1e-6, 1 - 1e-6), truth, known[:, 0])
        dice = overlap((torch.sigmoid(logits) * known).transpose(0, 1), (damage * known).transpose(0, 1), 0.5)
        present = damage.amax(dim=(0, 2, 3))  # of a kind that a batch lacks, the overlap says nothing
        per_kind = ((1 - dice) * present).sum() / present.sum().clamp(min=1)
        either, truth = either * known[:, 0], truth * known[:, 0]
        tversky = 1 - overlap(either[None], truth[None], _FALSE_ALARM)[0]
        # Each damaged crop counts as much as any other: in the whole batch's overlap thin damage is nothing.
        damaged = truth.amax(dim=(1, 2))
        each = ((1 - overlap(either, truth, 0.5, _LEAST)) * damaged).sum() / damaged.sum().clamp(min=1)
        loss = kinds + 2 * entropy + 0.5 * per_kind + 0.5 * tversky + 0.5 * each
        row = {"loss": loss, "entropy": entropy, "dice": per_kind, "tversky": tversky, "each": each}
        return loss, {name: float(value.detach()) for name, value in row.items()}

    def validate(self, network: nn.Module, epoch: int) -> Row:
        """Of fixed crops of other works: the best F1 of any threshold, and false alarms at it.

        `val_f1_mean` is the mean F1 of damaged crops at its own best threshold: in `val_f1`, of all
        pixels together, wide damage decides.
        """
        device = next(network.parameters()).device
        counts = np.zeros((3, _BINS), np.int64)  # of damage, of paint, and of paint in clean crops
        each: list[NDArray[np.float64]] = []  # F1 at every threshold, of each damaged crop
        for batch in self.validation:
            with autocast(device, on_cpu=self.bf16):
                logits = network(batch["picture"].to(device), as_logits=True).float()
            bins = (any_damage(logits) * _BINS).long().clamp(0, _BINS - 1).cpu()
            truth, known = batch["damage"].any(dim=1), batch["known"][:, 0]
            clean = (~truth.flatten(1).any(1))[:, None, None].expand_as(truth)
            for crop in range(len(bins)):
                told = (truth[crop] & known[crop], ~truth[crop] & known[crop], clean[crop])
                own = np.stack([torch.bincount(bins[crop][of], minlength=_BINS).numpy() for of in told])
                counts += own
                if own[0].any():
                    each.append(_f1(own)[0])
        f1, found, alarms, clean_alarms = _f1(counts)
        best = int(f1.argmax())
        return {
            "val_f1_mean": float(np.mean(each, axis=0).max()) if each else 0.0,
            "val_f1": float(f1[best]),
            "val_threshold": best / _BINS,
            "val_precision": float(found[best] / max(1, found[best] + alarms[best])),
            "val_recall": float(found[best] / max(1, counts[0].sum())),
            "val_clean_alarms": float(clean_alarms[best] / max(1, counts[2].sum())),
        }

    def _validation_crops(self, pictures: Sequence[NDArray[np.uint8]]) -> list[Batch]:
        rng = np.random.default_rng([self.seed, _VALIDATION])
        crops = [
            crop
            for picture in pictures[: self.examples.validation_pictures]
            for _ in range(_LOOKS)
            for crop in self._crops(picture, rng)[:_KEPT]
        ]
        size = self.batch_size
        return [stack(crops[first : first + size]) for first in range(0, len(crops), size)]

    def _crops(self, picture: NDArray[np.uint8], rng: np.random.Generator) -> list[Crop]:
        """Crops of one picture, resized, aged as a whole, and rounded to 8 bits as scans are."""
        side = self.examples.crop
        whole = turned(self._sized(picture, rng), rng)
        clean = at_least(whole, side).astype(np.float32) / np.float32(255)
        clean **= np.float32(np.exp(rng.uniform(-_GAMMA, _GAMMA)))
        aged, masks, unsure = self.ageing(clean, rng)
        if unknown := sorted(set(masks) - set(self.kinds)):
            raise PentimentoError(f"the detector has no map for damage of the kind {', '.join(unknown)}")
        pixels = np.round(aged * 255).astype(np.float32) / np.float32(255)
        if rng.random() < _GREY:
            pixels = np.repeat(pixels.mean(axis=2, keepdims=True), 3, axis=2)
        none = np.zeros(pixels.shape[:2], np.bool_)
        planes = np.stack([masks.get(kind, none) for kind in self.kinds])
        damaged = np.asarray(planes.any(axis=0))
        small = max(pixels.shape) <= SMALL and rng.random() < self.examples.doubled
        inner = side // 2 if small else side
        whole_planes = None if small else described(pixels)
        crops: list[Crop] = []
        for _ in range(self.examples.per_picture):
            top, left = self._place(damaged, inner, rng)
            window = np.s_[..., top : top + inner, left : left + inner]
            there, known = planes[window], ~unsure[window]
            if whole_planes is None:
                crops.append((_large(pixels, top, left, inner), _twice(there), _twice(known)))
            else:
                crops.append((whole_planes[window], there, known))
        return crops

    def _place(self, damaged: Mask, side: int, rng: np.random.Generator) -> tuple[int, int]:
        """Where a crop begins: anywhere, or so that it holds damage; of thin kinds chance shows little."""
        last = np.array(damaged.shape) - side
        spots = np.flatnonzero(damaged) if rng.random() < _SEEN else np.empty(0)
        if not len(spots):
            top, left = rng.integers(last + 1)
        else:
            spot = np.array(np.unravel_index(spots[rng.integers(len(spots))], damaged.shape))
            top, left = np.clip(spot - rng.integers(side, size=2), 0, last)
        return int(top), int(left)

    def _sized(self, picture: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
        """Half of the time the picture at its own size, else resized, enlarged by a third at most.

        Its longer side is between `smallest` and `largest`.
        """
        longest = max(picture.shape[:2])
        most = min(self.examples.largest / longest, 4 / 3)
        least = min(self.examples.smallest / longest, most)
        factor = float(np.clip(ratio(least, most, rng), least, most))
        size = tuple(max(1, round(length * factor)) for length in picture.shape[1::-1])
        way = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
        return np.asarray(cv2.resize(picture, size, interpolation=way), np.uint8)


def _large(pixels: Pixels, top: int, left: int, side: int) -> NDArray[np.float32]:
    """A square of a picture, enlarged twice, as the network takes it: (C, 2 side, 2 side)."""
    around = HATS_REACH // 2 + 2  # what hats and interpolation look at beyond the square
    padded = np.pad(pixels, ((around, around), (around, around), (0, 0)), mode="symmetric")
    part = padded[top : top + side + 2 * around, left : left + side + 2 * around]
    inner = slice(2 * around, 2 * (around + side))
    return described(doubled(part))[:, inner, inner]


def _twice(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return np.repeat(np.repeat(mask, 2, axis=-2), 2, axis=-1)


def _f1(counts: NDArray[np.int64]) -> tuple[NDArray[np.float64], ...]:
    """F1 at every threshold, and what is above it, from histograms (3, bins): damage, paint, clean crops."""
    found, alarms, clean_alarms = counts[:, ::-1].cumsum(axis=1)[:, ::-1]
    return 2 * found / np.maximum(1, found + alarms + counts[0].sum()), found, alarms, clean_alarms


def stack(crops: Sequence[Crop]) -> Batch:
    """Crops as one batch of tensors; those of damage are Boolean, a quarter of the way to a GPU."""
    pictures, planes, known = (np.stack(part) for part in zip(*crops, strict=True))
    return {
        "picture": torch.from_numpy(pictures),
        "damage": torch.from_numpy(planes),
        "known": torch.from_numpy(known[:, None]),
    }


def any_damage(logits: Tensor) -> Tensor:
    """How probable damage of any kind is, (N, H, W), from the logits (N, K, H, W) of kinds that coincide."""
    spared: Tensor = functional.logsigmoid(-logits).sum(dim=1)
    return -torch.expm1(spared)


def overlap(found: Tensor, truth: Tensor, false_alarm: float, least: float = 1.0) -> Tensor:
    """Tversky's index of each of the first axis (Salehi et al. 2017); at 0.5 it is Dice's coefficient.

    Args:
        found: (G, …), probabilities.
        truth: the same shape, 0 or 1.
        false_alarm: how much false alarms count; misses count 1 - `false_alarm`.
        least: pixels that are taken to be found beside them; what is far smaller counts little.
    """
    found, truth = found.flatten(1), truth.flatten(1)
    both = (found * truth).sum(1)
    alarms, misses = found.sum(1) - both, truth.sum(1) - both
    return (both + least) / (both + false_alarm * alarms + (1 - false_alarm) * misses + least)
