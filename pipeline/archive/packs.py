"""Packs: a cache of large results, appended to one file of the state folder.

The file only grows. The ledger records an entry's offset after `flush` has written the bytes to disk, so a
partial write of a killed process is never read. A pack that was deleted or truncated is filled again. The
entry's checksum detects altered bytes.
"""

from __future__ import annotations

import fcntl
import math
import os
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline import environment, paths
from pipeline.archive import images
from pipeline.archive.ledger import Entry, Ledger
from pipeline.archive.versions import check_version
from pipeline.errors import PentimentoError
from pipeline.meaning import meaning

Picture = NDArray[np.uint8]

SIDE = 384  # longer side, in pixels, of the reduced pictures that stages use
VERSION = 1  # of the format
_MAGIC = b"PENTPAC"  # the first bytes of a pack, then one byte with the version
_ID = 16  # bytes: the file's id, partly random, so that places in a deleted pack never match its replacement
_BATCH = 16  # pictures that are held in memory


class Pack:
    """Arrays of bytes in a file; several threads and processes may append to it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = Lock()
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        with self._alone():
            if os.fstat(self._file).st_size < _ID:
                os.pwrite(self._file, _new_id(), 0)
        name = os.pread(self._file, _ID, 0)
        # The first packs began with 16 random bytes and stated no version.
        version = name[len(_MAGIC)] if name.startswith(_MAGIC) else None
        check_version(path, "pack", version, VERSION, "delete the file: its content is computed again")
        self._name = name.hex()

    def append(self, array: NDArray[np.uint8]) -> dict[str, Any]:
        """Append an array of any shape; returns its place as JSON values."""
        content = np.ascontiguousarray(array).reshape(-1).data
        with self._alone():
            start = os.fstat(self._file).st_size
            written = 0
            while written < len(content):
                written += os.pwrite(self._file, content[written:], start + written)
        return {
            "pack": self._name, "start": start, "shape": list(array.shape), "crc32": zlib.crc32(content)
        }  # fmt: skip

    def flush(self) -> None:
        """Flush what was appended to the disk."""
        os.fsync(self._file)

    def holds(self, place: Mapping[str, Any]) -> bool:
        """Whether a place belongs to this file and lies within it."""
        end = place["start"] + math.prod(place["shape"])
        return bool(place["pack"] == self._name and end <= os.fstat(self._file).st_size)

    def read(self, place: Mapping[str, Any]) -> NDArray[np.uint8]:
        """The array at a place.

        Raises:
            PentimentoError: when the pack does not hold what was written there.
        """
        array = np.empty(place["shape"], np.uint8)
        content = array.reshape(-1).data
        found = os.preadv(self._file, [content], int(place["start"]))
        if found != array.nbytes or zlib.crc32(content) != place["crc32"]:
            raise PentimentoError(f"{self.path} is damaged; delete it, and its content is computed again")
        return array

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other threads and other processes from writing."""
        with self._lock:
            fcntl.flock(self._file, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.flock(self._file, fcntl.LOCK_UN)

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def __enter__(self) -> Pack:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _new_id() -> bytes:
    start = _MAGIC + bytes([VERSION])
    return start + os.urandom(_ID - len(start))


class Reduced:
    """Pictures (H, W, 3), 8-bit sRGB, at one size: each is decoded once, for all stages.

    `read` returns the pixels of `images.read_rgb`, cached or not.
    """

    def __init__(self, state: Path, side: int = SIDE) -> None:
        """Open the pack of pictures whose longer side has at most `side` pixels."""
        self.side = side
        self._pack = Pack(state / paths.PACKS / f"{side}.bin")
        # All that a picture depends on beside its file.
        self.space = f"{side}:{meaning(images.__name__)[:16]}"
        self._ledger = Ledger(state / paths.LEDGER, f"pictures:{self.space}")
        self._fresh: dict[str, Entry] = {}
        self._lock = Lock()

    def read(self, sha256: str, find: Callable[[], Path]) -> Picture:
        """The picture of the file with that SHA-256, which `find` gives when it has not been decoded yet.

        Raises:
            ItemError: when the file cannot be decoded to its end.
            PentimentoError: when the pack is damaged.
        """
        (known,) = self._known([sha256])
        return self._read(sha256, find, known)

    def shapes(self, files: Iterable[tuple[str, Callable[[], Path]]]) -> Iterator[tuple[int, int]]:
        """Height and width of the pictures of many files, in their order; missing ones are decoded now."""
        left = iter(files)
        while batch := list(islice(left, _BATCH)):
            places = self._known([sha256 for sha256, _ in batch])
            if None in places:
                yield from (picture.shape[:2] for picture in self.read_all(batch))
            else:
                yield from ((place["shape"][0], place["shape"][1]) for place in places if place)

    def read_all(self, files: Iterable[tuple[str, Callable[[], Path]]]) -> Iterator[Picture]:
        """The pictures of many files, as `read` gives them, in their order; read side by side, and ahead."""
        left = iter(files)
        with ThreadPoolExecutor(environment.workers()) as pool:
            ahead = self._begin(list(islice(left, _BATCH)), pool)
            while pictures := ahead:
                ahead = self._begin(list(islice(left, _BATCH)), pool)
                for picture in pictures:
                    yield picture.result()
                self.flush()

    def _begin(
        self, files: list[tuple[str, Callable[[], Path]]], pool: ThreadPoolExecutor
    ) -> list[Future[Picture]]:
        places = self._known([sha256 for sha256, _ in files])
        return [pool.submit(self._read, *file, place) for file, place in zip(files, places, strict=True)]

    def _known(self, digests: list[str]) -> list[dict[str, Any] | None]:
        """Where the pictures lie in the pack; None for those that it does not hold."""
        with self._lock:
            known = self._ledger.get(digests) | self._fresh
        found = [known[key].value if key in known else None for key in digests]
        return [place if place and self._pack.holds(place) else None for place in found]

    def _read(self, sha256: str, find: Callable[[], Path], place: dict[str, Any] | None) -> Picture:
        if place:
            return self._pack.read(place)
        picture = images.read_rgb(find(), self.side)
        place = self._pack.append(picture)
        with self._lock:
            self._fresh[sha256] = Entry(place)
        return picture

    def flush(self) -> None:
        """Flush decoded pictures to the disk, then record their places in the ledger."""
        with self._lock:
            if self._fresh:
                self._pack.flush()
                self._ledger.put(self._fresh)
                self._fresh = {}

    def close(self) -> None:
        """Flush, and close the files."""
        self.flush()
        self._ledger.close()
        self._pack.close()

    def __enter__(self) -> Reduced:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
