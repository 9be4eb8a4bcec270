"""A compact U-Net that detects damage: one map per kind, from colours and their black-hat and top-hat.

The picture is first folded 2 x 2 into channels, so no convolution runs at full resolution. Nothing is
averaged over the whole picture, so a tile gives the same result as the picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.models.hats import CHANNELS, HATS_REACH

_RARE = -4.0  # the initial logit: damage is rare, so a new network predicts almost none
_FAINT = 0.2  # initial strength of a block's residual


class Convolution(nn.Sequential):
    """A convolution and a batch normalisation, which engines fuse into one step.

    Without the normalisation, training needs three times as many steps to the same loss.
    """

    def __init__(self, given: int, made: int, size: int, *, stride: int = 1, dilation: int = 1) -> None:
        padding = dilation * (size // 2) if stride == 1 else 0
        super().__init__(
            nn.Conv2d(given, made, size, stride, padding, dilation, bias=False), nn.BatchNorm2d(made)
        )


class Block(nn.Module):
    """A residual block of two 3 x 3 convolutions."""

    def __init__(self, channels: int, dilation: int = 1) -> None:
        super().__init__()
        self.inner = Convolution(channels, channels, 3, dilation=dilation)
        self.outer = Convolution(channels, channels, 3)
        nn.init.constant_(self.outer[1].weight, _FAINT)  # type: ignore[arg-type]

    def forward(self, features: Tensor) -> Tensor:
        """Features (N, C, H, W) to features of the same shape."""
        refined: Tensor = self.outer(functional.relu(self.inner(features)))
        return functional.relu(features + refined)


class DamageDetector(nn.Module):
    """Where a picture is damaged, by kind.

    inputs, output: their names and channels, for engines that run it as an ONNX model.

    Args:
        kinds: names of the kinds of damage, one map each.
        widths: channels at 1/2, 1/4, 1/8 … of the resolution.
        blocks: blocks of each level but the lowest, on the way down.
        dilations: dilation of each block at the lowest level, which sets the reach.
    """

    inputs: ClassVar[dict[str, int]] = {"picture": CHANNELS}
    output: ClassVar[str] = "damage"

    def __init__(
        self,
        kinds: Sequence[str],
        widths: Sequence[int] = (16, 32, 64),
        blocks: Sequence[int] = (1, 1),
        dilations: Sequence[int] = (1, 2, 1),
    ) -> None:
        super().__init__()
        if not kinds:
            raise TypeError("a detector needs one kind of damage at least")
        if len(blocks) != len(widths) - 1:
            raise TypeError(f"blocks: one number for each level but the lowest, not {list(blocks)}")
        self.kinds = tuple(kinds)
        self.multiple = 2 ** len(widths)  # height and width of an input must be multiples of it
        self.reach = _reach(blocks, dilations)
        self.stem = Convolution(4 * CHANNELS, widths[0], 3)
        self.down = nn.ModuleList(
            nn.Sequential(*(Block(width) for _ in range(count)))
            for width, count in zip(widths[:-1], blocks, strict=True)
        )
        self.shrink = nn.ModuleList(
            Convolution(fine, coarse, 2, stride=2) for fine, coarse in pairwise(widths)
        )
        self.middle = nn.Sequential(*(Block(widths[-1], dilation) for dilation in dilations))
        self.grow = nn.ModuleList(Convolution(coarse, 4 * fine, 1) for fine, coarse in pairwise(widths))
        self.merge = nn.ModuleList(Convolution(width, width, 3) for width in widths[:-1])
        self.head = nn.Conv2d(widths[0], 4 * len(kinds), 1)
        nn.init.normal_(self.head.weight, 0, 0.02)
        nn.init.constant_(self.head.bias, _RARE)  # type: ignore[arg-type]

    def forward(self, picture: Tensor, as_logits: bool = False) -> Tensor:
        """The probability of damage.

        Args:
            picture: (N, CHANNELS, H, W), see hats.described; H and W multiples of `multiple`.
            as_logits: leave out the final sigmoid; losses are computed on logits.

        Returns:
            (N, K, H, W) in [0, 1], a map for each of `kinds`.
        """
        features = functional.relu(self.stem(functional.pixel_unshuffle(picture, 2)))
        skips: list[Tensor] = []
        for blocks, shrink in zip(self.down, self.shrink, strict=True):
            features = blocks(features)
            skips.append(features)
            features = functional.relu(shrink(features))
        features = self.middle(features)
        for merge, grow, skip in zip(reversed(self.merge), reversed(self.grow), reversed(skips), strict=True):
            features = functional.relu(functional.pixel_shuffle(grow(features), 2) + skip)
            features = features + functional.relu(merge(features))
        logits: Tensor = functional.pixel_shuffle(self.head(features), 2)
        return logits if as_logits else torch.sigmoid(logits)


def _reach(blocks: Sequence[int], dilations: Sequence[int]) -> int:
    """Pixels to each side that one output pixel may depend on: folding, strides and hats included."""
    reach = 2 * 1 + 1 + HATS_REACH  # stem and folding
    for level, count in enumerate(blocks):
        cell = 2 << level
        reach += (2 * count + 1) * cell + cell  # down, merge, and the step to the next level
    return reach + sum(dilation + 1 for dilation in dilations) * (2 << len(blocks))
