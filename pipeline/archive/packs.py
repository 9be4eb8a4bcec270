"""A pack: decoded pictures appended to one file of the state folder, so that each is decoded once, ever.

The file is only ever appended to. Where a picture lies in it is the ledger's to know (Context.map), which
records a place after `settle` has flushed the bytes: whatever a kill leaves behind at the end is never
looked at. A pack that was deleted or cut off is filled again; one whose bytes were altered is found out
by the checksum that a place carries.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Mapping
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import PentimentoError

Picture = NDArray[np.uint8]


class Pack:
    """Pictures (H, W, 3) of 8-bit sRGB in a file; may be appended to by several threads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = Lock()
        self._writer = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        self._end = os.lseek(self._writer, 0, os.SEEK_END)

    def append(self, picture: Picture) -> dict[str, int]:
        """Add a picture; its place, as JSON holds it."""
        content = np.ascontiguousarray(picture).data.cast("B")
        with self._lock:
            start = self._end
            self._end += len(content)
        written = 0
        while written < len(content):
            written += os.pwrite(self._writer, content[written:], start + written)
        height, width = picture.shape[:2]
        return {"start": start, "height": height, "width": width, "crc32": zlib.crc32(content)}

    def settle(self) -> None:
        """Flush what was appended to the disk."""
        os.fsync(self._writer)

    def holds(self, place: Mapping[str, Any]) -> bool:
        """Whether the file reaches to the end of a place."""
        end: int = place["start"] + 3 * place["height"] * place["width"]
        return end <= self._end

    def read(self, place: Mapping[str, Any]) -> Picture:
        """The picture at a place.

        Raises:
            PentimentoError: when the pack does not hold what was written there.
        """
        height, width = int(place["height"]), int(place["width"])
        content = bytearray(height * width * 3)
        found = os.preadv(self._writer, [content], int(place["start"]))
        if found != len(content) or zlib.crc32(content) != place["crc32"]:
            raise PentimentoError(f"{self.path} is damaged: delete it; what it holds is decoded again")
        return np.frombuffer(content, np.uint8).reshape(height, width, 3)

    def close(self) -> None:
        """Close the file."""
        os.close(self._writer)

    def __enter__(self) -> Pack:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
