"""A discriminator of texture, patch by patch, for the restorer's adversarial refinement.

PatchGAN (Isola et al. 2017): every score sees 34 x 34 or 70 x 70 pixels only, so it judges brushwork and
grain, not motifs. Spectral normalisation (Miyato et al. 2018) keeps the training stable, and no picture's
scores depend on its neighbours in the batch. It serves training only and is never saved.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm

_SIDE = 4  # of every kernel, as in the paper


class PatchDiscriminator(nn.Module):
    """Pictures with their masks to scores of overlapping patches: positive for real.

    Args:
        width: channels of the first layer; they double from layer to layer.
        levels: layers that halve the resolution; with 3 a patch is 70 x 70 pixels, with 2 it is 34 x 34.
    """

    def __init__(self, width: int = 32, levels: int = 3) -> None:
        super().__init__()
        channels = [3 + 1, *(width << level for level in range(levels + 1))]
        self.strides = [2] * levels + [1, 1]
        sizes = [*pairwise(channels), (channels[-1], 1)]
        self.layers = nn.ModuleList(
            _layer(inputs, outputs, stride)
            for (inputs, outputs), stride in zip(sizes, self.strides, strict=True)
        )

    def forward(self, normal: Tensor, mask: Tensor) -> Tensor:
        """The scores of all patches.

        Args:
            normal: (N, 3, H, W), a picture, mean and contrast of its surroundings taken away (see
                pipeline.models.surroundings).
            mask: (N, 1, H, W), 1 where the picture may have been filled, 0 elsewhere.

        Returns:
            (N, 1, h, w), a patch each; 6 x 6 of them for 64 x 64 pixels at 3 levels.
        """
        # The mask is an input: the discriminator searches for filling that differs from the paint around it.
        x = torch.cat([normal, mask], dim=1)
        for layer in self.layers[:-1]:
            x = functional.leaky_relu(layer(x), 0.2)
        scores: Tensor = self.layers[-1](x).float()
        return scores

    def share(self, mask: Tensor) -> Tensor:
        """The share of each patch that is a hole: mask (N, 1, H, W) to (N, 1, h, w), 0 to 1.

        A patch's middle counts more than its border, as in the scores. It is 0 where no hole is touched.
        """
        for stride in self.strides:
            mask = functional.avg_pool2d(mask, _SIDE, stride, padding=1)
        return mask


def _layer(inputs: int, outputs: int, stride: int) -> nn.Module:
    layer = nn.Conv2d(inputs, outputs, _SIDE, stride, padding=1)
    nn.init.kaiming_normal_(layer.weight, a=0.2)
    nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    return spectral_norm(layer)
