"""One picture that is larger than memory: part `gigapixel` of throughput.py.

Peak memory and seconds are those of the command. Seams are looked for in what it filled. The picture's
own edges cross the borders of tiles too, and few holes do: the gradient across all borders, over that
beside them, strays from 1 by a tenth, seam or not (it is shown with its standard error). So the picture
is filled once more by larger tiles, whose borders lie elsewhere, and what was filled across a border of
the first tiles is held against the very same pixels of the second filling, where there is no border; a
ratio of 1 means that the border adds nothing. Borders that both have, or nearly, are left out.

The gradient is the mean step between two neighbours that were both filled, over all colours: across the
line where two cells meet, and where the rims on both sides of it begin and end. It is taken of all holes,
and of the large ones by themselves: they are smooth, and hardly count among all others. The ratio that is
farthest from 1 is what counts.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from figures import pictures
from numpy.typing import NDArray
from scans import ROOT, Pixels, damage, enlarged, restore, telea_everywhere

from flows.requests import build_request
from pipeline.archive.tiling import BLEND
from pipeline.params import load_params
from pipeline.restoration.methods.kit import load_kit
from pipeline.restoration.methods.settings import Settings
from pipeline.restoration.work.engine import restore_work
from pipeline.restoration.work.work import Tree, Work

BOUNDS = {"gigapixel: peak memory, GB": 1.5, "gigapixel: farthest ratio from 1": 0.02}
_PLACES = {"at borders": 0, "rims begin": -BLEND, "rims end": BLEND}
_BAND = 64  # pixels around a place that are looked at
_NEAR = 2 * BLEND + _BAND  # pixels: a border that lies so near to one of the other tiles is left out
_BESIDE = [*range(3, 27), *range(36, 60)]  # steps of a band, without those next to its middle

Circle = tuple[int, int, int]  # column and row of the centre, radius
Sums = NDArray[np.float64]  # (bands, [all, large], [across, beside], [sum of steps, how many])


def gigapixel(folder: Path, arguments: argparse.Namespace, figures: dict[str, Any]) -> None:
    """Measure a picture of `arguments.side` pixels, four tiles or more. Takes ten times its file on disk."""
    import pyvips

    side = arguments.side
    tile = load_params(ROOT / "params.yaml", "restore", Settings).tile
    other = tile * 7 // 5 // 64 * 64
    path, hole = folder / "giant/giant.tif", folder / "giant-masks/giant.tif.png"
    for made in (path, hole):
        made.parent.mkdir()
    _paint(path, side, arguments.images)
    circles = _large(side, tile)
    mask = damage((side, side), 0)
    _draw(mask, circles)
    cv2.imwrite(str(hole), mask)
    methods = arguments.methods or telea_everywhere(folder)
    out = folder / "giant-out"
    options = ["--masks", str(hole.parent), "--workers", "1", "--methods", str(methods)]
    run = restore(path.parent, out, arguments, *options)
    figures["gigapixel: side"] = side
    figures["gigapixel: file, GB"] = round(path.stat().st_size / 1e9, 2)
    figures["gigapixel: seconds"] = round(run["wall"], 1)
    figures["gigapixel: MP/s"] = round(side * side / 1e6 / run["wall"], 2)
    figures["gigapixel: peak memory, GB"] = round(run["peak"] / 1e9, 3)
    control = folder / "giant-control"
    request = build_request(path.parent, control, masks=hole.parent, methods=methods, tile=other)
    restore_work(Work(path, path.name, hole), Tree.at(control), load_kit(request.settings, methods))
    both = [pyvips.Image.new_from_file(str(Tree.at(at).works / path.name)) for at in (out, control)]
    figures["gigapixel: sides of tiles"] = f"{tile} {other}"
    figures["gigapixel: pixels filled"] = int(np.count_nonzero(mask))
    different = (both[0] != both[1]).bandor().avg() / 255 * side * side
    figures["gigapixel: of these, filled otherwise"] = round(different)
    figures |= _gradients(both, mask, circles, tile, other)


def _paint(path: Path, side: int, images: Path | None) -> None:
    """A painting with grain, mirrored and repeated until the picture is full."""
    import pyvips

    cell = enlarged(pictures(images)[0], 4_000_000)
    cell = np.vstack([np.hstack([cell, cell[:, ::-1]]), np.hstack([cell[::-1], cell[::-1, ::-1]])])
    height, width = cell.shape[:2]
    image = pyvips.Image.new_from_array(cell).replicate(-(-side // width), -(-side // height))
    options = {"tile": True, "bigtiff": side > 20_000, "compression": "deflate", "predictor": "horizontal"}
    image.crop(0, 0, side, side).tiffsave(str(path), **options)


def _large(side: int, tile: int) -> list[Circle]:
    """Holes with a deep inside across borders of tiles: one that spans tiles, and many smaller ones."""
    count, radius = round(side / tile), tile // 5
    middle = side // 2 // tile * tile
    smaller = [
        (number * tile + radius // 3, (number * 7 % (count - 1) + 1) * tile - radius // 3, radius)
        for number in range(1, count)
    ]
    return [(middle, middle, min(int(1.25 * tile), side // 4)), *smaller]


def _draw(mask: Pixels, circles: list[Circle], left: int = 0, top: int = 0) -> None:
    """Holes drawn into the part of a mask that begins at (top, left)."""
    for column, row, radius in circles:
        cv2.circle(mask, (column - left, row - top), radius, 255, -1)


def _gradients(both: list[Any], mask: Pixels, circles: list[Circle], tile: int, other: int) -> dict[str, Any]:
    """How much steeper the first of two filled pictures is across its tiles' borders."""
    side, figures, farthest = mask.shape[0], {}, 0.0
    elsewhere = np.arange(0, side + other, other)
    borders = [
        border for border in range(tile, side - tile // 2, tile) if np.abs(elsewhere - border).min() > _NEAR
    ]
    for name, offset in _PLACES.items():
        tiled, without = (_sums(image, mask, circles, borders, offset) for image in both)
        for number, which in enumerate(("all", "large")):
            ratio = _mean(tiled, number, 0) / _mean(without, number, 0)
            figures[f"gigapixel: ratio {name}, {which} holes"] = round(ratio, 4)
            farthest = max(farthest, abs(ratio - 1))
        if not offset:
            figures["gigapixel: filled steps across borders"] = int(tiled[:, 0, 0, 1].sum())
            figures["gigapixel: at borders over beside"] = _with_error(tiled)
            figures["gigapixel: the same without borders"] = _with_error(without)
    figures["gigapixel: farthest ratio from 1"] = round(farthest, 4)
    return figures


def _sums(image: Any, mask: Pixels, circles: list[Circle], places: list[int], offset: int) -> Sums:
    """Steps between filled neighbours across lines, down and across, and beside these lines."""
    side, found = mask.shape[0], []
    for place in places:
        start = place + offset - _BAND // 2
        for turned in (False, True):
            left, top, width, height = (0, start, side, _BAND) if turned else (start, 0, _BAND, side)
            band = np.asarray(image.crop(left, top, width, height).numpy()[..., :3], np.int16)
            hole = mask[top : top + height, left : left + width] > 0
            large = np.zeros(hole.shape, np.uint8)
            _draw(large, circles, left, top)
            large = large > 0
            if turned:
                band, hole, large = band.swapaxes(0, 1), hole.T, large.T
            steps = np.abs(np.diff(band, axis=1)).sum(axis=2)
            filled = [part[:, 1:] & part[:, :-1] for part in (hole, large)]
            found.append(
                [
                    [
                        (steps[:, lines][part[:, lines]].sum(), part[:, lines].sum())
                        for lines in ([_BAND // 2 - 1], _BESIDE)
                    ]
                    for part in filled
                ]
            )
    return np.asarray(found, np.float64)


def _mean(sums: Sums, which: int, where: int) -> float:
    total, count = sums[:, which, where].sum(axis=0)
    return float(total / count)


def _with_error(sums: Sums) -> str:
    """The gradient across lines over that beside them, with its standard error (jackknife over the bands)."""
    less = [_mean(rest, 0, 0) / _mean(rest, 0, 1) for rest in _leaving_one_out(sums)]
    error = np.sqrt((len(less) - 1) * np.var(less))
    return f"{_mean(sums, 0, 0) / _mean(sums, 0, 1):.3f} ± {error:.3f}"


def _leaving_one_out(sums: Sums) -> list[Sums]:
    return [np.delete(sums, number, axis=0) for number in range(len(sums))]
