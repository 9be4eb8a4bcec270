"""The interfaces of a restoration's steps; each step has classical and learnt methods.

A detector finds damage. A filler reconstructs what is inside a mask. An enhancer improves or enlarges the
whole picture. All work on float windows of a picture, so a 16-bit scan keeps its full depth. Each method
states how far around a pixel its result may depend on other pixels; tiles include that much context.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import StepFailed

Pixels = NDArray[np.float32]  # (H, W, C), values in [0, 1], any C
Mask = NDArray[np.bool_]  # (H, W), True where the picture is to be filled

OVERSHOOT = 0.5  # how far beyond [0, 1] the result of a sound network may point


class FillFailed(StepFailed):
    """A filler has no sound result for this picture."""


class Filler(Protocol):
    """A method that fills holes."""

    @property
    def name(self) -> str:
        """What reports call the method."""

    @property
    def reach(self) -> int:
        """Pixels of context around a hole that the result may depend on."""

    def __call__(self, pixels: Pixels, mask: Mask, wanted: Mask | None = None) -> Pixels:
        """The picture (H, W, C) in [0, 1] with `mask` (H, W) filled, in a new array of that shape.

        Outside the mask it equals `pixels` bit for bit; what `pixels` holds inside does not matter.
        `wanted` (H, W): the part of the mask whose filling is asked for; in the rest of the mask the
        result may be any, which saves work.

        Raises:
            FillFailed: when there is nothing to fill from, or the method has no sound result.
        """


@dataclass(frozen=True)
class Position:
    """Where a window lies in its picture: what depends on the frame or the size is judged by it."""

    top: int
    left: int
    height: int  # of the whole picture
    width: int


class Detector(Protocol):
    """A method that finds damage."""

    @property
    def name(self) -> str:
        """What reports call the method."""

    def context(self, height: int, width: int) -> int:
        """Pixels around a place that the result may depend on, in a picture of this size."""

    def __call__(self, pixels: Pixels, place: Position) -> Mask:
        """Where a window (H, W, C) in [0, 1] of a picture is damaged.

        Raises:
            StepFailed: when the method has no sound result.
        """


@dataclass(frozen=True)
class Preview:
    """What a method may know of the whole picture before it works on windows of it.

    overview: (h, w, C), the picture reduced to at most 512 pixels a side.
    samples: some windows of it at full size, (256, 256, C) or smaller.
    luma_step: of the JPEG that it was read from (see quantisation.luma_step), or None.
    """

    overview: Pixels
    samples: tuple[Pixels, ...]
    luma_step: float | None = None


class Enhancer(Protocol):
    """A method that makes a whole picture better (scale 1) or larger (scale 2 or 4)."""

    @property
    def name(self) -> str:
        """What reports call the method."""

    @property
    def reach(self) -> int:
        """Pixels of context around a place that the result may depend on."""

    @property
    def scale(self) -> int:
        """How many times larger the result is."""

    @property
    def multiple(self) -> int:
        """The sides of what it is given must be multiples of it."""

    @property
    def judged(self) -> Mapping[str, float | bool]:
        """What it was set to by the picture, for the sidecar; empty when it needs no setting."""

    def tuned(self, preview: Preview) -> Enhancer:
        """The method, set to one picture; itself, when it needs no setting."""

    def __call__(self, pixels: Pixels) -> Pixels:
        """(H, W, C) in [0, 1] to (H * scale, W * scale, C); values may lie a little out of [0, 1].

        Raises:
            StepFailed: when the method has no sound result.
        """


def sound(values: Pixels, name: str) -> Pixels:
    """The values of a method's result, held to [0, 1].

    Raises:
        StepFailed: when they are not finite, or far out of range.
    """
    if not np.isfinite(values).all():
        raise StepFailed(f"the result of {name} is not finite")
    if values.size and (values.min() < -OVERSHOOT or values.max() > 1 + OVERSHOOT):
        raise StepFailed(f"the result of {name} is far out of range")
    return np.asarray(np.clip(values, 0.0, 1.0), np.float32)
