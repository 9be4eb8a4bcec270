"""Synthetic damage: layers that age a picture. Each layer returns the pixels that it changed.

One layer a file. From outside, pictures are damaged by `age` and `damage`, by the names of KINDS.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.damage.blur import blur
from pipeline.damage.cracks import cracks
from pipeline.damage.creases import creases
from pipeline.damage.dust import dust
from pipeline.damage.fading import fading
from pipeline.damage.foxing import foxing
from pipeline.damage.hair import hair
from pipeline.damage.halftone import halftone
from pipeline.damage.jpeg import jpeg
from pipeline.damage.losses import losses
from pipeline.damage.noise import noise
from pipeline.damage.own import UserMasks
from pipeline.damage.scratches import scratches
from pipeline.damage.stains import stains
from pipeline.damage.texture import Mask, Pixels
from pipeline.damage.varnish import varnish
from pipeline.errors import PentimentoError

__all__ = [
    "KINDS",
    "MASKED",
    "OWN",
    "WHOLE",
    "Aged",
    "Kind",
    "UserMasks",
    "age",
    "damage",
    "sheet",
    "texture",
]

Layer = Callable[[Pixels, np.random.Generator], tuple[Pixels, Mask]]

OWN = "own"  # what the layer of users' masks is called


@dataclass(frozen=True)
class Kind:
    """A kind of damage.

    layer: ages a picture and tells which pixels it changed.
    masked: whether it leaves holes that can be filled; otherwise it changes the whole picture.
    opaque: whether it hides earlier damage.
    """

    layer: Layer
    masked: bool
    opaque: bool = False


KINDS: dict[str, Kind] = {
    "cracks": Kind(cracks, masked=True, opaque=True),
    "scratches": Kind(scratches, masked=True, opaque=True),
    "losses": Kind(losses, masked=True, opaque=True),
    "stains": Kind(stains, masked=True),
    "creases": Kind(creases, masked=True),
    "foxing": Kind(foxing, masked=True),
    "dust": Kind(dust, masked=True),
    "hair": Kind(hair, masked=True),
    "fading": Kind(fading, masked=False),
    "varnish": Kind(varnish, masked=False),
    "noise": Kind(noise, masked=False),
    "blur": Kind(blur, masked=False),
    "jpeg": Kind(jpeg, masked=False),
    "halftone": Kind(halftone, masked=False),
}
MASKED = tuple(name for name, kind in KINDS.items() if kind.masked)
WHOLE = tuple(name for name, kind in KINDS.items() if not kind.masked)


@dataclass(frozen=True)
class Aged:
    """A picture after `age`.

    pixels: (H, W, 3) in [0, 1].
    mask: (H, W), True where damage of any masked kind shows.
    masks: the same for each masked kind alone; kinds that were not applied are missing.
    layers: the kinds applied, in order; none for an identity pair.
    """

    pixels: Pixels
    mask: Mask
    masks: dict[str, Mask]
    layers: tuple[str, ...]


def damage(pixels: Pixels, kinds: Sequence[str], rng: np.random.Generator) -> tuple[Pixels, Mask]:
    """Age a picture (H, W, 3) in [0, 1] by several kinds of damage, one after another.

    Sizes follow the picture's longer side. The same generator state gives the same damage.

    Returns:
        The damaged picture, and the mask (H, W) of the pixels that masked kinds changed.

    Raises:
        PentimentoError: when a kind is not known.
    """
    mask = np.zeros(pixels.shape[:2], np.bool_)
    for kind in _known(kinds):
        pixels, changed = kind.layer(pixels, rng)
        mask |= changed
    return pixels, mask


def age(
    pixels: Pixels,
    rng: np.random.Generator,
    *,
    kinds: Sequence[str],
    most: int = 3,
    identity: float = 0.1,
    masks: UserMasks | None = None,
) -> Aged:
    """Age a picture by some kinds, drawn and put in order at random (after BSRGAN, Zhang et al. 2021).

    Args:
        pixels: (H, W, 3) in [0, 1]; stays as it is.
        rng: the source of randomness.
        kinds: to draw from, each at most once; names of KINDS.
        most: how many kinds at most; one to `most` are drawn, each number as likely.
        identity: share of pictures left as they are, in [0, 1], so that a model learns to leave clean
            pictures alone.
        masks: users' masks, one more kind to draw, called 'own'.

    Raises:
        PentimentoError: when a kind is not known, or there is none to draw.
    """
    layers = dict(zip(kinds, _known(kinds), strict=True))
    if masks is not None:
        layers[OWN] = Kind(masks, masked=True, opaque=True)
    if not layers or most < 1:
        raise PentimentoError("damage: no kind to draw from; name at least one, and let `most` be 1 or more")
    found: dict[str, Mask] = {}
    if rng.random() < identity:
        return Aged(pixels, np.zeros(pixels.shape[:2], np.bool_), found, ())
    count = int(rng.integers(1, min(most, len(layers)) + 1))
    order = tuple(str(name) for name in rng.permutation(list(layers))[:count])
    for name in order:
        pixels, changed = layers[name].layer(pixels, rng)
        if layers[name].opaque:
            found = {earlier: mask & ~changed for earlier, mask in found.items()}
        if layers[name].masked:
            found[name] = changed
    union = np.zeros(pixels.shape[:2], np.bool_)
    for mask in found.values():
        union |= mask
    return Aged(pixels, union, found, order)


def _known(kinds: Sequence[str]) -> list[Kind]:
    for name in kinds:
        if name not in KINDS:
            known = ", ".join(KINDS)
            raise PentimentoError(f"unknown kind of damage '{name}'; known are: {known}")
    return [KINDS[name] for name in kinds]
