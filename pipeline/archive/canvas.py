"""A canvas: the pixels of one picture, read and written by windows.

The canvas keeps a small picture in memory and a large one in a scratch file. The scratch file is an
uncompressed TIFF with its rows in order: a window reads its own bytes only, and libvips reads the file as
a stream. So a picture of any size needs bounded memory. The file is not memory-mapped, because touched
pages of a mapping count as memory.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

IN_MEMORY = 200_000_000  # bytes; a larger picture goes to a scratch file
BAND = 256  # rows that are read at a time, from top to bottom

Window = tuple[slice, slice]  # rows, columns: both with start and stop, within the picture


class Canvas:
    """Pixels of shape (height, width, channels), uint8 or uint16, all 0 at first.

    Args:
        shape: (height, width, channels).
        dtype: uint8 or uint16.
        colours: channels that are not alpha: 1 grey, 3 RGB, 4 CMYK.
        scratch: folder for a scratch file, which `close` removes.
        in_memory: the largest picture, in bytes, that is kept in memory.

    Raises:
        OSError: when the scratch file cannot be written, for instance because the disk is full.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        dtype: DTypeLike,
        colours: int,
        scratch: Path,
        in_memory: int = IN_MEMORY,
    ) -> None:
        self.shape, self.dtype, self.colours = shape, np.dtype(dtype), colours
        self._row = shape[1] * shape[2] * self.dtype.itemsize
        self._array: NDArray[Any] | None = None
        self._file: Path | None = None
        if shape[0] * self._row <= in_memory:
            self._array = np.zeros(shape, self.dtype)
        else:
            self._file = scratch / f"canvas-{os.getpid()}-{id(self):x}.tif"
            self._offset = _new_tiff(self._file, shape, self.dtype, colours)
            self._handle = os.open(self._file, os.O_RDWR)

    @property
    def peak(self) -> int:
        """The largest value of a sample: 255 or 65535."""
        return int(np.iinfo(self.dtype).max)

    def read(self, window: Window) -> NDArray[Any]:
        """A copy of a window, (rows, columns, channels)."""
        rows, columns = window
        if self._array is not None:
            return self._array[window].copy()
        shape = (rows.stop - rows.start, columns.stop - columns.start, self.shape[2])
        if shape[1] == self.shape[1]:
            data = self._pread(shape[0] * self._row, rows.start * self._row)
            return np.frombuffer(data, self.dtype).reshape(shape).copy()
        result = np.empty(shape, self.dtype)
        pixel = self.shape[2] * self.dtype.itemsize
        for number, row in enumerate(range(rows.start, rows.stop)):
            data = self._pread(shape[1] * pixel, row * self._row + columns.start * pixel)
            result[number] = np.frombuffer(data, self.dtype).reshape(shape[1:])
        return result

    def colour(self, window: Window) -> NDArray[np.float32]:
        """A window without alpha, (rows, columns, colours), values in [0, 1]."""
        values = self.read(window)[..., : self.colours].astype(np.float32)
        return values / np.float32(self.peak)

    def write(self, window: Window, values: NDArray[Any]) -> None:
        """Put values (rows, columns, channels) of the canvas' type into a window."""
        rows, columns = window
        if values.dtype != self.dtype:
            raise ValueError(f"a canvas of {self.dtype} takes no {values.dtype}")
        if self._array is not None:
            self._array[window] = values
            return
        values = np.ascontiguousarray(values)
        if values.shape[1] == self.shape[1]:
            self._pwrite(values.tobytes(), rows.start * self._row)
            return
        pixel = self.shape[2] * self.dtype.itemsize
        for number, row in enumerate(range(rows.start, rows.stop)):
            self._pwrite(values[number].tobytes(), row * self._row + columns.start * pixel)

    def bands(self, height: int = BAND) -> Iterator[tuple[int, NDArray[Any]]]:
        """The picture from top to bottom: first row, pixels (rows, width, channels)."""
        for top in range(0, self.shape[0], height):
            stop = min(top + height, self.shape[0])
            yield top, self.read((slice(top, stop), slice(0, self.shape[1])))

    def image(self) -> Any:
        """The pixels as a libvips image for reading once from top to bottom.

        Do not use it after the canvas was changed or closed.
        """
        import pyvips

        if self._file is not None:
            descriptor = os.open(self._file, os.O_RDONLY)  # libvips does not take every name
            try:
                source = pyvips.Source.new_from_descriptor(descriptor)
            finally:
                os.close(descriptor)
            return pyvips.Image.tiffload_source(source, access="sequential")
        height, width, channels = self.shape
        deep = self.dtype == np.uint16
        assert self._array is not None
        kind = "ushort" if deep else "uchar"
        image = pyvips.Image.new_from_memory(self._array.data, width, height, channels, kind)
        name = {1: "grey16" if deep else "b-w", 3: "rgb16" if deep else "srgb", 4: "cmyk"}[self.colours]
        return image.copy(interpretation=name)

    def close(self) -> None:
        """Free the memory or remove the scratch file."""
        self._array = None
        if self._file is not None:
            os.close(self._handle)
            self._file.unlink(missing_ok=True)
            self._file = None

    def __enter__(self) -> Canvas:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _pread(self, size: int, place: int) -> bytes:
        parts, place = [], place + self._offset
        while size:
            data = os.pread(self._handle, size, place)
            if not data:
                raise OSError(f"{self._file} was cut off by someone else")
            parts.append(data)
            size, place = size - len(data), place + len(data)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _pwrite(self, data: bytes, place: int) -> None:
        view, place = memoryview(data), place + self._offset
        while view:
            written = os.pwrite(self._handle, view, place)
            view, place = view[written:], place + written


def _new_tiff(path: Path, shape: tuple[int, int, int], dtype: np.dtype[Any], colours: int) -> int:
    """Make a file of zeros (BigTIFF, uncompressed); returns where its first row begins."""
    import tifffile

    path.parent.mkdir(parents=True, exist_ok=True)
    rows = max(1, 1_000_000 // (shape[1] * shape[2] * dtype.itemsize))
    tifffile.imwrite(
        path,
        shape=shape if shape[2] > 1 else shape[:2],
        dtype=dtype,
        bigtiff=True,
        photometric={1: "minisblack", 3: "rgb", 4: "separated"}[colours],
        planarconfig="contig",
        extrasamples=["unassalpha"] if shape[2] > colours else None,
        rowsperstrip=rows,
        metadata=None,
        contiguous=True,
    )
    with tifffile.TiffFile(path) as tiff:
        return int(tiff.pages[0].dataoffsets[0])
