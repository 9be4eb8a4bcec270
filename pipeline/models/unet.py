"""A compact gated U-Net that refines a classical filling of holes.

Gates follow Yu et al. 2019 (free-form inpainting with gated convolution). The picture is folded 2 x 2
into channels first, so that no convolution runs at full resolution: what a CPU can afford.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional


class GatedBlock(nn.Module):
    """A residual block: a 3 x 3 convolution whose output is gated, then a 3 x 3 convolution."""

    def __init__(self, channels: int, dilation: int = 1) -> None:
        super().__init__()
        self.gated = nn.Conv2d(channels, 2 * channels, 3, padding=dilation, dilation=dilation)
        self.out = nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)  # type: ignore[arg-type]

    def forward(self, features: Tensor) -> Tensor:
        """Features (N, C, H, W) to features of the same shape."""
        value, gate = self.gated(features).chunk(2, dim=1)
        refined: Tensor = self.out(functional.silu(value) * torch.sigmoid(gate))
        return features + refined


class ResidualUNet(nn.Module):
    """Predicts what to add to a classical filling, inside the holes only.

    A new network adds nothing: training starts at the classical method.

    Args:
        widths: channels at 1/2, 1/4, 1/8 … of the resolution.
        blocks: blocks per level on the way down, and again on the way up.
        dilations: dilation of each block at the lowest level, which sets the reach.
    """

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

    def forward(self, start: Tensor, mask: Tensor) -> Tensor:
        """The refined picture.

        Args:
            start: (N, 3, H, W), the picture in [0, 1] with its holes filled by a classical method.
            mask: (N, 1, H, W), 1 in the holes, 0 elsewhere.

        Returns:
            (N, 3, H, W): `start` where the mask is 0; not held to [0, 1] where it is 1.
        """
        mean, deviation = self._surroundings(start)
        both = torch.cat([(start - mean) / deviation, mask], dim=1)
        features = self.stem(functional.pixel_unshuffle(both, 2))
        skips: list[Tensor] = []
        for level, shrink in zip(self.down, self.shrink, strict=True):
            features = level(features)
            skips.append(features)
            features = shrink(features)
        features = self.middle(features)
        for level, grow, skip in zip(reversed(self.up), reversed(self.grow), reversed(skips), strict=True):
            features = level(functional.pixel_shuffle(grow(features), 2) + skip)
        residual = functional.pixel_shuffle(self.head(features), 2)
        return start + residual.to(start.dtype) * deviation * mask

    def _surroundings(self, start: Tensor) -> tuple[Tensor, Tensor]:
        """Local mean (N, 3, H, W) and contrast (N, 1, H, W), over about five cells.

        Dark and bright, soft and harsh passages thus look alike to the network.
        """

        def spread(values: Tensor) -> Tensor:
            cells = functional.avg_pool2d(values, self.multiple)
            cells = functional.avg_pool2d(cells, 5, 1, padding=2, count_include_pad=False)
            return functional.interpolate(cells, scale_factor=float(self.multiple))

        mean = spread(start)
        variance = spread((start - mean).square().mean(dim=1, keepdim=True))
        return mean, variance.sqrt() + 0.01


def _reach(levels: int, blocks: int, dilations: Sequence[int]) -> int:
    """Pixels to each side that one output pixel may depend on, folding and strides included."""
    reach = 2 * 2 + 2  # stem and head, and the folding itself
    for level in range(levels - 1):
        cell = 2 << level
        reach += 2 * blocks * 2 * cell + cell  # down and up, and the step to the next level
    cell = 1 << levels
    surroundings = 6 * cell
    return reach + surroundings + sum(dilation + 1 for dilation in dilations) * cell


def _level(width: int, blocks: int) -> nn.Sequential:
    return nn.Sequential(*(GatedBlock(width) for _ in range(blocks)))
