"""The learnt filler: a classical filling, refined inside the holes by a trained network."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, overload

import numpy as np

from pipeline.errors import PentimentoError, StepFailed
from pipeline.models.inference import AnyEngine, Array, Precision
from pipeline.models.network import open_network
from pipeline.models.surroundings import CELL, surroundings
from pipeline.models.surroundings import REACH as surroundings_reach
from pipeline.restoration.methods.fill import check, compose, fillers
from pipeline.restoration.methods.interface import Filler, FillFailed, Mask, Pixels, sound
from pipeline.restoration.methods.registry import LEARNT, Opening, method

Window = tuple[slice, slice]

_BLOCK = 32  # pixels: rectangles around holes consist of blocks of this side
_SIDES = 32  # pixels: window sides are multiples of it; engines compile each new size, so few are faster
_LARGEST = 768  # pixels of a rectangle's side, without its context; memory limits it


class LearntFiller:
    """Fills holes with the restorer in a folder, in pictures of one (grey) or three (RGB) channels.

    The filler processes tiles around the holes, each with the network's whole reach as context. Memory is
    therefore bounded, and the result has no seams.

    Args: see open_network. bf16 costs this network less than 0.01 dB (benchmarks/inference.py).

    Raises:
        PentimentoError: when the folder holds no restorer, its card names no known start, or the engine is
            not installed.
    """

    name = "learnt"

    def __init__(
        self,
        folder: Path,
        engine: AnyEngine = "torch",
        cache: Path | None = None,
        precision: Precision | None = None,
    ) -> None:
        network = open_network(folder, "residual_unet", engine, cache, precision)
        start, known = network.card.get("start"), fillers()
        if not isinstance(start, str) or start not in known:
            raise PentimentoError(
                f"{folder / 'card.json'} names no known start: {start!r} is none of "
                f"{', '.join(sorted(known))}; train the restorer again"
            )
        self.start: Filler = known[start]
        self.session, self.multiple = network.session, network.multiple
        self.network_reach = network.reach
        self.engine, self.libraries = network.engine, network.libraries
        # Pixels at the end of the network's reach may be filled ones, which depend on their own surroundings.
        self.reach = network.reach + surroundings_reach + self.start.reach

    def __call__(self, pixels: Pixels, mask: Mask, wanted: Mask | None = None) -> Pixels:
        """See Filler.

        Raises:
            FillFailed: also when the picture has neither one nor three channels, or the network's result
                is not finite or far out of range.
        """
        check(pixels, mask)
        channels = pixels.shape[2]
        if channels not in (1, 3):
            raise FillFailed(f"{self.name} knows grey and RGB, not {channels} channels")
        if not mask.any():
            return pixels.copy()
        start = self.start(pixels, mask)
        rgb = start if channels == 3 else np.repeat(start, 3, axis=2)
        filled = self._refine(rgb, mask, wanted)
        if channels == 1:
            filled = filled.mean(axis=2, keepdims=True)
        return checked(pixels, filled, mask, self.name)

    def _refine(self, start: Pixels, mask: Mask, wanted: Mask | None) -> Pixels:
        """Add the network's residual to a filled picture (H, W, 3), in the wanted holes.

        Raises:
            FillFailed: when the engine fails.
        """
        multiple = math.lcm(self.multiple, CELL)
        whole, holes = padded(start, multiple), padded(mask, multiple)
        asked = holes if wanted is None else holes & padded(wanted, multiple)
        around = surroundings(whole)
        contrast = around.spread_contrast()
        # Compute all residuals before adding the first: each window must see the others as they start.
        for core, residual in list(
            refined_windows(
                self.session.run, whole, holes, asked, multiple, self.network_reach, around.normal
            )
        ):
            whole[core] += residual * contrast[core] * asked[core][..., None]
        return whole[: mask.shape[0], : mask.shape[1]]


def checked(pixels: Pixels, filled: Pixels, mask: Mask, name: str) -> Pixels:
    """A copy of `pixels` (H, W, C) with the masked ones from a network's result `filled` (H, W, C).

    Raises:
        FillFailed: when the result is not finite or far out of range.
    """
    inside = filled[mask]
    try:
        sound(inside, name)
    except StepFailed as error:
        raise FillFailed(str(error)) from None
    return compose(pixels, inside, mask)


def refine(
    run: Callable[[Array, Array], Array],
    start: Pixels,
    mask: Mask,
    multiple: int,
    reach: int,
    wanted: Mask | None = None,
) -> Pixels:
    """A network's result (H, W, C) around the holes of a picture of any size, tile by tile.

    Args:
        run: takes a picture (1, C, h, w) and a mask (1, 1, h, w), 1 in the holes; returns a picture
            (1, C, h, w).
        start: (H, W, C), the picture in the network's own range; pixels far from all holes are returned
            unchanged.
        mask: (H, W), True in the holes.
        multiple: h and w are multiples of it.
        reach: pixels of context around a hole that the network sees.
        wanted: (H, W), the part of the mask that the caller uses; the rest may stay as in `start`.

    Raises:
        FillFailed: when the engine fails, or the result has another shape.
    """
    whole, holes = padded(start, multiple), padded(mask, multiple)
    asked = holes if wanted is None else holes & padded(wanted, multiple)
    result = whole.copy()
    for core, refined in refined_windows(run, whole, holes, asked, multiple, reach):
        result[core] = refined
    return result[: mask.shape[0], : mask.shape[1]]


def refined_windows(
    run: Callable[[Array, Array], Array],
    start: Pixels,
    mask: Mask,
    asked: Mask,
    multiple: int,
    reach: int,
    show: Callable[[Pixels, Window], Pixels] | None = None,
) -> Iterator[tuple[Window, Pixels]]:
    """Disjoint windows that contain all asked holes, each with the network's result (h, w, C).

    Args: see refine; sides of `start` are multiples of `multiple`.
        asked: (H, W), the holes to fill.
        show: makes the network's input (h, w, C) from the picture and a window; None: the window's pixels.

    Raises:
        FillFailed: when the engine fails, or the result has another shape.
    """
    for core, window in _tiles(asked, multiple, reach):
        shown = start[window] if show is None else show(start, window)
        picture = np.ascontiguousarray(shown.transpose(2, 0, 1)[None])
        try:
            refined = run(picture, mask[window].astype(np.float32)[None, None])
        except StepFailed as error:
            raise FillFailed(str(error)) from None
        if refined.shape != picture.shape:
            raise FillFailed(f"the result's shape is {refined.shape}, not {picture.shape}")
        rows, columns = (
            slice(inner.start - outer.start, inner.stop - outer.start)
            for inner, outer in zip(core, window, strict=True)
        )
        yield core, refined[0].transpose(1, 2, 0)[rows, columns]


@overload
def padded(values: Pixels, multiple: int) -> Pixels: ...


@overload
def padded(values: Mask, multiple: int) -> Mask: ...


def padded(values: Any, multiple: int) -> Any:
    """Pad pixels (H, W, C) or a mask (H, W) until the sides are multiples; the same array when they are.

    The padding lies at the bottom and right. Pixels are mirrored; masks are padded with False.
    """
    bottom, right = (-size % multiple for size in values.shape[:2])
    if not bottom and not right:
        return values
    if values.dtype == np.bool_:
        return np.pad(values, ((0, bottom), (0, right)))
    return np.pad(values, ((0, bottom), (0, right), (0, 0)), mode="symmetric")


def _tiles(holes: Mask, multiple: int, reach: int) -> Iterator[tuple[Window, Window]]:
    """Rectangles that contain all holes, each with the window that its result depends on.

    Every window includes `reach` pixels of context. Holes share a window or get several, whichever has fewer
    pixels in total.
    """
    rows, columns = (-(-size // _BLOCK) for size in holes.shape)
    padded = np.pad(holes, ((0, rows * _BLOCK - holes.shape[0]), (0, columns * _BLOCK - holes.shape[1])))
    blocks = np.asarray(padded.reshape(rows, _BLOCK, columns, _BLOCK).any(axis=(1, 3)))
    for core in _parted(blocks, (slice(0, rows), slice(0, columns)), reach)[1]:
        place = tuple(slice(side.start * _BLOCK, side.stop * _BLOCK) for side in core)
        inner = _tight(holes[place], place[0].start, place[1].start)
        window = tuple(
            _shown(side, size, multiple, reach) for side, size in zip(inner, holes.shape, strict=True)
        )
        yield inner, (window[0], window[1])


def _shown(side: slice, size: int, multiple: int, reach: int) -> slice:
    """The part of a picture's side that the network must see to give the right result for `side`."""
    start, step = max(0, side.start - reach) // multiple * multiple, math.lcm(_SIDES, multiple)
    length = -(-(side.stop + reach - start) // step) * step
    stop = min(size, start + length)
    return slice(max(0, stop - length), stop)


def _parted(blocks: Mask, box: Window, reach: int) -> tuple[float, list[Window]]:
    """The number of pixels in the windows, and the rectangles of blocks in a box with the fewest of them."""
    part = blocks[box]
    if not part.any():
        return 0, []
    tight = _tight(part, box[0].start, box[1].start)
    (top, bottom), (left, right) = ((side.start, side.stop) for side in tight)
    height, width = bottom - top, right - left
    area = float((height * _BLOCK + 2 * reach) * (width * _BLOCK + 2 * reach))
    if max(height, width) == 1:
        return area, [tight]
    if height >= width:
        halves = [(slice(top, top + height // 2), tight[1]), (slice(top + height // 2, bottom), tight[1])]
    else:
        halves = [(tight[0], slice(left, left + width // 2)), (tight[0], slice(left + width // 2, right))]
    found = [_parted(blocks, half, reach) for half in halves]
    cheaper = found[0][0] + found[1][0]
    if cheaper < area or max(height, width) * _BLOCK > _LARGEST:
        return cheaper, found[0][1] + found[1][1]
    return area, [tight]


def _tight(part: Mask, top: int, left: int) -> Window:
    """The smallest window around the True pixels of a part of a picture that begins at (top, left)."""
    rows, columns = (np.flatnonzero(part.any(axis=axis)) for axis in (1, 0))
    return (
        slice(top + int(rows[0]), top + int(rows[-1]) + 1),
        slice(left + int(columns[0]), left + int(columns[-1]) + 1),
    )


@method("fill", LEARNT, weights=("restorer",))
def _learnt(opening: Opening) -> LearntFiller:
    return LearntFiller(opening.folders["restorer"], opening.engine)
