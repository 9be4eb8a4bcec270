"""Tiles: run a method over a picture of any size, window by window, without seams.

The picture is split into square cells. A tile is a cell plus a rim of `blend` pixels that it shares with
its neighbours. The method sees the tile and the context around it that its result may depend on. In a rim,
the results of the tiles that share it are weighted by a Hann window. The weights add up to 1: equal results
stay unchanged, and different results pass smoothly into each other. Only the rims of one row of tiles are
kept at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pipeline.archive.canvas import Window

Values = NDArray[np.float32]  # (rows, columns, channels)

BLEND = 32  # pixels of a rim, to each side of the border between two cells


@dataclass(frozen=True)
class Tile:
    """One tile of a picture; all windows are within it."""

    cell: Window  # cells cover the picture exactly once
    used: Window  # the cell and its rims: the part of the result that is used
    window: Window  # what the method is shown
    number: tuple[int, int]  # row and column among the tiles

    @property
    def inner(self) -> Window:
        """`used` as a window of `window`."""
        return within(self.used, self.window)


@dataclass(frozen=True)
class Grid:
    """How a picture is split into tiles.

    side: of a cell, in pixels; a remainder shorter than half a cell is added to the last cell.
    reach: pixels of context that the method needs around the used window.
    align: windows begin at multiples of it, so a network sees the same raster in every tile.
    blend: width of a rim, in pixels.
    """

    side: int
    reach: int
    align: int = 1
    blend: int = BLEND

    def borders(self, size: int) -> list[int]:
        """First and last positions of the cells along one side of a picture."""
        count = max(1, (size + self.side // 2) // self.side)
        return [*(number * self.side for number in range(count)), size]

    def tiles(self, height: int, width: int) -> Iterator[Tile]:
        """All tiles, row by row."""
        rows, columns = self.borders(height), self.borders(width)
        for row, (top, bottom) in enumerate(pairwise(rows)):
            for column, (left, right) in enumerate(pairwise(columns)):
                used = (_grown(top, bottom, self.blend, height), _grown(left, right, self.blend, width))
                window = (self._shown(used[0], height), self._shown(used[1], width))
                yield Tile((slice(top, bottom), slice(left, right)), used, window, (row, column))

    def _shown(self, side: slice, size: int) -> slice:
        start = max(0, side.start - self.reach) // self.align * self.align
        return slice(start, min(size, side.stop + self.reach))


Work = Callable[[Tile], Values | None]  # the result for `used` (times scale), or None: nothing to do
Emit = Callable[[Window, Values], None]  # takes a finished window (times scale) of the picture


def run_tiles(shape: tuple[int, int, int], grid: Grid, work: Work, emit: Emit, scale: int = 1) -> None:
    """Run `work` on every tile of a picture (height, width, channels).

    Finished windows go to `emit`, each pixel at most once. A window for which all tiles returned None is
    not emitted. `emit` may change pixels that later tiles read only where their result does not depend
    on them.
    """
    rims = _Rims(grid, shape, scale)
    for tile in grid.tiles(*shape[:2]):
        for window, finished in rims.add(tile, work(tile)):
            emit(window, finished)


@dataclass
class _Rims:
    """Weighted results in the rims of tiles that still wait for a neighbour."""

    grid: Grid
    shape: tuple[int, int, int]
    scale: int
    right: Values | None = None  # the right rim of the tile before
    below: dict[int, Values] = field(default_factory=dict)  # lower rims of the row before, by column

    def add(self, tile: Tile, values: Values | None) -> Iterator[tuple[Window, Values]]:
        """Add a tile's result; yield the window that it finishes, unless it is empty."""
        left_rim, upper_rim = self.right, self.below.pop(tile.number[1], None)
        self.right = None
        if values is None and left_rim is None and upper_rim is None:
            return
        total = self._weighted(tile, values)
        if left_rim is not None:
            total[:, : left_rim.shape[1]] += left_rim
        rows, columns = tile.used
        # The rims that are shared with the next tiles begin here.
        bottom = self._finished(tile.cell[0], self.shape[0])
        right = self._finished(tile.cell[1], self.shape[1])
        across, down = (right - columns.start) * self.scale, (bottom - rows.start) * self.scale
        if values is not None and across < total.shape[1]:
            self.right = total[:, across:].copy()
        total = total[:, :across]
        if down < total.shape[0] and not (values is None and left_rim is None):
            self.below[tile.number[1]] = total[down:].copy()
        if upper_rim is not None:
            total[: upper_rim.shape[0]] += upper_rim
        window = slice(rows.start, bottom), slice(columns.start, right)
        yield (_scaled(window[0], self.scale), _scaled(window[1], self.scale)), total[:down]

    def _finished(self, cell: slice, size: int) -> int:
        return size if cell.stop == size else cell.stop - self.grid.blend

    def _weighted(self, tile: Tile, values: Values | None) -> Values:
        shape = tuple((side.stop - side.start) * self.scale for side in tile.used)
        if values is None:
            return np.zeros((*shape, self.shape[2]), np.float32)
        if values.shape != (*shape, self.shape[2]):
            raise ValueError(f"a tile's result is {values.shape}, not {(*shape, self.shape[2])}")
        weighted = np.array(values, np.float32)
        rise = _rise(2 * self.grid.blend * self.scale)
        for axis, cell in enumerate(tile.cell):
            turned = weighted.swapaxes(0, axis)  # a view whose first and last rows are the rims
            if cell.start > 0:
                turned[: len(rise)] *= rise
            if cell.stop < self.shape[axis]:
                turned[-len(rise) :] *= 1 - rise
        return weighted


def _rise(rim: int) -> Values:
    """The rising half of a Hann window (rim, 1, 1)."""
    return (np.sin((np.arange(rim) + 0.5) / rim * np.pi / 2) ** 2).astype(np.float32)[:, None, None]


def within(inner: Window, outer: Window) -> Window:
    """A window of a picture as a window of another window that holds it."""
    return (
        slice(inner[0].start - outer[0].start, inner[0].stop - outer[0].start),
        slice(inner[1].start - outer[1].start, inner[1].stop - outer[1].start),
    )


def _grown(start: int, stop: int, by: int, size: int) -> slice:
    return slice(max(0, start - by), min(size, stop + by))


def _scaled(side: slice, scale: int) -> slice:
    return slice(side.start * scale, side.stop * scale)
