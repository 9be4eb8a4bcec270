"""Fill holes of a picture from what is around them: three classical methods.

A filler changes masked pixels only; everything else comes back bit for bit. It works on float
pixels, so that a 16-bit scan is never squeezed through 8 bits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.restoration.steps import Filler, FillFailed, Mask, Pixels

_SCALE = 65535.0  # OpenCV's Telea adds up to 1.4 units of its own: too much of [0, 1] or of 8 bits
_LARGEST = 400_000  # pixels of one hole that the biharmonic solver takes: about 1 GB of memory


@dataclass(frozen=True)
class Classical:
    """A classical method: a function of one masked picture with at least one hole."""

    name: str
    reach: int
    method: Callable[[Pixels, Mask], NDArray[Any]]

    def __call__(self, pixels: Pixels, mask: Mask, wanted: Mask | None = None) -> Pixels:
        """See Filler."""
        check(pixels, mask)
        if not mask.any():
            return pixels.copy()
        return compose(pixels, self.method(pixels, mask), mask)


def fillers() -> dict[str, Filler]:
    """The classical methods by name; they need no trained model."""
    methods = (
        Classical("telea", 8, telea),
        Classical("navier_stokes", 8, navier_stokes),
        Classical("biharmonic", 4, biharmonic),
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


def compose(pixels: Pixels, filled: NDArray[Any], mask: Mask) -> Pixels:
    """`pixels` with the masked ones taken from `filled`, held to [0, 1].

    Raises:
        FillFailed: when a filled value is not a finite number.
    """
    inside = filled[mask]
    if not np.isfinite(inside).all():
        raise FillFailed("the filled pixels hold values that are not finite")
    result = pixels.copy()
    result[mask] = np.clip(inside, 0.0, 1.0)
    return result


def telea(pixels: Pixels, mask: Mask) -> Pixels:
    """Fast marching (Telea 2004), every channel by itself."""
    import cv2

    return _opencv(pixels, mask, cv2.INPAINT_TELEA)


def navier_stokes(pixels: Pixels, mask: Mask) -> Pixels:
    """Fluid dynamics (Bertalmio, Bertozzi & Sapiro 2001), every channel by itself."""
    import cv2

    return _opencv(pixels, mask, cv2.INPAINT_NS)


def _opencv(pixels: Pixels, mask: Mask, flag: int, radius: float = 3.0) -> Pixels:
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
    filled = np.stack(channels, axis=2) / np.float32(_SCALE)
    return np.asarray(filled[:height, :width], np.float32)


def biharmonic(pixels: Pixels, mask: Mask) -> NDArray[np.float64]:
    """The smoothest filling: the biharmonic equation solved hole by hole (Damelin & Hoang 2018).

    Each hole is held to the range of values in the undamaged pixels just around it.

    Raises:
        FillFailed: when one connected hole is too large to solve.
    """
    result = pixels.astype(np.float64)
    for window, hole, around in _holes(mask):
        result[window][hole] = _solve(result[window], hole, around)
    return result


def _holes(mask: Mask, margin: int = 2) -> Iterator[tuple[tuple[slice, slice], Mask, Mask]]:
    """Every group of holes that share an equation: window, its pixels, known pixels around."""
    import cv2
    from scipy import ndimage

    side = 2 * margin + 1
    apart = cv2.dilate(mask.astype(np.uint8), np.ones((side, side), np.uint8))
    _, labels = cv2.connectedComponents(apart, connectivity=8)
    for number, window in enumerate(ndimage.find_objects(labels), start=1):
        # The dilation by the stencil's reach is the window's margin: it holds all that is needed.
        group = labels[window] == number
        yield window, group & mask[window], group & ~mask[window]


def _solve(region: NDArray[np.float64], hole: Mask, around: Mask) -> NDArray[np.float64]:
    from scipy.sparse.linalg import splu

    pixels = np.count_nonzero(hole)
    if pixels > _LARGEST:
        raise FillFailed(f"a hole of {pixels} connected pixels is too large for biharmonic")
    # The biharmonic operator at the unknown pixels: the Laplacian of the Laplacian.
    inner, numbers = _laplacian(hole)
    outer, seen = _laplacian(numbers >= 0)
    rows = (inner @ outer).tocsc()
    unknown = seen[hole]
    known = np.where(around[..., None], region, 0.0)[seen >= 0]
    system = rows[:, unknown]
    # Symmetric and positive definite: this ordering fills in several times less than the default.
    options = {"SymmetricMode": True}
    factors = splu(system, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options=options)
    solution: NDArray[np.float64] = factors.solve(-(rows @ known))
    rim = region[around]
    return np.clip(solution, rim.min(axis=0), rim.max(axis=0))


def _laplacian(rows: Mask) -> tuple[Any, NDArray[np.int32]]:
    """The five-point Laplacian at some pixels of a window whose edges mirror.

    Returns:
        A sparse matrix with a row for each of these pixels, and a column for each pixel that they need;
        and the numbers of these columns in the window, -1 where there is none.
    """
    from scipy import sparse

    places = np.argwhere(rows)
    numbers = np.full(rows.shape, -1, np.int32)
    steps = np.array([(-1, 0), (1, 0), (0, -1), (0, 1)])
    near = places[:, None] + steps
    inside = ((near >= 0) & (near < rows.shape)).all(axis=2)
    beside = near[inside]
    needed = rows.copy()
    needed[beside[:, 0], beside[:, 1]] = True
    numbers[needed] = np.arange(np.count_nonzero(needed))
    own = np.arange(len(places))
    lines = np.concatenate([own, np.repeat(own, 4).reshape(-1, 4)[inside]])
    columns = np.concatenate([numbers[rows], numbers[beside[:, 0], beside[:, 1]]])
    values = np.concatenate([-inside.sum(axis=1), np.ones(len(beside))])
    shape = (len(places), np.count_nonzero(needed))
    return sparse.csr_array((values.astype(np.float64), (lines, columns)), shape=shape), numbers
