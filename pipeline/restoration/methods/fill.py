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

_TENSION = 0.2  # 0.1 to 0.25 fill wide holes in paintings about equally well, and cracks as well as none
_SCALE = 65535.0  # OpenCV's Telea adds up to 1.4 units of its own: too much of [0, 1] or of 8 bits


@dataclass(frozen=True)
class Classical:
    """A classical method: a function of a picture (H, W, C) with n masked pixels, which gives them (n, C)."""

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
    """The fillers of a work: which one fills a hole depends on its shape, or on its kind where that is known.

    by_shape: for 'thin' and 'wide' holes. by_kind: for kinds of damage, before the shape.
    coarse: fills the reduced picture of a work with large holes.
    """

    by_shape: Mapping[str, Filler]
    by_kind: Mapping[str, Filler]
    coarse: Filler

    def of(self, shape: str, kind: str | None) -> Filler:
        """What fills a hole of this shape, of this kind of damage where it is known."""
        return self.by_kind.get(kind or "", self.by_shape[shape])

    @property
    def names(self) -> dict[str, str]:
        """What reports call the fillers, by shape and kind."""
        return {purpose: one.name for purpose, one in [*self.by_shape.items(), *self.by_kind.items()]}


def fillers() -> dict[str, Filler]:
    """The classical methods by name; they need no trained model."""
    methods = (
        Classical("telea", 8, telea),
        Classical("navier_stokes", 8, navier_stokes),
        Classical("biharmonic", 4, biharmonic),
        Classical("tension", 4, partial(biharmonic, tension=_TENSION)),
    )
    return {method.name: method for method in methods}


def check(pixels: Pixels, mask: Mask) -> None:
    """Refuse what no filler can work on.

    Raises:
        ValueError: when types or shapes are not those of the interface (a fault of the caller).
        FillFailed: when every pixel is masked.
    """
    if pixels.dtype != np.float32 or pixels.ndim != 3:
        raise ValueError(f"pixels must be float32 (H, W, C), not {pixels.dtype} {pixels.shape}")
    if mask.dtype != np.bool_ or mask.shape != pixels.shape[:2]:
        raise ValueError(f"mask must be bool {pixels.shape[:2]}, not {mask.dtype} {mask.shape}")
    if mask.all():
        raise FillFailed("every pixel is masked: there is nothing to fill from")


def compose(pixels: Pixels, inside: NDArray[Any], mask: Mask) -> Pixels:
    """`pixels` with the masked ones replaced by `inside` (n, C), held to [0, 1].

    Raises:
        FillFailed: when a filled value is not a finite number.
    """
    if not np.isfinite(inside).all():
        raise FillFailed("the filled pixels hold values that are not finite")
    result = pixels.copy()
    result[mask] = np.clip(inside, 0.0, 1.0)
    return result


def telea(pixels: Pixels, mask: Mask) -> NDArray[np.float32]:
    """Fast marching (Telea 2004), every channel by itself."""
    import cv2

    return _opencv(pixels, mask, cv2.INPAINT_TELEA)


def navier_stokes(pixels: Pixels, mask: Mask) -> NDArray[np.float32]:
    """Fluid dynamics (Bertalmio, Bertozzi & Sapiro 2001), every channel by itself."""
    import cv2

    return _opencv(pixels, mask, cv2.INPAINT_NS)


def _opencv(pixels: Pixels, mask: Mask, flag: int, radius: float = 3.0) -> NDArray[np.float32]:
    import cv2

    height, width = mask.shape
    if min(height, width) < 5:  # OpenCV reads beyond the border of pictures of one or two rows
        pixels = np.pad(pixels, ((0, 4), (0, 4), (0, 0)), mode="edge")
        mask = np.pad(mask, ((0, 4), (0, 4)), mode="edge")
    # Values under the mask are set to one constant, so that no trace of the damage can leak in.
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
