"""A compact gated U-Net that refines a classical filling of holes.

Gates follow Yu et al. 2019 (free-form inpainting with gated convolution). The picture is folded 2 x 2
into channels first, so no convolution runs at full resolution, which would be too slow on a CPU.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional


class GatedBlock(nn.Module):
    """A residual block: a 3 x 3 convolution whose output is gated, then a 3 x 3 convolution."""

    def __init__(self, channels: int, dilation: int = 1) -> None:
        super().__init__()
        self.value = nn.Conv2d(channels, channels, 3, padding=dilation, dilation=dilation)
        self.gate = nn.Conv2d(channels, channels, 3, padding=dilation, dilation=dilation)
        self.out = nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)  # type: ignore[arg-type]

    def forward(self, features: Tensor) -> Tensor:
        """Features (N, C, H, W) to features of the same shape."""
        gated = functional.silu(self.value(features)) * torch.sigmoid(self.gate(features))
        refined: Tensor = self.out(gated)
        return features + refined


class ResidualUNet(nn.Module):
    """Predicts the residual of a classical filling of holes.

    A new network adds nothing, so training starts from the classical method.

    inputs, output: their names and channels, for engines that run it as an ONNX model.

    Args:
        widths: channels at 1/2, 1/4, 1/8 … of the resolution.
        blocks: blocks per level on the way down, and again on the way up.
        dilations: dilation of each block at the lowest level, which sets the reach.
    """

    inputs: ClassVar[dict[str, int]] = {"normal": 3, "mask": 1}
    output: ClassVar[str] = "residual"

    def __init__(
        self,
        widths: Sequence[int] = (32, 48, 64),
        blocks: int = 1,
        dilations: Sequence[int] = (1, 2, 4),
    ) -> None:
        super().__init__()
        self.multiple = 2 ** len(widths)  # height and width of an input must be multiples of it
        self.reach = _reach(len(widths), blocks, dilations)
        self.stem = nn.Conv2d(4 * 4, widths[0], 3, padding=1)
        self.down = nn.ModuleList(_level(width, blocks) for width in widths[:-1])
        self.shrink = nn.ModuleList(nn.Conv2d(fine, coarse, 2, stride=2) for fine, coarse in pairwise(widths))
        self.middle = nn.Sequential(*(GatedBlock(widths[-1], dilation) for dilation in dilations))
        self.grow = nn.ModuleList(nn.Conv2d(coarse, 4 * fine, 1) for fine, coarse in pairwise(widths))
        self.up = nn.ModuleList(_level(width, blocks) for width in widths[:-1])
        self.head = nn.Conv2d(widths[0], 3 * 4, 3, padding=1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)  # type: ignore[arg-type]

    def forward(self, normal: Tensor, mask: Tensor) -> Tensor:
        """What to add to the normal picture in its holes.

        Args:
            normal: (N, 3, H, W), a picture whose holes a classical method filled, mean and contrast of its
                surroundings taken away (see pipeline.models.surroundings).
            mask: (N, 1, H, W), 1 in the holes, 0 elsewhere.

        Returns:
            (N, 3, H, W), of use in the holes only.
        """
        features = self.stem(functional.pixel_unshuffle(torch.cat([normal, mask], dim=1), 2))
        skips: list[Tensor] = []
        for level, shrink in zip(self.down, self.shrink, strict=True):
            features = level(features)
            skips.append(features)
            features = shrink(features)
        features = self.middle(features)
        for level, grow, skip in zip(reversed(self.up), reversed(self.grow), reversed(skips), strict=True):
            features = level(functional.pixel_shuffle(grow(features), 2) + skip)
        return functional.pixel_shuffle(self.head(features), 2)


def _reach(levels: int, blocks: int, dilations: Sequence[int]) -> int:
    """Pixels to each side that one output pixel may depend on, folding and strides included."""
    reach = 2 * 2 + 2  # stem and head, and the folding itself
    for level in range(levels - 1):
        cell = 2 << level
        reach += 2 * blocks * 2 * cell + cell  # down and up, and the step to the next level
    return reach + sum(dilation + 1 for dilation in dilations) * (1 << levels)


def _level(width: int, blocks: int) -> nn.Sequential:
    return nn.Sequential(*(GatedBlock(width) for _ in range(blocks)))
