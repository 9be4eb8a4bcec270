"""Batches mixed in the training loop: mixup (Zhang et al. 2018) and cutmix (Yun et al. 2019).

Two pictures become one, and so do their labels, in the same shares. Labels are soft afterwards: rows of
probabilities, for a cross-entropy that takes them.
"""

from __future__ import annotations

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from pipeline.params import StageParams


class Mixing(StageParams):
    """How batches are mixed; a group inside the trainer's parameters."""

    mixup: float = Field(ge=0, le=10)
    cutmix: float = Field(ge=0, le=10)


UNMIXED = Mixing(mixup=0, cutmix=0)


def mixed(inputs: Tensor, targets: Tensor, mixing: Mixing, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """A batch mixed as the parameters say; where both ways are asked for, by one of them, drawn evenly.

    Arguments and results as in `mixup` and `cutmix`.
    """
    if mixing.mixup > 0 and (mixing.cutmix == 0 or rng.random() < 0.5):
        return mixup(inputs, targets, mixing.mixup, rng)
    return cutmix(inputs, targets, mixing.cutmix, rng)


def mixup(pictures: Tensor, targets: Tensor, alpha: float, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Every picture blended with another of the batch: share x picture + (1 - share) x other.

    Args:
        pictures: (N, C, H, W), or features (N, D).
        targets: (N, K), rows of probabilities, of independent ones in [0, 1], or of either times a weight.
        alpha: of Beta(alpha, alpha), from which the batch's share is drawn; 0 mixes nothing.
        rng: of the share and the partners: a batch of one stays as it is.

    Returns:
        New pictures and targets of the same shapes; the arguments are left as they are.
    """
    if alpha <= 0 or len(pictures) < 2:
        return pictures, targets
    share, other = float(rng.beta(alpha, alpha)), _partners(len(pictures), rng)
    return torch.lerp(pictures[other], pictures, share), torch.lerp(targets[other], targets, share)


def cutmix(
    pictures: Tensor, targets: Tensor, alpha: float, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """A rectangle of every picture replaced by another picture's; labels in the shares of the area.

    Brushwork stays as it is, which mixup blurs. Arguments and results as in `mixup`, for pictures
    (N, C, H, W) only. The rectangle's area is drawn as 1 - Beta(alpha, alpha), its place anywhere; the
    part of it that lies outside does not count.
    """
    if alpha <= 0 or len(pictures) < 2:
        return pictures, targets
    other = _partners(len(pictures), rng)
    height, width = pictures.shape[2:]
    side = np.sqrt(1 - rng.beta(alpha, alpha))
    top, bottom = _span(height, side, rng)
    left, right = _span(width, side, rng)
    mixed = pictures.clone()
    mixed[:, :, top:bottom, left:right] = pictures[other, :, top:bottom, left:right]
    share = 1 - (bottom - top) * (right - left) / (height * width)
    return mixed, torch.lerp(targets[other], targets, share)


def _partners(count: int, rng: np.random.Generator) -> Tensor:
    # A shift of a shuffled order: no picture is its own partner.
    order = rng.permutation(count)
    other = np.empty(count, np.int64)
    other[order] = np.roll(order, 1)
    return torch.from_numpy(other)


def _span(length: int, share: float, rng: np.random.Generator) -> tuple[int, int]:
    half, middle = length * share / 2, rng.uniform(0, length)
    return max(0, round(middle - half)), min(length, round(middle + half))
