"""The networks of the generative adversarial branch: generator, discriminator, frozen projection.

The generator is a small style-modulated residual network. The discriminator judges a picture's pixels and,
optionally, feature maps of a frozen EfficientNet-Lite0 (projected GANs, Sauer et al. 2021). Lite0's
knowledge of natural pictures makes a hundred paintings enough to learn from.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm

from pipeline.models.generator import PictureGenerator
from pipeline.models.lite0 import Lite0

BASE = 4  # pixels a side of the generator's first and the discriminator's last feature map
TAPS = ((4, 40), (10, 112), (15, 320))  # Lite0 blocks that are tapped, and their channels
PROJECTED = 64  # channels that each tap is mixed to


def latents(seed: int, start: int, stop: int, size: int) -> Tensor:
    """The latent vectors of indices start to stop, (stop - start, size), standard normal.

    A vector depends on (seed, index) only.
    """
    rows = [
        np.random.default_rng((seed, index)).standard_normal(size, dtype=np.float32)
        for index in range(start, stop)
    ]
    return torch.from_numpy(np.stack(rows)) if rows else torch.zeros(0, size)


def to_pixels(pictures: Tensor) -> NDArray[np.uint8]:
    """(N, 3, H, W) in [-1, 1] to (N, H, W, 3), 8-bit sRGB."""
    scaled = ((pictures.detach().float() + 1) * 127.5).round().clamp(0, 255)
    pixels: NDArray[np.uint8] = scaled.to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
    return pixels


class Generator(PictureGenerator):
    """Latent vectors to pictures.

    Args:
        latent: length of a latent vector.
        width: channels at full resolution; they double towards the coarse end, up to 8 times.
        side: pixels a side of a picture, a power of two of at least 8.
    """

    def __init__(self, latent: int = 128, width: int = 16, side: int = 64) -> None:
        super().__init__()
        self.latent, self.side = latent, side
        channels = _channels(width, side)[::-1]
        self.style = nn.Sequential(nn.Linear(latent, latent), nn.LeakyReLU(0.2), nn.Linear(latent, latent))
        self.start = nn.Linear(latent, channels[0] * BASE * BASE)
        self.blocks = nn.ModuleList(
            _Up(inputs, outputs, latent, side=2 * BASE * 2**step)
            for step, (inputs, outputs) in enumerate(pairwise(channels))
        )
        self.to_rgb = nn.Conv2d(channels[-1], 3, 3, padding=1)
        self.apply(_initialise)
        with torch.no_grad():
            self.to_rgb.weight *= 0.5  # keeps a new network's pictures away from the saturation of tanh

    def forward(self, z: Tensor, truncation: float = 1.0) -> Tensor:
        """Latent vectors (N, latent) to pictures (N, 3, side, side) in [-1, 1].

        `truncation` in [0, 1] draws the latent's style towards the average one: more typical
        pictures, less variety (Karras et al. 2019).
        """
        style = self.style(z)
        if truncation < 1:
            average = self._average().to(style)
            style = average + truncation * (style - average)
        x = self.start(style).view(len(z), -1, BASE, BASE)
        for block in self.blocks:
            x = block(x, style)
        pictures: Tensor = torch.tanh(self.to_rgb(functional.leaky_relu(_normalise(x), 0.2)))
        return pictures

    def draw(self, seed: int, start: int, stop: int, truncation: float = 1.0) -> NDArray[np.uint8]:
        """See `PictureGenerator.draw`."""
        z = latents(seed, start, stop, self.latent).to(self.start.weight.device)
        with torch.inference_mode():
            return to_pixels(self(z, truncation))

    def _average(self) -> Tensor:
        device = self.start.weight.device
        styles: Tensor = self.style(latents(0, 0, 1024, self.latent).to(device))
        return styles.mean(dim=0, keepdim=True)


class Discriminator(nn.Module):
    """Pictures, and optionally their projected features, to scores: positive for real.

    Args:
        width: channels at full resolution; they double towards the coarse end, up to 8 times.
        side: pixels a side of a picture, a power of two of at least 8.
        projected: whether feature maps (of `Projection`) are judged beside the pixels.
    """

    def __init__(self, width: int = 16, side: int = 64, projected: bool = True) -> None:
        super().__init__()
        channels = _channels(width, side)
        self.stem = nn.Conv2d(3, channels[0], 3, padding=1)
        self.blocks = nn.ModuleList(_Down(inputs, outputs) for inputs, outputs in pairwise(channels))
        self.last = nn.Conv2d(channels[-1] + 1, channels[-1], 3, padding=1)
        self.score = nn.Linear(channels[-1] * BASE * BASE, 1)
        self.apply(_initialise)
        self.heads = nn.ModuleList(_head() for _ in TAPS if projected)

    def forward(self, pictures: Tensor, *features: Tensor, parts: int = 1) -> Tensor:
        """Pictures (N, 3, side, side) in [-1, 1] and feature maps to scores (N, 1 + maps).

        `parts` equal parts of the batch, say real and fake, are compared among themselves only.
        """
        x = self.stem(pictures)
        for block in self.blocks:
            x = block(x)
        x = functional.leaky_relu(self.last(torch.cat([x, _spread(x, parts)], dim=1)), 0.2)
        scores = [self.score(x.flatten(1))]
        for head, maps in zip(self.heads, features, strict=True):
            seen = torch.cat([maps, _spread(maps, parts)], dim=1)
            scores.append(head(seen).mean(dim=(1, 2, 3))[:, None])
        return torch.cat([score.float() for score in scores], dim=1)


class Projection(nn.Module):
    """Pictures to feature maps of the frozen Lite0, mixed across channels by fixed random weights.

    It has no trainable part and stays in evaluation mode; gradients pass through to the pictures.
    """

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        self.trunk = Lite0().trunk
        draw = torch.Generator().manual_seed(seed)
        for number, (_, channels) in enumerate(TAPS):
            mix = torch.randn(PROJECTED, channels, 1, 1, generator=draw) / channels**0.5
            self.register_buffer(f"mix{number}", mix)
        self.requires_grad_(False)
        self.eval()

    def train(self, mode: bool = True) -> Projection:
        """Stay in evaluation mode: Lite0 keeps its own batch statistics."""
        return super().train(False)

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """Pictures (N, 3, H, W) in [-1, 1] to one map (N, 64, h, w) per tap, coarser and coarser."""
        x = self.trunk._swish(self.trunk._bn0(self.trunk._conv_stem(pictures)))
        maps: list[Tensor] = []
        taps = [block for block, _ in TAPS]
        for number, block in enumerate(self.trunk._blocks):
            x = block(x)
            if number in taps:
                mix: Tensor = getattr(self, f"mix{len(maps)}")
                maps.append(functional.conv2d(x, mix.to(x.dtype)))
        return maps


class _Up(nn.Module):
    """Twice the resolution: a residual of two convolutions, modulated by the style.

    A fixed map of noise gives grain and brushwork; the style sets its strength in each channel. (New noise
    for every picture would make the picture depend on more than the latent vector.)
    """

    noise: Tensor

    def __init__(self, inputs: int, outputs: int, style: int, side: int) -> None:
        super().__init__()
        draw = torch.Generator().manual_seed(side)
        self.register_buffer("noise", torch.randn(1, 1, side, side, generator=draw))
        self.strength = nn.Linear(style, outputs)
        self.gain = nn.Linear(style, inputs)
        self.first = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.second = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.skip = nn.Conv2d(inputs, outputs, 1, bias=False)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        gain = 1 + self.gain(style)[:, :, None, None]
        h = functional.leaky_relu(_normalise(x) * gain, 0.2)
        h = self.first(functional.interpolate(h, scale_factor=2.0))
        h = h + 0.2 * self.noise.to(h.dtype) * self.strength(style)[:, :, None, None]
        h = self.second(functional.leaky_relu(h, 0.2))
        skip = functional.interpolate(self.skip(x), scale_factor=2.0, mode="bilinear")
        out: Tensor = (h + skip) * 0.7071  # keeps the variance
        return out


class _Down(nn.Module):
    """Half the resolution: a residual of two convolutions."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, inputs, 3, padding=1)
        self.second = nn.Conv2d(inputs, outputs, 4, stride=2, padding=1)
        self.skip = nn.Conv2d(inputs, outputs, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        h = self.first(functional.leaky_relu(x, 0.2))
        h = self.second(functional.leaky_relu(h, 0.2))
        out: Tensor = (h + self.skip(functional.avg_pool2d(x, 2))) * 0.7071
        return out


def _head() -> nn.Sequential:
    return nn.Sequential(
        spectral_norm(nn.Conv2d(PROJECTED + 1, PROJECTED, 3, padding=1)),
        nn.LeakyReLU(0.2),
        spectral_norm(nn.Conv2d(PROJECTED, 1, 1)),
    )


def _initialise(module: nn.Module) -> None:
    """Weights that keep the variance through a leaky ReLU (He et al. 2015)."""
    if isinstance(module, (nn.Conv2d, nn.Linear)):
        nn.init.kaiming_normal_(module.weight, a=0.2)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def _channels(width: int, side: int) -> list[int]:
    """Channels at side, side/2 … BASE."""
    if side < 2 * BASE or side & (side - 1):
        raise ValueError(f"side must be a power of two of at least {2 * BASE}, not {side}")
    steps = (side // BASE).bit_length()
    return [width * min(2**step, 8) for step in range(steps)]


def _normalise(x: Tensor) -> Tensor:
    """Scale all of a picture's maps together to unit root mean square.

    Per pixel (Karras et al. 2018), normalisation would draw outlines where the maps of an untrained network
    cross zero. Over the batch, it would need statistics and make a picture depend on its neighbours.
    """
    return x * torch.rsqrt(x.square().mean(dim=(1, 2, 3), keepdim=True) + 1e-6)


def _spread(x: Tensor, parts: int) -> Tensor:
    """Add each part's mean standard deviation as a map: it shows a lack of variety (Karras et al. 2018)."""
    split = x.float().view(parts, -1, *x.shape[1:])
    deviation = torch.sqrt(split.var(dim=1, unbiased=False) + 1e-8).mean(dim=(1, 2, 3))
    maps = deviation.repeat_interleave(len(x) // parts)[:, None, None, None]
    return maps.to(x.dtype).expand(-1, 1, *x.shape[2:])
