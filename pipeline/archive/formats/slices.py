"""Read slices of a file's bytes: the headers of a container, without its pixels.

Files are not memory-mapped: when another program truncates a mapped file, the process dies with SIGBUS.
Here such a read returns fewer bytes than asked for, and the callers check that.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from pipeline.errors import ItemError

_PIECE = 1 << 20  # bytes that are copied at a time


class Slices:
    """A file opened for reading; its name may hold any bytes."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDONLY)
        self._size = os.fstat(self._descriptor).st_size

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, key: slice) -> bytes:
        start, stop, _ = key.indices(self._size)
        parts = []
        while start < stop:
            data = os.pread(self._descriptor, stop - start, start)
            if not data:
                break  # cut off since it was opened
            parts.append(data)
            start += len(data)
        return b"".join(parts)

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)

    def __enter__(self) -> Slices:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


Content = bytes | Slices


@dataclass(frozen=True)
class Part:
    """A range of a file that is copied without being parsed."""

    source: Content
    place: int
    size: int

    def read(self) -> bytes:
        """All its bytes.

        Raises:
            ItemError: when the file was cut off since it was opened.
        """
        data = self.source[self.place : self.place + self.size]
        if len(data) < self.size:
            raise ItemError("was cut off while it was read")
        return data

    def starts(self, prefix: bytes) -> bool:
        """Whether it begins with these bytes."""
        return self.source[self.place : self.place + min(self.size, len(prefix))] == prefix

    def copy(self, out: BinaryIO) -> None:
        """Append its bytes to a file, a piece at a time; raises as `read` does."""
        for start in range(0, self.size, _PIECE):
            out.write(Part(self.source, self.place + start, min(_PIECE, self.size - start)).read())


def unpack(layout: str, content: Content, place: int) -> tuple[Any, ...]:
    """The values of a struct layout at a place; struct.error when the content ends before."""
    return struct.unpack(layout, content[place : place + struct.calcsize(layout)])
