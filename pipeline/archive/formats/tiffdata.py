"""TIFF pixel data that libvips cannot read or write by itself.

- Builds of libvips lack Zstandard: this module unpacks strips and tiles, one row of them at a time.
- libvips reads separate planes only in some cases: it gets each plane as a grey TIFF.
- libvips writes in the byte order of the machine: this module prepares samples for the other byte order.
"""

from __future__ import annotations

import struct
import sys
import zlib
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.archive.canvas import Canvas
from pipeline.archive.formats.slices import Content, Part
from pipeline.archive.formats.tiff import Folder, Tag
from pipeline.archive.formats.tiffwrite import front
from pipeline.errors import ItemError

ZSTD = 50000
_LEVEL = 9  # of Zstandard, libtiff's own choice
_LARGEST = 1 << 29  # bytes of one row of strips or tiles, which is decoded at once


def in_planes(folder: Folder) -> bool:
    """Whether each channel lies in a plane of its own."""
    return folder.get(284, 1) == 2 and folder.get(277, 1) > 1


def planes(folder: Folder, order: str) -> list[bytes]:
    """For each plane, what makes a grey BigTIFF of it when it is put before the whole file.

    Raises:
        ItemError: when the tags do not say where the planes are.
    """
    samples, chunks = folder.get(277, 1), folder.chunks()
    tags = {n: folder.tags[n] for n in (256, 257, 259, 266, 278, 317, 322, 323) if n in folder.tags}
    size = len(chunks) // samples
    if size * samples != len(chunks):
        raise ItemError("is a damaged TIFF: it does not say where all its pixels are")
    result = []
    for plane in range(samples):
        turned = folder.get(262, 1) == 0 and plane == 0
        own = {258: folder.get(258, 8), 262: 0 if turned else 1, 277: 1}
        extra = {number: Tag(3, 1, struct.pack("<H", value)) for number, value in own.items()}
        here = chunks[plane * size : (plane + 1) * size]
        result.append(front(tags | extra, here, folder.tiled, order))
    return result


def bands(content: Content, folder: Folder, order: str) -> Iterator[tuple[int, NDArray[Any]]]:
    """A page from top to bottom: first row, pixels (rows, width, channels).

    Args:
        content: the file.
        folder: a page of 8 or 16 bits a sample without a palette.
        order: the file's byte order.

    Raises:
        ItemError: when the data cannot be decoded.
    """
    width, height, samples = folder.get(256, 0), folder.get(257, 0), folder.get(277, 1)
    across, down = width, folder.get(278, height)
    if folder.tiled:
        across, down = folder.get(322, 0), folder.get(323, 0)
    if min(width, height, across, down, samples) < 1 or folder.get(266, 1) != 1:
        raise ItemError("is a TIFF with Zstandard whose layout cannot be read")
    down = down if folder.tiled else min(down, height)
    kind = np.dtype(f"{order}u{folder.get(258, 8) // 8}")
    if down * width * samples * kind.itemsize > _LARGEST:
        raise ItemError("has strips of more than 512 MB, which cannot be read in bounded memory")
    layers = samples if in_planes(folder) else 1
    rows, columns, chunks = -(-height // down), -(-width // across), folder.chunks()
    if len(chunks) < rows * columns * layers:
        raise ItemError("is a damaged TIFF: it does not say where all its pixels are")
    for row in range(rows):
        tall = down if folder.tiled else min(down, height - row * down)
        band = np.zeros((tall, columns * across, samples), kind.newbyteorder("="))
        for layer, column in product(range(layers), range(columns)):
            part = Part(content, *chunks[(layer * rows + row) * columns + column])
            values = _chunk(part, (tall, across, samples // layers), kind, folder.get(317, 1) == 2)
            channels = slice(layer, layer + 1) if layers > 1 else slice(None)
            band[:, column * across : (column + 1) * across, channels] = values
        band = band[: height - row * down, :width]
        if folder.get(262, 1) == 0:
            band[..., 0] = ~band[..., 0]
        yield row * down, band


def recoder(compression: int) -> Callable[[bytes], bytes] | None:
    """What turns a strip that libvips wrote with deflate into one of that compression, where needed."""
    if compression != ZSTD:
        return None
    import pyarrow

    codec = pyarrow.Codec("zstd", compression_level=_LEVEL)
    return lambda data: bytes(codec.compress(zlib.decompress(data), asbytes=True))


def foreign(canvas: Canvas, order: str) -> bool:
    """Whether a file's byte order is not the one in which libvips writes these samples."""
    return canvas.dtype.itemsize > 1 and order != ("<" if sys.byteorder == "little" else ">")


def stored(canvas: Canvas, folder: Folder, order: str, predicted: bool, scratch: Path) -> Canvas | None:
    """The samples as they are to be compressed, where libvips would not write the source's kind.

    Args:
        canvas: the picture.
        folder: how the source lays it out: white is zero is kept.
        order: byte order of the file. Where it is foreign, it is brought about here and so is the
            predictor, which comes first: libvips is to write without one then.
        predicted: whether the horizontal predictor (TIFF 6.0, section 14) is used.
        scratch: folder for a scratch file.

    Returns:
        A new canvas, or None where libvips can write the picture as it is.
    """
    turned, swapped = folder.get(262, 1) == 0, foreign(canvas, order)
    if not turned and not swapped:
        return None
    result = Canvas(canvas.shape, canvas.dtype, canvas.colours, scratch)
    step = folder.get(322, canvas.shape[1])
    for top, values in canvas.bands():
        if turned:
            values[..., 0] = ~values[..., 0]
        if swapped and predicted:
            first = values[:, ::step].copy()
            values[:, 1:] -= values[:, :-1].copy()
            values[:, ::step] = first
        window = (slice(top, top + len(values)), slice(0, canvas.shape[1]))
        result.write(window, values.byteswap() if swapped else values)
    return result


def _chunk(part: Part, shape: tuple[int, int, int], kind: np.dtype[Any], predicted: bool) -> NDArray[Any]:
    """The samples of a strip or tile that Zstandard (RFC 8878) packed."""
    import pyarrow

    if not part.size:
        return np.zeros(shape, kind.newbyteorder("="))  # an empty tile
    size = int(np.prod(shape)) * kind.itemsize
    try:
        data = pyarrow.Codec("zstd").decompress(part.read(), size, asbytes=True)
    except (OSError, ValueError) as error:
        raise ItemError(f"cannot be decoded: {error}") from None
    if len(data) != size:
        raise ItemError(f"cannot be decoded: {len(data)} of {size} bytes of a strip")
    values = np.frombuffer(data, kind).reshape(shape).astype(kind.newbyteorder("="))
    return np.add.accumulate(values, axis=1, dtype=values.dtype) if predicted else values
