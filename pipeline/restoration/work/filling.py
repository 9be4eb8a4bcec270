"""The step `fill` on a picture of any size: holes are filled tile by tile, all else stays.

Each hole is filled by the method that measured best for its shape, or for its kind where the mask states
one. Pixels deep inside a large hole lie farther from paint than a tile can see. They are taken from a filling
of the reduced picture. A hole may therefore be larger than a tile, and neighbouring tiles agree.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pipeline.archive.canvas import Canvas, Window
from pipeline.archive.tiling import Grid, Tile, Values, run_tiles, within
from pipeline.errors import ItemError, StepFailed
from pipeline.restoration.methods.fill import Fillers
from pipeline.restoration.methods.interface import Filler, FillFailed, Mask, Pixels
from pipeline.restoration.methods.shapes import REACH, SHAPES, by_shape, depth, farther
from pipeline.restoration.work.overview import Overview, reduce

DEEP = 96  # pixels from paint; deeper pixels of a hole come from the reduced picture's filling
_ALIGN = 64  # windows begin at multiples of it, so a network's grid does not depend on the tiles


@dataclass
class Account:
    """Counts of pixels that each method filled, and notes of methods that failed.

    pixels: hole shape -> name of the method -> number of pixels.
    """

    pixels: dict[str, dict[str, int]] = field(default_factory=lambda: defaultdict(dict))
    fallbacks: list[str] = field(default_factory=list)
    deep: int = 0  # pixels taken from the reduced picture

    def add(self, shape: str, method: str, pixels: int) -> None:
        """Count pixels filled by a method."""
        if pixels:
            self.pixels[shape][method] = self.pixels[shape].get(method, 0) + pixels

    def failed(self, method: str, instead: str, error: StepFailed) -> None:
        """Note that a method failed and another took over."""
        note = f"{method} -> {instead}: {error}"
        if note not in self.fallbacks:
            self.fallbacks.append(note)

    @property
    def methods(self) -> set[str]:
        """The names of all methods that filled something."""
        return {method for counts in self.pixels.values() for method in counts}

    def as_dict(self) -> dict[str, Any]:
        """The fields of the sidecar."""
        shapes = {
            shape: {"pixels_by_method": self.pixels[shape]} for shape in SHAPES if self.pixels.get(shape)
        }
        return {"methods": shapes, "deep_pixels": self.deep, "fallbacks": sorted(self.fallbacks)}


def fill(
    canvas: Canvas,
    mask: Canvas,
    methods: Fillers,
    fallback: Filler,
    tile: int,
    account: Account,
    kind: str | None = None,
) -> None:
    """Fill the masked pixels of a canvas, in place.

    Args:
        canvas: the picture; its alpha is not touched.
        mask: (H, W, 1), 255 where the picture is to be filled.
        methods: the fillers for each shape and kind of hole.
        fallback: fills where another filler fails.
        tile: pixels of a tile's side.
        account: records which method filled how many pixels.
        kind: the kind of damage, where the mask states it.

    Raises:
        ItemError: when no method can fill a hole.
    """
    _Filling(canvas, mask, methods, fallback, tile, account, kind).run()


@dataclass
class _Filling:
    canvas: Canvas
    mask: Canvas
    methods: Fillers
    fallback: Filler
    side: int
    account: Account
    kind: str | None
    overview: Overview | None = None

    def run(self) -> None:
        fillers = [self.methods.of(shape, self.kind) for shape in SHAPES]
        reach = max(2 * DEEP + 2, REACH, self.fallback.reach, *(filler.reach for filler in fillers))
        grid = Grid(self.side, reach, _ALIGN)
        height, width, _ = self.canvas.shape
        run_tiles((height, width, self.canvas.colours), grid, self._tile, self._put)

    def _tile(self, tile: Tile) -> Values | None:
        # Most tiles have no hole, and reading the mask is cheap.
        if not self.mask.read(tile.used).any():
            return None
        hole = self.mask.read(tile.window)[..., 0] > 0
        pixels = self.canvas.colour(tile.window)
        cell = within(tile.cell, tile.window)
        far = farther(hole, DEEP)
        smooth: Pixels | None = None
        if far.any():
            smooth = self._overview().sample(tile.window)
            pixels[far] = smooth[far]
            self.account.deep += int(far[cell].sum())
            hole &= ~far
        wanted, own = np.zeros_like(hole), np.zeros_like(hole)
        wanted[tile.inner], own[cell] = True, True
        parts = {shape: part & wanted for shape, part in by_shape(hole).items()}
        for filler, shapes in self._fillers(parts).items():
            part = np.logical_or.reduce([parts[shape] for shape in shapes])
            method = self._fill(filler, part, hole, pixels)
            for shape in shapes:
                self.account.add(shape, method, int((parts[shape] & own).sum()))
        if smooth is not None:
            # A filler continues the paint from one side and the deep pixels from the other. They meet
            # half-way. From there inwards, only the smooth filling counts.
            near = np.clip(2 - 2 * depth(~far) / DEEP, 0, 1)[..., None]
            pixels += np.where(hole[..., None], near * near * (3 - 2 * near) * (smooth - pixels), 0)
        return pixels[tile.inner]

    def _fillers(self, parts: dict[str, Mask]) -> dict[Filler, list[str]]:
        """The methods that a window needs, each with the shapes that it fills."""
        needed: dict[Filler, list[str]] = defaultdict(list)
        for shape, part in parts.items():
            if part.any():
                needed[self.methods.of(shape, self.kind)].append(shape)
        return needed

    def _fill(self, filler: Filler, part: Mask, hole: Mask, pixels: Pixels) -> str:
        """Fill some pixels of a window, in place; fillers ignore the values in holes.

        Returns:
            The name of the method that filled them.
        """
        window = _around(part, max(DEEP, filler.reach, self.fallback.reach))
        filled, method = self._attempt(filler, pixels[window], hole[window], part[window])
        pixels[window][part[window]] = filled[part[window]]
        return method

    def _attempt(self, filler: Filler, pixels: Pixels, hole: Mask, wanted: Mask) -> tuple[Pixels, str]:
        fallback = self.fallback
        try:
            return filler(pixels, hole, wanted), filler.name
        except StepFailed as error:
            self.account.failed(filler.name, fallback.name, error)
        try:
            return fallback(pixels, hole, wanted), fallback.name
        except FillFailed as error:
            raise ItemError(f"cannot be filled: {fallback.name}: {error}") from None

    def _put(self, window: Window, values: Values) -> None:
        hole = self.mask.read(window)[..., 0] > 0
        if not hole.any():
            return
        pixels = self.canvas.read(window)
        filled = np.rint(values[hole].astype(np.float64) * self.canvas.peak)
        pixels[hole, : self.canvas.colours] = filled.clip(0, self.canvas.peak).astype(pixels.dtype)
        self.canvas.write(window, pixels)

    def _overview(self) -> Overview:
        """The reduced picture with filled holes; it is made at the first deep hole."""
        if self.overview is None:
            reduced = reduce(self.canvas, self.mask)
            unknown = reduced.unknown
            filled, _ = self._attempt(self.methods.coarse, reduced.pixels, unknown, unknown)
            self.overview = Overview(filled, reduced.unknown, reduced.factor)
        return self.overview


def _around(part: Mask, reach: int) -> Window:
    """The window around the True pixels with `reach` pixels of context, aligned to `_ALIGN` at its start."""
    rows, columns = (np.flatnonzero(part.any(axis=axis)) for axis in (1, 0))
    top, bottom = int(rows[0]), int(rows[-1]) + 1
    left, right = int(columns[0]), int(columns[-1]) + 1
    return (
        slice(max(0, top - reach) // _ALIGN * _ALIGN, min(part.shape[0], bottom + reach)),
        slice(max(0, left - reach) // _ALIGN * _ALIGN, min(part.shape[1], right + reach)),
    )
