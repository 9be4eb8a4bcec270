"""A small network that predicts from a reduced picture how to undo fading and yellow varnish.

Its inputs are the picture itself (the subject suggests the true colours) and its histograms (which show
black, white and the colour cast). Its output is one curve per channel. A curve acts on single pixels, so
it applies to a picture of any size. Histograms as pictures follow Barron 2015
(convolutional colour constancy).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.models.cells import CHANNELS

KNOTS = 65  # points of a curve, evenly spaced over [0, 1]

_BINS = 24  # of a joint histogram's side
_STEPS = 16  # of the values that pixels are compared to
_LEAST = 1e-3  # avoids the infinite slope of powers at zero
# Planes of the histograms: lightness against yellow, against red, and one against the other.
_PLANES = ((0, 1), (0, 2), (1, 2))
_PARAMETERS = 4  # of a channel's curve


class ColourNet(nn.Module):
    """Predicts a curve per channel that restores a picture's colours.

    A new network predicts the identity, so training starts from unchanged pictures.

    Args:
        widths: channels of the picture's branch at 1/2, 1/4, 1/8 … of the resolution.
        histogram_widths: the same for the histograms' branch.
        hidden: size of the layer that joins both branches.
        dropout: share of its activations that training drops.

    Attributes:
        inputs, output: their names and channels, for engines that run it as an ONNX model.
        multiple, reach: as other networks have them; it is given whole pictures of one size.
    """

    inputs: ClassVar[dict[str, int]] = {"picture": CHANNELS}
    output: ClassVar[str] = "curves"
    multiple = 16
    reach = 0

    def __init__(
        self,
        widths: Sequence[int] = (24, 48, 64, 96),
        histogram_widths: Sequence[int] = (24, 48, 64),
        hidden: int = 192,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.picture = _branch(CHANNELS, widths)
        self.histogram = _branch(len(_PLANES), histogram_widths)
        joined = 2 * widths[-1] + 2 * histogram_widths[-1] + CHANNELS * (_STEPS + 4)
        self.join = nn.Sequential(nn.Linear(joined, hidden), nn.SiLU(), nn.Dropout(dropout))
        self.head = nn.Linear(hidden, 3 * _PARAMETERS + 1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, pictures: Tensor) -> Tensor:
        """Pictures (N, CHANNELS, H, W) in [0, 1], see cells.cells, to curves (N, 3, KNOTS).

        A curve has the values at KNOTS even points of [0, 1]. It is increasing; its values can leave [0, 1].
        """
        with torch.no_grad():
            values = torch.cat([_cumulated(pictures[:, :, ::2, ::2]), _extent(pictures)], dim=1)
            planes = _joint_histograms(pictures[:, -3:, ::2])
        seen = [*_pooled(self.picture(pictures * 2 - 1)), *_pooled(self.histogram(planes)), values]
        answer = self.head(self.join(torch.cat(seen, dim=1)))
        shape = answer[:, : 3 * _PARAMETERS].reshape(-1, 3, _PARAMETERS, 1)
        before, offset, gain, after = shape.unbind(dim=2)
        line = torch.linspace(0, 1, KNOTS, device=answer.device)
        # A power, less light that was added, more contrast, a power: it undoes fading and, in linear
        # light, varnish alike.
        base = torch.pow(line.clamp(min=_LEAST), torch.exp(before)) - 0.2 * offset
        curves = torch.pow((base * torch.exp(gain)).clamp(min=_LEAST), torch.exp(after))
        doubt = torch.sigmoid(answer[:, -1:] + 1)[..., None]
        return line + doubt * (curves - line)


def apply_curves(pictures: Tensor, curves: Tensor) -> Tensor:
    """Pictures (N, 3, H, W) in [0, 1] through curves (N, 3, KNOTS), linear between the knots, in [0, 1]."""
    place = pictures.flatten(2) * (KNOTS - 1)
    lower = place.detach().floor().clamp(0, KNOTS - 2).long()
    share = place - lower
    left, right = curves.gather(2, lower), curves.gather(2, lower + 1)
    return (left + (right - left) * share).reshape(pictures.shape).clamp(0, 1)


def lab(pictures: Tensor) -> Tensor:
    """sRGB (N, 3, H, W) in [0, 1] as CIE L*a*b* under D65 (IEC 61966-2-1, CIE 15)."""
    linear = torch.where(
        pictures <= 0.04045, pictures / 12.92, ((pictures.clamp(min=0.04) + 0.055) / 1.055) ** 2.4
    )
    matrix = pictures.new_tensor(
        [
            [0.4124564, 0.3575761, 0.1804375],
            [0.2126729, 0.7151522, 0.0721750],
            [0.0193339, 0.1191920, 0.9503041],
        ]
    )
    white = pictures.new_tensor([0.95047, 1.0, 1.08883])
    xyz = torch.einsum("ij,njhw->nihw", matrix / white[:, None], linear)
    root = torch.where(xyz > 0.008856, xyz.clamp(min=0.008) ** (1 / 3), 7.787 * xyz + 16 / 116)
    x, y, z = root.unbind(dim=1)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], dim=1)


def delta_e(pictures: Tensor, truth: Tensor) -> Tensor:
    """Colour difference of sRGB pictures (N, 3, H, W), by pixel: (N, H, W).

    CIE94 (graphic arts) with the weight of lightness of CIEDE2000 (CIE 142): close to CIEDE2000, and smooth,
    so that it can be a loss.
    """
    one, two = lab(truth), lab(pictures)
    chroma, other = (torch.sqrt(each[:, 1:].square().sum(1) + 1e-6) for each in (one, two))
    change = (one - two).square()
    grey = (chroma - other).square()
    hue = (change[:, 1] + change[:, 2] - grey).clamp(min=0)
    away = ((one[:, 0] + two[:, 0]) / 2 - 50).square()
    weight = 1 + 0.015 * away / torch.sqrt(20 + away)  # fewer visible steps in dark and bright areas
    total = (
        change[:, 0] / weight.square()
        + grey / (1 + 0.045 * chroma).square()
        + hue / (1 + 0.015 * chroma).square()
    )
    return torch.sqrt(total + 1e-4)


def _branch(channels: int, widths: Sequence[int]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for fewer, more in pairwise((channels, *widths)):
        layers += [nn.Conv2d(fewer, more, 3, stride=2, padding=1), nn.GroupNorm(4, more), nn.SiLU()]
    last = widths[-1]
    layers += [nn.Conv2d(last, last, 3, padding=1), nn.GroupNorm(4, last), nn.SiLU()]
    return nn.Sequential(*layers)


def _pooled(features: Tensor) -> tuple[Tensor, Tensor]:
    return features.mean((2, 3)), features.amax((2, 3))


def _cumulated(pictures: Tensor) -> Tensor:
    """The share of a picture (N, C, H, W) below each of _STEPS values, by channel: (N, C * _STEPS)."""
    steps = torch.linspace(0, 1, _STEPS, device=pictures.device) ** 1.5  # finer where it is dark
    values = pictures.flatten(2)[:, :, None] * 15
    below = (0.5 + steps[:, None] * 15 - values).clamp(0, 1)
    return below.mean(dim=3).flatten(1)


def _extent(pictures: Tensor) -> Tensor:
    """Mean, deviation, least and greatest value of a picture (N, C, H, W), by channel: (N, 4 * C)."""
    flat = pictures.flatten(2)
    mean = flat.mean(dim=2)
    deviation = (flat - mean[..., None]).square().mean(dim=2).sqrt()
    return torch.cat([mean, deviation * 4, flat.amin(dim=2) * 4, flat.amax(dim=2)], dim=1)


def _joint_histograms(pictures: Tensor) -> Tensor:
    """Joint histograms of pictures (N, 3, H, W): (N, planes, _BINS, _BINS), square roots of shares."""
    flat = pictures.flatten(2)
    red, green, blue = flat.unbind(dim=1)
    light = (red + green + blue) / 3
    yellow = 0.5 + (red + green - 2 * blue) * 0.7
    reddish = 0.5 + (red - green) * 1.4
    centres = torch.linspace(0, 1, _BINS, device=pictures.device)
    soft = [
        functional.relu(1 - (value.clamp(0, 1)[..., None] - centres).abs() * (_BINS - 1))
        for value in (light, yellow, reddish)
    ]
    planes = [torch.matmul(soft[one].transpose(1, 2), soft[two]) for one, two in _PLANES]
    joint = torch.stack(planes, dim=1) / flat.shape[2]
    return torch.sqrt(joint + 1e-6) * 8
