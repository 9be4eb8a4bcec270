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
Mask = NDArray[np.bool_]  # (H, W), True in the pixels to fill

OVERSHOOT = 0.5  # how far a valid network result may lie outside [0, 1]


class FillFailed(StepFailed):
    """A filler has no valid result for this picture."""


class Filler(Protocol):
    """A method that fills holes."""

    @property
    def name(self) -> str:
        """The method's name in reports."""

    @property
    def reach(self) -> int:
        """Pixels of context around a hole that the result may depend on."""

    def __call__(self, pixels: Pixels, mask: Mask, wanted: Mask | None = None) -> Pixels:
        """Fill the masked pixels of a picture.

        Args:
            pixels: (H, W, C) in [0, 1]; values inside the mask are ignored.
            mask: (H, W), True in the pixels to fill.
            wanted: (H, W), the part of the mask that the caller uses; None: all of it. The method may
                return any values in the rest of the mask, which saves work.

        Returns:
            A new array (H, W, C) in [0, 1]; outside the mask it equals `pixels` bit for bit.

        Raises:
            FillFailed: when every pixel is masked, or the method has no valid result.
        """


@dataclass(frozen=True)
class Position:
    """Where a window lies in its picture; rules about the border or the size of the picture need it."""

    top: int
    left: int
    height: int  # of the whole picture
    width: int


class Detector(Protocol):
    """A method that finds damage."""

    @property
    def name(self) -> str:
        """The method's name in reports."""

    def context(self, height: int, width: int) -> int:
        """Pixels of context around a pixel that its result may depend on, in a picture of this size."""

    def __call__(self, pixels: Pixels, place: Position) -> Mask:
        """The mask (H, W) of the damage in a window (H, W, C) in [0, 1] of a picture.

        Raises:
            StepFailed: when the method has no valid result.
        """


@dataclass(frozen=True)
class Preview:
    """Data on the whole picture that a method gets before it processes windows.

    overview: (h, w, C), the picture reduced to at most 512 pixels a side.
    samples: some windows of the picture at full size, (256, 256, C) or smaller.
    luma_step: for a picture read from a JPEG, its mean quantisation step (see
        quantisation.luma_step); else None.
    """

    overview: Pixels
    samples: tuple[Pixels, ...]
    luma_step: float | None = None


class Enhancer(Protocol):
    """A method that improves a whole picture (scale 1) or enlarges it (scale 2 or 4)."""

    @property
    def name(self) -> str:
        """The method's name in reports."""

    @property
    def reach(self) -> int:
        """Pixels of context around a pixel that its result may depend on."""

    @property
    def scale(self) -> int:
        """How many times larger the sides of the result are."""

    @property
    def multiple(self) -> int:
        """Heights and widths of windows must be multiples of this number."""

    @property
    def judged(self) -> Mapping[str, float | bool]:
        """Values that the method derived from the picture, for the sidecar; empty when there are none."""

    def tuned(self, preview: Preview) -> Enhancer:
        """The method with its values set for one picture; the method itself when it derives no values."""

    def __call__(self, pixels: Pixels) -> Pixels:
        """Process a window (H, W, C) in [0, 1].

        Returns:
            (H * scale, W * scale, C); values may lie slightly outside [0, 1].

        Raises:
            StepFailed: when the method has no valid result.
        """


def sound(values: Pixels, name: str) -> Pixels:
    """Check the values of a method's result, and clip them to [0, 1].

    Args:
        values: of any shape.
        name: of the method, for the message.

    Raises:
        StepFailed: when a value is not finite, or lies more than `OVERSHOOT` outside [0, 1].
    """
    if not np.isfinite(values).all():
        raise StepFailed(f"the result of {name} is not finite")
    if values.size and (values.min() < -OVERSHOOT or values.max() > 1 + OVERSHOOT):
        raise StepFailed(f"the result of {name} is far out of range")
    return np.asarray(np.clip(values, 0.0, 1.0), np.float32)
