"""Pixels as quantised DCT coefficients (ITU-T T.81, annex A.3): of touched blocks, or of a whole picture."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from pipeline.archive.canvas import Canvas
from pipeline.archive.formats.jpeg_bits import Ints
from pipeline.archive.formats.jpeg_file import ZIGZAG, File, Frame, Segment
from pipeline.errors import ItemError

Colours = Literal["grey", "YCbCr", "RGB", "CMYK", "YCCK"]
Floats = NDArray[np.float64]
_BAND = 1 << 19  # pixels handled at a time
_TIE = 1e-6  # breaks ties between two equally near steps, independent of rounding in a sum


def _transform() -> Floats:
    """The 64 x 64 matrix of the DCT: samples row by row to coefficients in zigzag order."""
    n = np.arange(8)
    line = np.sqrt(np.where(n == 0, 1, 2) / 8)[:, None] * np.cos((2 * n + 1) * n[:, None] * np.pi / 16)
    return np.kron(line, line).T[:, ZIGZAG]


_DCT = _transform()


@dataclass(frozen=True)
class Wanted:
    """What the blocks of one component are to hold, for some blocks that masked pixels lie in."""

    component: int
    rows: Ints  # (N,) of blocks
    columns: Ints
    samples: Floats  # (N, 64), the mean over the masked pixels that each stored sample stands for
    marked: NDArray[np.bool_]  # (N, 64), whether it stands for any


def colours(file: File) -> Colours:
    """How the components are to be understood, by libjpeg's rules (JFIF, then Adobe's APP14, then names).

    Raises:
        ItemError: when a file has 2 or more than 4 components.
    """
    count = len(file.frame.components)
    adobe = _application(file, 0xEE, b"Adobe", 12)
    transform = adobe[11] if adobe else None
    if count == 1:
        return "grey"
    if count == 4:
        return "CMYK" if not transform else "YCCK"
    if count != 3:
        raise ItemError(f"is a JPEG of a kind that is not supported ({count} components)")
    if _application(file, 0xE0, b"JFIF\0", 14):
        return "YCbCr"
    if transform is not None:
        return "YCbCr" if transform else "RGB"
    names = bytes(part.identity for part in file.frame.components)
    return "RGB" if names == b"RGB" else "YCbCr"


def components(pixels: NDArray[Any], kind: Colours) -> NDArray[np.float32]:
    """Decoded pixels (..., C) as the components that a file stores, 0 to 255."""
    values = pixels.astype(np.float32)
    if kind in ("grey", "RGB"):
        return values
    if kind == "CMYK":
        return np.float32(255) - values  # libvips returns ink, files store the inverse
    if kind == "YCCK":
        return np.concatenate([_ycc(values[..., :3]), np.float32(255) - values[..., 3:]], axis=-1)
    return _ycc(values)


def wanted(frame: Frame, kind: Colours, canvas: Canvas, mask: Canvas) -> Iterator[Wanted]:
    """The blocks that masked pixels lie in, from top to bottom, and what they are to hold there.

    Args:
        frame: of the source; both canvases have its size.
        kind: how its components are to be understood.
        canvas: the wanted pixels, as libvips decodes them.
        mask: (H, W, 1), not 0 where a pixel is to be replaced.
    """
    height, width = 8 * frame.sampling[1], 8 * frame.sampling[0]
    for first, stop in _bands(frame):
        rows = slice(first * height, min(stop * height, frame.height))
        window = (rows, slice(0, frame.width))
        damage = mask.read(window)
        if not damage.any():
            continue
        marked = _tiles(damage, height, width, "constant")[..., 0] > 0
        y, x = np.nonzero(marked.any(axis=(2, 3)))
        pixels = _tiles(canvas.read(window), height, width, "constant")[y, x]
        values = components(pixels, kind)
        for number in range(len(frame.components)):
            samples, replaced = _component(frame, number, values[..., number], marked[y, x])
            tile, v, h = np.nonzero(replaced.any(axis=3))
            if not len(tile):
                continue
            part = frame.components[number]
            yield Wanted(
                number,
                (first + y[tile]) * part.down + v,
                x[tile] * part.across + h,
                samples[tile, v, h],
                replaced[tile, v, h],
            )


def requantised(old: Ints, table: Ints, want: Wanted) -> Ints:
    """The source's coefficients (N, 64), with its samples replaced as wanted.

    Samples that are not masked keep what the file says of them, before it is rounded or clipped. One
    that stands for masked pixels and others is replaced: damage has coloured all of them. Measured on
    cracks, this comes nearer to the undamaged picture than any mixture, inside the mask and beside it.
    """
    stored = (old * table) @ _DCT.T + 128
    change = np.where(want.marked, want.samples - stored, 0)
    return _quantised(change @ _DCT, table, old)


def whole(frame: Frame, kind: Colours, canvas: Canvas) -> Iterator[tuple[int, int, NDArray[np.float32]]]:
    """A whole picture from top to bottom: row of MCUs, component, its samples (rows of blocks, columns, 64).

    What fills blocks up beyond the right and lower side repeats the last pixels.
    """
    height, width = 8 * frame.sampling[1], 8 * frame.sampling[0]
    for first, stop in _bands(frame):
        rows = slice(first * height, min(stop * height, frame.height))
        pixels = canvas.read((rows, slice(0, frame.width)))
        tiles = _tiles(components(pixels, kind), height, width, "edge")
        for number, part in enumerate(frame.components):
            y, x = frame.sampling[1] // part.down, frame.sampling[0] // part.across
            plane = tiles[..., number]
            shape = (*plane.shape[:2], part.down, 8, y, part.across, 8, x)
            blocks = plane.reshape(shape).mean(axis=(4, 7)).transpose(0, 2, 1, 4, 3, 5)
            yield first, number, blocks.reshape(plane.shape[0] * part.down, plane.shape[1] * part.across, 64)


def quantised(samples: NDArray[Any], table: Ints) -> Ints:
    """Coefficients of blocks of samples (N, 64) from 0 to 255."""
    return _quantised((samples.astype(np.float64) - 128) @ _DCT, table, np.zeros((1, 64), np.int64))


def _quantised(change: Floats, table: Ints, old: Ints) -> Ints:
    result = old + np.floor(change / table + (0.5 + _TIE)).astype(np.int64)
    result[:, 0] = result[:, 0].clip(-1024, 1023)  # what 8-bit samples can give
    result[:, 1:] = result[:, 1:].clip(-1023, 1023)
    return result


def _component(
    frame: Frame, number: int, values: NDArray[np.float32], marked: NDArray[np.bool_]
) -> tuple[Floats, NDArray[np.bool_]]:
    """Mean of the masked pixels of each stored sample, and whether it has any, (N, down, across, 64)."""
    part, (across, down) = frame.components[number], frame.sampling
    y, x = down // part.down, across // part.across

    def gathered(plane: NDArray[Any]) -> Floats:
        shape = (len(plane), part.down, 8, y, part.across, 8, x)
        total: Floats = plane.reshape(shape).sum(axis=(3, 6), dtype=np.float64)
        return total.transpose(0, 1, 3, 2, 4).reshape(len(plane), part.down, part.across, 64)

    count = gathered(marked)
    return gathered(np.where(marked, values, 0)) / np.maximum(count, 1), count > 0


def _bands(frame: Frame) -> Iterator[tuple[int, int]]:
    """Rows of MCUs, some at a time."""
    count = frame.mcus[0]
    size = max(1, _BAND // (8 * frame.sampling[1] * frame.width))
    for first in range(0, count, size):
        yield first, min(first + size, count)


def _tiles(pixels: NDArray[Any], height: int, width: int, fill: Literal["constant", "edge"]) -> NDArray[Any]:
    """Pixels (H, W, C) as MCUs (rows, columns, height, width, C), filled up at the right and lower side."""
    below, right = -pixels.shape[0] % height, -pixels.shape[1] % width
    if below or right:
        pixels = np.pad(pixels, ((0, below), (0, right), (0, 0)), fill)
    rows, columns = pixels.shape[0] // height, pixels.shape[1] // width
    return pixels.reshape(rows, height, columns, width, -1).transpose(0, 2, 1, 3, 4)


def _ycc(rgb: NDArray[np.float32]) -> NDArray[np.float32]:
    """RGB to YCbCr as JFIF (ITU-T T.871) has it."""
    matrix = np.array(
        [[0.299, 0.587, 0.114], [-0.168735892, -0.331264108, 0.5], [0.5, -0.418687589, -0.081312411]],
        np.float32,
    )
    result = np.einsum("...c,dc->...d", rgb, matrix)
    result[..., 1:] += np.float32(128)
    return cast(NDArray[np.float32], result)


def _application(file: File, marker: int, prefix: bytes, size: int) -> bytes | None:
    """The data of the first such application segment before the pixels that is long enough, or None."""
    for part in file.parts:
        if not isinstance(part, Segment):
            return None
        if part.marker == marker and part.data.startswith(prefix) and len(part.data) >= size:
            return part.data
    return None
