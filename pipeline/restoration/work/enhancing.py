"""The steps `enhance` and `upscale` on a picture of any size: the whole picture, tile by tile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from pipeline.archive.canvas import Canvas, Window
from pipeline.archive.tiling import Grid, Tile, Values, run_tiles
from pipeline.errors import ItemError, StepFailed
from pipeline.restoration.methods.classical import lanczos
from pipeline.restoration.methods.interface import Enhancer, Pixels, Preview, sound
from pipeline.restoration.work.overview import reduce

_SMALLEST = 256  # pixels: least side of a tile; for smaller ones, most of the time goes into context
_ALIGN = 64
_SAMPLE = 256  # pixels of a sample's side
_OVERVIEW = 512  # pixels: most of the longer side


@dataclass
class Improvement:
    """What a step did to a picture."""

    method: str
    judged: Mapping[str, float | bool]  # values that the method derived from the picture
    changed: bool = False  # whether any sample differs from the source's
    fallbacks: list[str] = field(default_factory=list)


def improve(
    canvas: Canvas,
    out: Canvas,
    method: Enhancer,
    fallback: Enhancer,
    side: int,
    luma_step: float | None = None,
) -> Improvement:
    """Apply a method to every pixel of `canvas`, and write the result to `out`.

    Alpha is copied; in a larger picture it is interpolated.

    Args:
        canvas: the picture.
        out: a canvas of the same type, with sides `method.scale` times as long.
        method: the method to apply.
        fallback: the classical method of the same scale, for tiles where `method` fails.
        side: pixels of a tile's side in the larger of the two pictures.
        luma_step: see `preview_of`.

    Raises:
        ItemError: when both methods fail on a tile.
    """
    reach = max(method.reach, fallback.reach)
    align = int(np.lcm(_ALIGN, method.multiple))
    grid = Grid(max(_SMALLEST, side // method.scale), reach, align)
    preview = preview_of(canvas, luma_step)
    run = _Run(canvas, out, method.tuned(preview), fallback.tuned(preview))
    run_tiles(canvas.shape, grid, run.tile, run.put, method.scale)
    return run.done


def preview_of(canvas: Canvas, luma_step: float | None = None) -> Preview:
    """The preview of a picture: its overview, and five samples spread over its area.

    Args:
        canvas: the picture.
        luma_step: mean quantisation step of the JPEG that the picture was read from, see Preview.
    """
    height, width, _ = canvas.shape
    factor = -(-max(height, width) // _OVERVIEW)
    samples = []
    for row, column in ((1, 1), (1, 3), (2, 2), (3, 1), (3, 3)):  # quarters of the sides
        top = max(0, height * row // 4 - _SAMPLE // 2)
        left = max(0, width * column // 4 - _SAMPLE // 2)
        window = slice(top, min(height, top + _SAMPLE)), slice(left, min(width, left + _SAMPLE))
        samples.append(canvas.colour(window))
    return Preview(reduce(canvas, factor=factor).pixels, tuple(samples), luma_step)


class _Run:
    def __init__(self, canvas: Canvas, out: Canvas, method: Enhancer, fallback: Enhancer) -> None:
        self.canvas, self.out = canvas, out
        self.method, self.fallback = method, fallback
        self.done = Improvement(method.name, method.judged, changed=method.scale > 1)

    def tile(self, tile: Tile) -> Values:
        colours, scale = self.canvas.colours, self.method.scale
        result = self._attempt(self.canvas.colour(tile.window))
        if self.canvas.shape[2] > colours:
            alpha = self.canvas.read(tile.window)[..., colours:].astype(np.float32)
            alpha /= np.float32(self.canvas.peak)
            result = np.concatenate([result, lanczos(alpha, scale) if scale > 1 else alpha], axis=2)
        rows, columns = (slice(side.start * scale, side.stop * scale) for side in tile.inner)
        return result[rows, columns]

    def put(self, window: Window, values: Values) -> None:
        whole = np.rint(values.astype(np.float64) * self.out.peak).clip(0, self.out.peak)
        new = whole.astype(self.out.dtype)
        if not self.done.changed:
            self.done.changed = not np.array_equal(new, self.canvas.read(window))
        self.out.write(window, new)

    def _attempt(self, pixels: Pixels) -> Pixels:
        try:
            return apply(self.method, pixels)
        except StepFailed as error:
            note = f"{self.method.name} -> {self.fallback.name}: {error}"
        if note not in self.done.fallbacks:
            self.done.fallbacks.append(note)
        try:
            return apply(self.fallback, pixels)
        except StepFailed as error:
            raise ItemError(f"cannot be improved: {self.fallback.name}: {error}") from None


def apply(method: Enhancer, pixels: Pixels) -> Pixels:
    """Apply a method to a window (H, W, C) in [0, 1] of any size: (H * scale, W * scale, C) in [0, 1].

    Raises:
        StepFailed: when the method has no valid result.
    """
    height, width, channels = pixels.shape
    bottom, right = -height % method.multiple, -width % method.multiple
    if bottom or right:
        pixels = np.pad(pixels, ((0, bottom), (0, right), (0, 0)), mode="symmetric")
    result = method(pixels)
    wanted = ((height + bottom) * method.scale, (width + right) * method.scale, channels)
    if result.shape != wanted:
        raise StepFailed(f"the result of {method.name} is {result.shape}, not {wanted}")
    return sound(result, method.name)[: height * method.scale, : width * method.scale]
