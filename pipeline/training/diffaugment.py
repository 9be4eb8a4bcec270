"""DiffAugment: the same random, differentiable changes of real and fake pictures (Zhao et al. 2020).

The discriminator only ever sees changed pictures, so it cannot learn a hundred paintings by heart;
since the changes are differentiable, the generator still learns through them.
"""

from __future__ import annotations

import torch
from torch import Tensor


def diffaugment(pictures: Tensor, p: float = 1.0) -> Tensor:
    """Colour, translation and cutout, each applied to a picture with probability `p`.

    Args:
        pictures: (N, 3, H, W) in [-1, 1]. Random numbers come from torch's global generator.
        p: probability of each of the three; 0 returns the pictures as they are.

    Returns:
        Changed pictures of the same shape; colours may leave [-1, 1].
    """
    if p <= 0:
        return pictures
    for change in (_colour, _translate, _cutout):
        chosen = (_uniform(pictures, 0, 1) < p).to(pictures.dtype)
        pictures = pictures + chosen * (change(pictures) - pictures)
    return pictures


def _colour(x: Tensor) -> Tensor:
    """Brightness by -0.5 to 0.5, saturation by 0 to 2, contrast by 0.5 to 1.5."""
    x = x + _uniform(x, -0.5, 0.5)
    grey = x.mean(dim=1, keepdim=True)
    x = grey + (x - grey) * _uniform(x, 0, 2)
    mean = x.mean(dim=(1, 2, 3), keepdim=True)
    return mean + (x - mean) * _uniform(x, 0.5, 1.5)


def _translate(x: Tensor, ratio: float = 0.125) -> Tensor:
    """A shift by up to `ratio` of the side in both directions; mid-grey comes in."""
    count, _, height, width = x.shape
    down = _integers(x, int(height * ratio))
    right = _integers(x, int(width * ratio))
    rows = torch.arange(height, device=x.device)[None, :, None] + down
    columns = torch.arange(width, device=x.device)[None, None, :] + right
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    which = torch.arange(count, device=x.device)[:, None, None]
    moved = x.permute(0, 2, 3, 1)[which, rows.clamp(0, height - 1), columns.clamp(0, width - 1)]
    return (moved * inside[..., None].to(x.dtype)).permute(0, 3, 1, 2)


def _cutout(x: Tensor, ratio: float = 0.5) -> Tensor:
    """A mid-grey square of `ratio` of the side, its centre anywhere."""
    height, width = x.shape[2:]
    top = _uniform(x, 0, height)[:, 0] - height * ratio / 2
    left = _uniform(x, 0, width)[:, 0] - width * ratio / 2
    rows = torch.arange(height, device=x.device)[None, :, None]
    columns = torch.arange(width, device=x.device)[None, None, :]
    cut = (rows >= top) & (rows < top + height * ratio)
    cut = cut & (columns >= left) & (columns < left + width * ratio)
    return x * (~cut)[:, None].to(x.dtype)


def _uniform(x: Tensor, low: float, high: float) -> Tensor:
    """One number per picture, (N, 1, 1, 1)."""
    return torch.rand(len(x), 1, 1, 1, device=x.device, dtype=x.dtype) * (high - low) + low


def _integers(x: Tensor, limit: int) -> Tensor:
    """One integer from -limit to limit per picture, (N, 1, 1)."""
    return torch.randint(-limit, limit + 1, (len(x), 1, 1), device=x.device)
