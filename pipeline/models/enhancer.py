"""Compact networks that denoise or enlarge a picture from its local surroundings.

Their blocks follow NAFNet (Chen et al. 2022: normalised, gated by a product, no activation). One ordinary
convolution replaces its pair of a pointwise and a depthwise convolution: a CPU computes it at about twice as
many multiplications per second. Its channel attention is left out, because it pools over the picture, so
tiles would differ. The output is a residual, added to the input or to its interpolation. So the picture keeps
its full precision, whatever precision the network uses. A new network adds nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

_NOISE_GAIN = 4.0  # levels of noise are small numbers; this scales them to the range of colours


class ChannelNorm(nn.Module):
    """Normalise every pixel's features to mean 0 and deviation 1 (layer normalisation: Ba et al. 2016)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, features: Tensor) -> Tensor:
        """Features (N, C, H, W) to features of the same shape."""
        last = features.permute(0, 2, 3, 1)
        normal = functional.layer_norm(last, self.weight.shape, self.weight, self.bias, eps=1e-5)
        return normal.permute(0, 3, 1, 2)


class Block(nn.Module):
    """A residual block: a 3 x 3 convolution whose halves are multiplied, then a 1 x 1 convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = ChannelNorm(channels)
        self.near = nn.Conv2d(channels, 2 * channels, 3, padding=1)
        self.out = nn.Conv2d(channels, channels, 1)
        _silence(self.out)

    def forward(self, features: Tensor) -> Tensor:
        """Features (N, C, H, W) to features of the same shape."""
        first, second = self.near(self.norm(features)).chunk(2, dim=1)
        refined: Tensor = self.out(first * second)
        return features + refined


class Enhancer(nn.Module):
    """Predicts the residual that removes noise; a U-Net that starts at half the resolution.

    The level of noise is an input (FFDNet, Zhang et al. 2018), so that one network serves all levels.

    inputs, output: their names and channels, for engines that run it as an ONNX model.

    Args:
        widths: channels at 1/2, 1/4, 1/8 … of the resolution.
        blocks: blocks of each level; all but the lowest have as many again on the way up.
    """

    inputs: ClassVar[dict[str, int]] = {"picture": 3, "noise": 1}
    output: ClassVar[str] = "residual"

    def __init__(self, widths: Sequence[int] = (48, 80, 112), blocks: Sequence[int] = (1, 2, 4)) -> None:
        super().__init__()
        _require(len(widths) == len(blocks) > 0, "as many widths as numbers of blocks, one at least")
        self.multiple = 2 ** len(widths)  # height and width of an input must be multiples of it
        self.reach = _reach(blocks)
        self.stem = nn.Conv2d(4 * 4, widths[0], 3, padding=1)
        self.down = nn.ModuleList(_level(*level) for level in zip(widths[:-1], blocks[:-1], strict=True))
        self.shrink = nn.ModuleList(nn.Conv2d(fine, coarse, 2, stride=2) for fine, coarse in pairwise(widths))
        self.middle = _level(widths[-1], blocks[-1])
        self.grow = nn.ModuleList(nn.Conv2d(coarse, 4 * fine, 1) for fine, coarse in pairwise(widths))
        self.up = nn.ModuleList(_level(*level) for level in zip(widths[:-1], blocks[:-1], strict=True))
        self.head = nn.Conv2d(widths[0], 3 * 4, 3, padding=1)
        _silence(self.head)

    def forward(self, picture: Tensor, noise: Tensor) -> Tensor:
        """The residual: what to add to the picture.

        Args:
            picture: (N, 3, H, W), values in [0, 1].
            noise: (N, 1, H, W), standard deviation of the noise, of [0, 1].

        Returns:
            (N, 3, H, W).
        """
        both = torch.cat([picture - 0.5, noise * _NOISE_GAIN], dim=1)
        features = self.stem(functional.pixel_unshuffle(both, 2))
        skips: list[Tensor] = []
        for level, shrink in zip(self.down, self.shrink, strict=True):
            features = level(features)
            skips.append(features)
            features = shrink(features)
        features = self.middle(features)
        for level, grow, skip in zip(reversed(self.up), reversed(self.grow), reversed(skips), strict=True):
            features = level(functional.pixel_shuffle(grow(features), 2) + skip)
        return functional.pixel_shuffle(self.head(features), 2)


class Upscaler(nn.Module):
    """Predicts the residual of an interpolated picture; computes at the small size (Shi et al. 2016).

    inputs, output: their names and channels, for engines that run it as an ONNX model.

    Args:
        scale: how many times larger the result is: 2 or 4.
        width: channels.
        blocks: how many, one after another.
    """

    inputs: ClassVar[dict[str, int]] = {"picture": 3}
    output: ClassVar[str] = "residual"
    multiple = 1

    def __init__(self, scale: int, width: int = 48, blocks: int = 10) -> None:
        super().__init__()
        _require(scale in (2, 4), f"scale 2 or 4, not {scale}")
        self.scale = scale
        self.reach = blocks + 2  # pixels of the small picture
        self.stem = nn.Conv2d(3, width, 3, padding=1)
        self.trunk = _level(width, blocks)
        self.head = nn.Conv2d(width, 3 * scale**2, 3, padding=1)
        _silence(self.head)

    def forward(self, picture: Tensor) -> Tensor:
        """What to add to the interpolated picture: (N, 3, H, W) in [0, 1] to (N, 3, H * scale, W * scale)."""
        features = self.stem(picture - 0.5)
        return functional.pixel_shuffle(self.head(features + self.trunk(features)), self.scale)


def _level(width: int, blocks: int) -> nn.Sequential:
    return nn.Sequential(*(Block(width) for _ in range(blocks)))


def _reach(blocks: Sequence[int]) -> int:
    """Pixels to each side that one output pixel may depend on, foldings and strides included."""
    levels = [(2 << level, count) for level, count in enumerate(blocks)]  # pixels of a cell, and blocks
    near = sum(2 * count * cell for cell, count in levels[:-1]) + levels[-1][0] * levels[-1][1]
    ends = 2 * levels[0][0]  # stem and head
    return near + ends + levels[-1][0] - 1  # a pixel may be the first or the last of its coarsest cell


def _silence(layer: nn.Conv2d) -> None:
    nn.init.zeros_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)


def _require(condition: bool, what: str) -> None:
    if not condition:
        raise TypeError(f"it takes {what}")
