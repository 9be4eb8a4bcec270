"""Fill the holes of a picture from their surroundings: four classical methods.

A filler changes masked pixels only; all other pixels come back bit for bit. It works on float pixels, so a
16-bit scan keeps its full depth.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.restoration.methods.biharmonic import biharmonic
from pipeline.restoration.methods.interface import Filler, FillFailed, Mask, Pixels
from pipeline.restoration.methods.registry import method

_TENSION = 0.2  # 0.1 to 0.25 fill wide holes about equally well, and cracks as well as no tension
_SCALE = 65535.0  # OpenCV's Telea errs by up to 1.4 units: too much on a scale of 1 or 255


@dataclass(frozen=True)
class Classical:
    """A classical filler: `method` maps a picture (H, W, C) and its mask to the n masked pixels (n, C)."""

    name: str
    reach: int
    method: Callable[[Pixels, Mask], NDArray[Any]]

    def __call__(self, pixels: Pixels, mask: Mask, wanted: Mask | None = None) -> Pixels:
        """See Filler."""
        check(pixels, mask)
        if not mask.any():
            return pixels.copy()
        return compose(pixels, self.method(pixels, mask), mask)


@dataclass(frozen=True)
class Fillers:
    """The fillers of a work, chosen by a hole's kind of damage where that is known, else by its shape.

    by_shape: 'thin' and 'wide' -> filler.
    by_kind: kind of damage -> filler; takes precedence over the shape.
    coarse: fills the reduced picture of a work with large holes.
    """

    by_shape: Mapping[str, Filler]
    by_kind: Mapping[str, Filler]
    coarse: Filler

    def of(self, shape: str, kind: str | None) -> Filler:
        """The filler for a hole of this shape and, where it is known, this kind of damage."""
        return self.by_kind.get(kind or "", self.by_shape[shape])

    @property
    def names(self) -> dict[str, str]:
        """The names of the fillers in reports, by shape and kind."""
        return {purpose: one.name for purpose, one in [*self.by_shape.items(), *self.by_kind.items()]}


def fillers() -> dict[str, Filler]:
    """The classical fillers by name; they need no trained model."""
    methods = (
        Classical("telea", 8, telea),
        Classical("navier_stokes", 8, navier_stokes),
        Classical("biharmonic", 4, biharmonic),
        Classical("tension", 4, partial(biharmonic, tension=_TENSION)),
    )
    return {method.name: method for method in methods}


def check(pixels: Pixels, mask: Mask) -> None:
    """Check the arguments of a filler.

    Args:
        pixels: must be float32 (H, W, C).
        mask: must be bool (H, W).

    Raises:
        ValueError: when a type or shape is wrong (an error of the caller).
        FillFailed: when every pixel is masked.
    """
    if pixels.dtype != np.float32 or pixels.ndim != 3:
        raise ValueError(f"pixels must be float32 (H, W, C), not {pixels.dtype} {pixels.shape}")
    if mask.dtype != np.bool_ or mask.shape != pixels.shape[:2]:
        raise ValueError(f"mask must be bool {pixels.shape[:2]}, not {mask.dtype} {mask.shape}")
    if mask.all():
        raise FillFailed("every pixel is masked: there is nothing to fill from")


def compose(pixels: Pixels, inside: NDArray[Any], mask: Mask) -> Pixels:
    """A copy of `pixels` (H, W, C) with `inside` (n, C), clipped to [0, 1], in the n masked pixels.

    Raises:
        FillFailed: when a filled value is not a finite number.
    """
    if not np.isfinite(inside).all():
        raise FillFailed("the filled pixels hold values that are not finite")
    result = pixels.copy()
    result[mask] = np.clip(inside, 0.0, 1.0)
    return result


def telea(pixels: Pixels, mask: Mask) -> NDArray[np.float32]:
    """The masked pixels (n, C) by fast marching (Telea 2004), channel by channel."""
    import cv2

    return _opencv(pixels, mask, cv2.INPAINT_TELEA)


def navier_stokes(pixels: Pixels, mask: Mask) -> NDArray[np.float32]:
    """The masked pixels (n, C) by fluid dynamics (Bertalmio, Bertozzi & Sapiro 2001), channel by channel."""
    import cv2

    return _opencv(pixels, mask, cv2.INPAINT_NS)


def _opencv(pixels: Pixels, mask: Mask, flag: int, radius: float = 3.0) -> NDArray[np.float32]:
    import cv2

    height, width = mask.shape
    if min(height, width) < 5:  # OpenCV reads beyond the border of pictures of one or two rows
        pixels = np.pad(pixels, ((0, 4), (0, 4), (0, 0)), mode="edge")
        mask = np.pad(mask, ((0, 4), (0, 4)), mode="edge")
    # Set values under the mask to a constant, so that no trace of the damage leaks into the result.
    clean = np.where(mask[..., None], np.float32(0), pixels) * np.float32(_SCALE)
    hole = mask.astype(np.uint8)
    channels = [
        cv2.inpaint(np.ascontiguousarray(clean[..., channel]), hole, radius, flag)
        for channel in range(pixels.shape[2])
    ]
    hole[height:], hole[:, width:] = 0, 0
    inside = np.stack([channel[hole > 0] for channel in channels], axis=1)
    return np.asarray(inside / np.float32(_SCALE), np.float32)


for _filler in fillers().values():
    method("fill", _filler.name)(lambda opening, filler=_filler: filler)  # type: ignore[misc]
