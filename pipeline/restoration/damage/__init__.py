"""Damage made to order: layers that age a picture, each of which says which pixels it changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.errors import PentimentoError
from pipeline.restoration.damage.cracks import cracks
from pipeline.restoration.damage.fading import fading
from pipeline.restoration.damage.losses import losses
from pipeline.restoration.damage.noise import noise
from pipeline.restoration.damage.scratches import scratches
from pipeline.restoration.damage.stains import stains
from pipeline.restoration.damage.texture import Mask, Pixels

Layer = Callable[[Pixels, np.random.Generator], tuple[Pixels, Mask]]


@dataclass(frozen=True)
class Kind:
    """A kind of damage: its layer, and whether the layer marks holes that can be filled."""

    layer: Layer
    masked: bool


KINDS: dict[str, Kind] = {
    "cracks": Kind(cracks, masked=True),
    "scratches": Kind(scratches, masked=True),
    "losses": Kind(losses, masked=True),
    "stains": Kind(stains, masked=True),
    "fading": Kind(fading, masked=False),
    "noise": Kind(noise, masked=False),
}
MASKED = tuple(name for name, kind in KINDS.items() if kind.masked)


def damage(pixels: Pixels, kinds: Sequence[str], rng: np.random.Generator) -> tuple[Pixels, Mask]:
    """Age a picture (H, W, 3) in [0, 1] by several kinds of damage, one after another.

    Sizes follow the picture's longer side. The same generator state gives the same damage.

    Returns:
        The damaged picture, and the mask (H, W) of the pixels that masked kinds changed.

    Raises:
        PentimentoError: when a kind is not known.
    """
    mask = np.zeros(pixels.shape[:2], np.bool_)
    for name in kinds:
        if name not in KINDS:
            known = ", ".join(KINDS)
            raise PentimentoError(f"unknown kind of damage '{name}'; known are: {known}")
        pixels, changed = KINDS[name].layer(pixels, rng)
        mask |= changed
    return pixels, mask
