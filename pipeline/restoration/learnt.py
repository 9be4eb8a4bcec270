"""The learnt filler: a classical filling, refined inside the holes by a trained network."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline.errors import PentimentoError
from pipeline.restoration.fill import Filler, FillFailed, Mask, Pixels, check, compose, fillers

if TYPE_CHECKING:
    from pipeline.models.unet import ResidualUNet

Window = tuple[slice, slice]

_CELL = 384  # pixels of a tile's side, without its context
_OVERSHOOT = 0.5  # how far beyond [0, 1] a sound network may point


class LearntFiller:
    """Fills by the restorer in a folder; pictures of one (grey) or three (RGB) channels only.

    The picture is worked on in tiles around its holes, each with the network's whole reach as
    context, so that no seam can arise and memory is bounded.

    Raises:
        PentimentoError: when the folder holds no restorer.
    """

    name = "learnt"

    def __init__(self, folder: Path) -> None:
        from pipeline.models.registry import load_model
        from pipeline.models.unet import ResidualUNet

        network, card = load_model(folder)
        if not isinstance(network, ResidualUNet):
            raise PentimentoError(f"{folder} holds a '{card['architecture']}', not a restorer")
        start, known = card.get("start"), fillers()
        if not isinstance(start, str) or start not in known:
            raise PentimentoError(
                f"{folder / 'card.json'} names no known start: {start!r} is none of "
                f"{', '.join(sorted(known))}; train the restorer again"
            )
        self.network: ResidualUNet = network
        self.start: Filler = known[start]
        self.reach = max(self.start.reach, network.reach)

    def __call__(self, pixels: Pixels, mask: Mask) -> Pixels:
        """See Filler.

        Raises:
            FillFailed: also for other than one or three channels, or when the network's result is
                not finite or far out of range.
        """
        check(pixels, mask)
        channels = pixels.shape[2]
        if channels not in (1, 3):
            raise FillFailed(f"the learnt filler knows grey and RGB, not {channels} channels")
        if not mask.any():
            return pixels.copy()
        start = self.start(pixels, mask)
        rgb = start if channels == 3 else np.repeat(start, 3, axis=2)
        filled = refine(self.network, rgb, mask)
        if channels == 1:
            filled = filled.mean(axis=2, keepdims=True)
        inside = filled[mask]
        if not np.isfinite(inside).all():
            raise FillFailed("the network's result is not finite")
        if inside.min() < -_OVERSHOOT or inside.max() > 1 + _OVERSHOOT:
            raise FillFailed("the network's result is far out of range")
        return compose(pixels, filled, mask)


def refine(network: ResidualUNet, start: Pixels, mask: Mask) -> Pixels:
    """The network's result (H, W, 3) for a filled picture of any size, tile by tile."""
    import torch

    height, width = mask.shape
    multiple = network.multiple
    bottom, right = -height % multiple, -width % multiple
    # Up to one multiple of mirrored pixels, so that every tile's size is one that the network takes.
    padded = np.pad(start, ((0, bottom), (0, right), (0, 0)), mode="symmetric")
    holes = np.pad(mask, ((0, bottom), (0, right)))
    result = padded.copy()
    with torch.inference_mode():
        for core, window in _tiles(holes, multiple, network.reach):
            picture = torch.from_numpy(np.ascontiguousarray(padded[window].transpose(2, 0, 1)))
            hole = torch.from_numpy(holes[window].astype(np.float32))
            refined = network(picture[None], hole[None, None])[0].numpy().transpose(1, 2, 0)
            rows, columns = (
                slice(inner.start - outer.start, inner.stop - outer.start)
                for inner, outer in zip(core, window, strict=True)
            )
            result[core] = refined[rows, columns]
    return result[:height, :width]


def _tiles(holes: Mask, multiple: int, reach: int) -> Iterator[tuple[Window, Window]]:
    """Cells of the picture cut down to their holes, each with the window that it depends on."""
    for top in range(0, holes.shape[0], _CELL):
        for left in range(0, holes.shape[1], _CELL):
            cell = holes[top : top + _CELL, left : left + _CELL]
            if not cell.any():
                continue
            rows, columns = (np.flatnonzero(cell.any(axis=axis)) for axis in (1, 0))
            core = (
                slice(top + int(rows[0]), top + int(rows[-1]) + 1),
                slice(left + int(columns[0]), left + int(columns[-1]) + 1),
            )
            window = tuple(
                slice(
                    max(0, (side.start - reach) // multiple * multiple),
                    min(size, -(-(side.stop + reach) // multiple) * multiple),
                )
                for side, size in zip(core, holes.shape, strict=True)
            )
            yield core, (window[0], window[1])
