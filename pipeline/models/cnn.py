"""A plain convolutional network, trained from scratch, as a comparison for pretrained features."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

GRID = 4  # cells per side that the last maps are averaged to, whatever the picture's size


class PlainCNN(nn.Module):
    """Three convolution-pool blocks, a dense layer, dropout, logits (LeCun et al. 1998; no tricks).

    Args:
        outputs: number of logits; softmax and sigmoid belong to the loss and the prediction.
        width: channels of the first block; each further block doubles them.
        dropout: share of the dense layer's activations dropped in training.
    """

    def __init__(self, outputs: int, width: int = 24, dropout: float = 0.5) -> None:
        super().__init__()
        channels = [3, width, 2 * width, 4 * width]
        blocks = [
            nn.Sequential(nn.Conv2d(before, after, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2))
            for before, after in pairwise(channels)
        ]
        self.blocks = nn.Sequential(*blocks)
        self.pool = nn.AdaptiveAvgPool2d(GRID)
        self.dense = nn.Linear(4 * width * GRID * GRID, 128)
        self.dropout = nn.Dropout(dropout)
        self.logits = nn.Linear(128, outputs)

    def forward(self, pictures: Tensor) -> Tensor:
        """Logits (N, outputs) of pictures (N, 3, H, W), sRGB in [0, 1]; H, W of at least 8."""
        maps = self.pool(self.blocks(2 * pictures - 1))
        dense = torch.relu(self.dense(maps.flatten(1)))
        logits: Tensor = self.logits(self.dropout(dense))
        return logits
