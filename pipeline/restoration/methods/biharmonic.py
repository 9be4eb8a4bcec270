"""Smooth fillings of holes: the biharmonic equation, with or without tension, solved directly.

The equations of all holes are set up together. Pixels whose equations share an unknown form a group, and
each group is solved by itself. In a group that is ordered from one end to the other, the matrix of a crack
or a small loss is a narrow band. A band solver is several times faster than a sparse one. Large holes go to
the sparse solver, because its memory grows more slowly.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.restoration.methods.interface import FillFailed, Mask, Pixels

_LARGEST = 400_000  # most pixels of one hole: the solver then needs about 1 GB of memory
_BAND = 4_000_000  # numbers in a band matrix (32 MB): beyond that, the sparse solver is faster

# The Laplacian of the Laplacian: offsets down and across, and the weight of the pixel there.
_STENCIL = (
    (0, 0, 20.0),
    *((down, across, -8.0) for down, across in ((-1, 0), (1, 0), (0, -1), (0, 1))),
    *((down, across, 2.0) for down in (-1, 1) for across in (-1, 1)),
    *((down, across, 1.0) for down, across in ((-2, 0), (2, 0), (0, -2), (0, 2))),
)
_LAPLACIAN = {(0, 0): -4.0, (-1, 0): 1.0, (1, 0): 1.0, (0, -1): 1.0, (0, 1): 1.0}

Values = NDArray[np.float64]
Numbers = NDArray[np.int64]


def biharmonic(pixels: Pixels, mask: Mask, tension: float = 0.0) -> Values:
    """The values (n, C) of the masked pixels for which the bi-Laplacian is zero (Damelin & Hoang 2018).

    With tension T, (1 - T) times the bi-Laplacian minus T times the Laplacian is zero (Smith & Wessel 1990).
    A slope at the rim then continues into the hole but soon levels off, so wide holes do not bulge.

    Values of each hole are clipped to the range of the undamaged pixels in its equations. The picture is
    mirrored at its border.

    Args:
        pixels: (H, W, C); values in holes are ignored.
        mask: (H, W), True in n pixels.
        tension: T, in [0, 1).

    Raises:
        FillFailed: when a connected hole has more than `_LARGEST` pixels.
    """
    system, sides, low, high = _equations(pixels, mask, tension)
    filled = np.empty_like(sides)
    for group, part in _groups(system):
        solution = _solve(part, sides[group])
        filled[group] = np.clip(solution, low[group].min(axis=0), high[group].max(axis=0))
    return filled


def _equations(pixels: Pixels, mask: Mask, tension: float) -> tuple[Any, Values, Values, Values]:
    """Set up one equation for each masked pixel.

    Returns:
        The sparse matrix (n, n), the right sides (n, C), and the least and the largest value (n, C) of the
        known pixels in the equation; infinite where an equation has no known pixel.
    """
    from scipy.sparse import csr_array

    own = np.nonzero(mask)
    size, channels = len(own[0]), pixels.shape[2]
    numbers = np.full(mask.shape, -1, np.int32)
    numbers[own] = np.arange(size, dtype=np.int32)
    unknowns = np.empty((size, len(_STENCIL)), np.int32)
    sides = np.zeros((size, channels))
    low, high = np.full((size, channels), np.inf), np.full((size, channels), -np.inf)
    stencil = [
        (down, across, (1 - tension) * weight - tension * _LAPLACIAN.get((down, across), 0.0))
        for down, across, weight in _STENCIL
    ]
    for column, (down, across, weight) in enumerate(stencil):
        place = _mirrored(own[0] + down, mask.shape[0]), _mirrored(own[1] + across, mask.shape[1])
        unknowns[:, column] = numbers[place]
        known = np.flatnonzero(unknowns[:, column] < 0)
        values = pixels[place[0][known], place[1][known]]
        sides[known] -= weight * values
        low[known] = np.minimum(low[known], values)
        high[known] = np.maximum(high[known], values)
    there = unknowns >= 0
    weights = np.broadcast_to([weight for _, _, weight in stencil], there.shape)[there]
    pointers = np.concatenate([[0], np.cumsum(there.sum(axis=1))])
    system = csr_array((weights, unknowns[there], pointers), shape=(size, size))
    system.sum_duplicates()  # at the border, a pixel and its mirror image are the same unknown
    return system, sides, low, high


def _mirrored(places: Numbers, size: int) -> Numbers:
    """Row or column numbers; those beyond the border are mirrored back into the picture."""
    places = np.where(places < 0, -1 - places, places)
    return np.clip(np.where(places >= size, 2 * size - 1 - places, places), 0, size - 1)


def _groups(system: Any) -> Iterator[tuple[Numbers, Any]]:
    """Groups of unknowns that depend on each other, in ascending order, each with its part of the matrix."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    count, labels = connected_components(system, directed=False)
    order = np.argsort(labels, kind="stable")
    ends = np.searchsorted(labels[order], np.arange(count + 1))
    places = np.empty_like(order)  # position of each unknown in its group
    places[order] = np.arange(len(order)) - ends[labels[order]]
    by_group = system[order]
    for start, stop in itertools.pairwise(ends):
        first, last = by_group.indptr[[start, stop]]
        columns, pointers = places[by_group.indices[first:last]], by_group.indptr[start : stop + 1] - first
        shape = (stop - start, stop - start)
        yield order[start:stop], csr_array((by_group.data[first:last], columns, pointers), shape=shape)


def _solve(system: Any, sides: Values) -> Values:
    """Solve a symmetric, positive definite system (n, n) for the right sides (n, C) of all channels."""
    from scipy.linalg import cho_solve_banded, cholesky_banded
    from scipy.sparse.csgraph import reverse_cuthill_mckee

    size = len(sides)
    if size > _LARGEST:
        raise FillFailed(f"a hole of {size} connected pixels is too large to solve for")
    order = reverse_cuthill_mckee(system, symmetric_mode=True)
    places = np.empty_like(order)
    places[order] = np.arange(size, dtype=order.dtype)
    rows, columns = np.repeat(places, np.diff(system.indptr)), places[system.indices]
    below = rows - columns
    width = int(below.max()) + 1
    if size * width > _BAND:
        return _solve_sparse(system, sides)
    lower = below >= 0
    band = np.zeros((width, size))
    band[below[lower], columns[lower]] = system.data[lower]
    factor = cholesky_banded(band, lower=True, overwrite_ab=True, check_finite=False)
    solution = np.empty_like(sides)
    solution[order] = cho_solve_banded((factor, True), sides[order], check_finite=False)
    return solution


def _solve_sparse(system: Any, sides: Values) -> Values:
    from scipy.sparse.linalg import splu

    # The matrix is symmetric and positive definite: this ordering gives several times less fill-in.
    options = {"SymmetricMode": True}
    factors = splu(system.tocsc(), permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options=options)
    return np.asarray(factors.solve(sides), np.float64)
