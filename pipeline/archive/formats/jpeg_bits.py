"""The bits of a JPEG scan: read at any position, and written in order (ITU-T T.81, annex F.1.2.3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from pipeline.archive.formats.jpeg_huffman import Steps
from pipeline.errors import ItemError

MARGIN = 4096  # bytes, more than one MCU can have (10 blocks x 64 symbols x 31 bits)
_STRETCH = 1 << 18  # bytes whose steps are looked up at a time
_SLICE = 1 << 15  # bytes of these handled at a time, so that they fit into the CPU cache
_PENDING = 1 << 23  # bits that a writer collects before it packs them
BROKEN = "is a damaged JPEG: its pixels cannot be decoded"
CUT_OFF = "is a damaged JPEG: it ends before its pixels do"

Ints = NDArray[np.int64]
Bits = NDArray[np.uint8]  # one bit an element


@dataclass(frozen=True)
class Entropy:
    """The entropy-coded bytes of a scan without stuffing and restart markers."""

    data: NDArray[np.uint8]  # followed by MARGIN bytes of ones
    bounds: tuple[tuple[int, int], ...]  # first byte and end of each restart interval in `data`
    raw: tuple[tuple[int, int], ...]  # the same in the file's bytes of this scan

    @property
    def words(self) -> NDArray[Any]:
        """At each byte the 64 bits that begin there."""
        return np.ndarray((len(self.data) - 7,), ">u8", self.data.data, 0, (1,))


def read(content: bytes) -> Entropy:
    """Remove stuffing and restart markers from the bytes of a scan.

    Raises:
        ItemError: when the restart markers are out of order.
    """
    coded = np.frombuffer(content, np.uint8)
    marks = np.flatnonzero(coded[:-1] == 0xFF)
    follows = coded[marks + 1]
    keep = np.ones(len(coded), bool)
    keep[marks[follows == 0] + 1] = False
    keep[marks[follows == 0xFF]] = False
    restarts = marks[(follows >= 0xD0) & (follows <= 0xD7)]
    if np.any(coded[restarts + 1] != 0xD0 + np.arange(len(restarts)) % 8):
        raise ItemError(f"{BROKEN} (restart markers out of order)")
    keep[restarts] = keep[restarts + 1] = False
    data = np.concatenate([coded[keep], np.full(MARGIN, 0xFF, np.uint8)])
    starts = [0, *(restarts + 2).tolist()]
    stops = [*restarts.tolist(), len(coded)]
    before = np.concatenate([[0], np.cumsum(keep)])
    bounds = tuple((int(before[a]), int(before[b])) for a, b in zip(starts, stops, strict=True))
    return Entropy(data, bounds, tuple(zip(starts, stops, strict=True)))


def peek(words: NDArray[Any], position: Ints, count: Ints | int) -> Ints:
    """The `count` (0 to 32) bits at each bit position, as numbers."""
    word = words[position >> 3].astype(np.uint64).view(np.int64)
    result = (word >> (64 - (position & 7) - np.maximum(count, 1))) & ((1 << np.asarray(count, np.int64)) - 1)
    return cast(Ints, result)


class Stretch:
    """The step that a symbol would take, at every bit of a stretch of a scan, as bytes for plain loops.

    Args:
        entropy: the scan.
        tables: what 16 bits say, for each Huffman table that is needed.
    """

    def __init__(self, entropy: Entropy, tables: Sequence[Steps]) -> None:
        self._data, self._tables = entropy.data, tables
        self.base, self.limit = 0, -1  # bit positions: where the stretch begins, and until where to use it
        self.steps: list[tuple[bytes, bytes]] = []  # (bits, coefficients) of each table

    def cover(self, position: int) -> None:
        """Look up the steps from bit `position` on, unless they are known.

        Raises:
            ItemError: when the scan ends before that position.
        """
        end = 8 * (len(self._data) - MARGIN)
        if position > end:
            raise ItemError(CUT_OFF)
        if self.base <= position <= self.limit:
            return
        first = position >> 3
        stop = min(first + _STRETCH + MARGIN, len(self._data) - 2)
        parts: list[list[bytes]] = [[] for _ in range(2 * len(self._tables))]
        for start in range(first, stop, _SLICE):
            piece = self._data[start : min(start + _SLICE, stop) + 2].astype(np.int64)
            triple = (piece[:-2] << 16) | (piece[1:-1] << 8) | piece[2:]
            window = ((triple[:, None] >> np.arange(8, 0, -1)) & 0xFFFF).ravel()
            for number, (bits, run) in enumerate(self._tables):
                parts[2 * number].append(bits.take(window).tobytes())
                parts[2 * number + 1].append(run.take(window).tobytes())
        joined = [b"".join(part) for part in parts]
        self.steps = list(zip(joined[::2], joined[1::2], strict=True))
        self.base, self.limit = 8 * first, min(8 * (first + _STRETCH), end)


def pack(values: Ints, lengths: Ints) -> Bits:
    """Numbers of 0 to 32 bits one after the other, as bits."""
    ends = np.cumsum(lengths)
    total = int(ends[-1]) if len(ends) else 0
    size = (total + 7) // 8 + 5
    start = ends - lengths
    place = start >> 3
    shifted = values << (40 - lengths - (start & 7))
    packed = np.zeros(size, np.uint8)
    for number in range(5):  # bits do not overlap, so their sum puts them side by side
        part = (shifted >> (32 - 8 * number)) & 0xFF
        packed += np.bincount(place + number, part, size).astype(np.uint8)
    return np.unpackbits(packed)[:total]


class Writer:
    """Bits into the bytes of a scan, with stuffing."""

    def __init__(self) -> None:
        self._chunks: list[bytes] = []
        self._pending: list[Bits] = []
        self._size = 0

    def add(self, parts: Sequence[Bits]) -> None:
        """Bits that follow."""
        self._pending += parts
        self._size += sum(len(part) for part in parts)
        if self._size > _PENDING:
            self._flush()

    def align(self) -> None:
        """Fill the last byte up with ones."""
        self._pending.append(np.ones(-self._size % 8, np.uint8))
        self._flush()

    def copy(self, content: bytes) -> None:
        """Bytes as they are to stand in the file; the writer must be aligned."""
        self._chunks.append(content)

    def content(self) -> bytes:
        """What was written; the writer must be aligned."""
        return b"".join(self._chunks)

    def _flush(self) -> None:
        bits = np.concatenate(self._pending) if self._pending else np.zeros(0, np.uint8)
        whole = len(bits) & ~7
        self._chunks.append(np.packbits(bits[:whole]).tobytes().replace(b"\xff", b"\xff\0"))
        self._pending = [bits[whole:]]
        self._size = len(bits) - whole
