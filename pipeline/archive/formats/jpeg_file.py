"""The whole of a JPEG file: its segments and scans, and where its blocks lie (ITU-T T.81, annexes A, B)."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pipeline.archive.formats import jpeg_huffman
from pipeline.archive.formats.jpeg_bits import Ints
from pipeline.archive.formats.jpeg_huffman import Table
from pipeline.errors import ItemError

SOI, EOI, SOS, DQT, DHT, DRI = 0xD8, 0xD9, 0xDA, 0xDB, 0xC4, 0xDD
FRAMES = {0xC0, 0xC1, 0xC2}  # baseline, extended, progressive
ALONE = {0x01, *range(0xD0, 0xD8)}  # markers without a length
_DAMAGED = "is a damaged JPEG"

ZIGZAG: Ints = np.array(
    sorted(range(64), key=lambda n: (n // 8 + n % 8, (n // 8 if (n // 8 + n % 8) % 2 else n % 8)))
)


@dataclass(frozen=True)
class Component:
    """One colour component of a frame."""

    identity: int
    across: int  # blocks of an MCU beside each other, "horizontal sampling factor"
    down: int
    table: int  # number of its quantisation table


@dataclass(frozen=True)
class Frame:
    """Size and components of the picture, and the raster of its MCUs."""

    width: int
    height: int
    progressive: bool
    components: tuple[Component, ...]

    @property
    def sampling(self) -> tuple[int, int]:
        """The largest sampling factors, horizontal and vertical: an MCU has 8 times so many pixels."""
        return max(c.across for c in self.components), max(c.down for c in self.components)

    @property
    def mcus(self) -> tuple[int, int]:
        """How many MCUs of all components lie below and beside each other."""
        across, down = self.sampling
        return -(-self.height // (8 * down)), -(-self.width // (8 * across))

    def stored(self, number: int) -> tuple[int, int]:
        """Rows and columns of blocks of a component, those that fill MCUs up included."""
        part, (rows, columns) = self.components[number], self.mcus
        return rows * part.down, columns * part.across

    def coded(self, number: int) -> tuple[int, int]:
        """Rows and columns of blocks of a component in a scan of its own."""
        part, (across, down) = self.components[number], self.sampling
        height = -(-self.height * part.down // down)
        width = -(-self.width * part.across // across)
        return -(-height // 8), -(-width // 8)


@dataclass(frozen=True)
class Segment:
    """A marker with its data."""

    marker: int
    data: bytes

    def pack(self) -> bytes:
        """The segment's bytes in the file."""
        return struct.pack(">BBH", 0xFF, self.marker, len(self.data) + 2) + self.data


@dataclass(frozen=True)
class Scan:
    """A scan: its header, what is in force where it stands, and its entropy-coded bytes."""

    data: bytes  # of the SOS segment
    slots: tuple[int, ...]  # the components in it, by their place in the frame
    selectors: tuple[tuple[int, int], ...]  # numbers of their DC and AC tables
    first: int  # of the coefficients in zigzag order that it codes
    last: int
    high: int  # bits left out by the scan before ("successive approximation"), 0: none before
    low: int  # bits left out by this scan
    restart: int  # MCUs of a restart interval, 0: none
    tables: dict[tuple[int, int], Table]  # by (0 DC | 1 AC, number)
    entropy: bytes

    def table(self, kind: int, slot: int) -> Table:
        """The DC (0) or AC (1) table of a component of the scan."""
        try:
            return self.tables[kind, self.selectors[slot][kind]]
        except KeyError:
            raise ItemError(f"{_DAMAGED}: a Huffman table is missing") from None


class Grid:
    """The order of the blocks in a scan.

    Attributes:
        slots: component of the scan that each block of an MCU belongs to, (blocks of an MCU,).
        mcus: number of MCUs; where a scan has one component, each of its blocks is an MCU.
        interval: blocks between two restarts.
    """

    def __init__(self, frame: Frame, scan: Scan) -> None:
        self._parts = [frame.components[n] for n in scan.slots]
        self._interleaved = len(scan.slots) > 1
        if self._interleaved:
            rows, self._columns = frame.mcus
            sizes = [part.across * part.down for part in self._parts]
        else:
            rows, self._columns = frame.coded(scan.slots[0])
            sizes = [1]
        self.slots: Ints = np.repeat(np.arange(len(sizes)), sizes)
        if len(self.slots) > 10:
            raise ItemError(f"{_DAMAGED}: its MCUs have more than 10 blocks")
        self._offsets = np.concatenate([[0], np.cumsum(sizes)]).tolist()
        self.mcus = rows * self._columns
        self.blocks = self.mcus * len(self.slots)
        self.interval = scan.restart * len(self.slots) or self.blocks

    def index(self, slot: int, rows: Ints, columns: Ints) -> Ints:
        """The place in the scan of blocks of a component."""
        if not self._interleaved:
            return rows * self._columns + columns
        part = self._parts[slot]
        mcu = (rows // part.down) * self._columns + columns // part.across
        inner = (rows % part.down) * part.across + columns % part.across
        place: Ints = mcu * len(self.slots) + self._offsets[slot] + inner
        return place

    def places(self, slot: int) -> tuple[Ints, Ints]:
        """Rows and columns of all blocks of a component, in the order of the scan."""
        if not self._interleaved:
            rows, columns = np.divmod(np.arange(self.mcus), self._columns)
            return rows, columns
        part = self._parts[slot]
        mcu_rows, mcu_columns = np.divmod(np.arange(self.mcus)[:, None], self._columns)
        v, h = np.divmod(np.arange(part.down * part.across), part.across)
        return (mcu_rows * part.down + v).ravel(), (mcu_columns * part.across + h).ravel()

    def intervals(self) -> list[tuple[int, int]]:
        """First block and end of each restart interval."""
        return [(n, min(n + self.interval, self.blocks)) for n in range(0, self.blocks, self.interval)]


@dataclass
class File:
    """A JPEG file taken apart: but for fill bytes, `parts` and `tail` hold all after the start marker."""

    frame: Frame
    parts: list[Segment | Scan] = field(default_factory=list)
    quantisation: dict[int, Ints] = field(default_factory=dict)  # by component: (64,) in zigzag order
    tail: bytes = b""  # the end marker and what follows

    @property
    def scans(self) -> list[Scan]:
        """The scans in order."""
        return [part for part in self.parts if isinstance(part, Scan)]


def parse(content: bytes) -> File:
    """Take a file apart.

    Raises:
        ItemError: when its segments are broken, or it is of a kind that is not supported.
    """
    file: File | None = None
    parts: list[Segment | Scan] = []
    state = _State()
    stops = _markers(content)
    offset = 2
    while offset < len(content):
        if content[offset] != 0xFF or offset + 1 == len(content):
            raise ItemError(f"{_DAMAGED}: no marker at byte {offset}")
        marker = content[offset + 1]
        if marker == 0xFF or marker in ALONE:
            offset += 1 if marker == 0xFF else 2
            continue
        if marker == EOI:
            break
        data = _data(content, offset)
        offset += 4 + len(data)
        if marker == SOS:
            if file is None:
                raise ItemError(f"{_DAMAGED}: its pixels come before its size")
            stop = (
                int(stops[place]) if (place := np.searchsorted(stops, offset)) < len(stops) else len(content)
            )
            parts.append(state.scan(file, data, content[offset:stop]))
            offset = stop
            continue
        parts.append(Segment(marker, data))
        if marker in FRAMES and file is None:
            file = File(_frame(marker, data), parts)
        state.take(marker, data)
    if file is None or not file.scans or len(file.quantisation) < len(file.frame.components):
        raise ItemError(f"{_DAMAGED}: it ends before its pixels do")
    file.tail = content[offset:]
    return file


class _State:
    """The tables and the restart interval in force while a file is read."""

    def __init__(self) -> None:
        self.huffman: dict[tuple[int, int], Table] = {}
        self.quantisation: dict[int, Ints] = {}
        self.restart = 0

    def take(self, marker: int, data: bytes) -> None:
        if marker == DHT:
            self.huffman = self.huffman | jpeg_huffman.unpack(data)
        elif marker == DQT:
            self.quantisation |= _quantisation(data)
        elif marker == DRI and len(data) >= 2:
            self.restart = struct.unpack_from(">H", data)[0]

    def scan(self, file: File, data: bytes, entropy: bytes) -> Scan:
        count = data[0] if data else 0
        if not 1 <= count <= 4 or len(data) < 4 + 2 * count:
            raise ItemError(f"{_DAMAGED}: a scan's header is broken")
        places = {part.identity: n for n, part in enumerate(file.frame.components)}
        slots = tuple(places.get(data[1 + 2 * n], -1) for n in range(count))
        numbers = [data[2 + 2 * n] for n in range(count)]
        first, last, bits = data[1 + 2 * count : 4 + 2 * count]
        if not file.frame.progressive:
            first, last, bits = 0, 63, 0
        if -1 in slots or len(set(slots)) < count or not first <= last <= 63 or (first and count > 1):
            raise ItemError(f"{_DAMAGED}: a scan's header is broken")
        for slot in slots:
            table = self.quantisation.get(file.frame.components[slot].table)
            if table is None:
                raise ItemError(f"{_DAMAGED}: a quantisation table is missing")
            file.quantisation.setdefault(slot, table)
        selectors = tuple((number >> 4, number & 15) for number in numbers)
        return Scan(
            data, slots, selectors, first, last, bits >> 4, bits & 15, self.restart, self.huffman, entropy
        )


def _data(content: bytes, offset: int) -> bytes:
    length = struct.unpack_from(">H", content, offset + 2)[0] if offset + 4 <= len(content) else 0
    if length < 2 or offset + 2 + length > len(content):
        raise ItemError(f"{_DAMAGED}: it is cut off at byte {offset}")
    return content[offset + 4 : offset + 2 + length]


def _markers(content: bytes) -> Ints:
    """Where the markers are that end a scan."""
    coded = np.frombuffer(content, np.uint8)
    marks = np.flatnonzero(coded[:-1] == 0xFF)
    follows = coded[marks + 1]
    ends: Ints = marks[(follows != 0) & (follows != 0xFF) & ((follows < 0xD0) | (follows > 0xD7))]
    return ends


def _frame(marker: int, data: bytes) -> Frame:
    count = data[5] if len(data) > 5 else 0
    if not count or len(data) < 6 + 3 * count:
        raise ItemError(f"{_DAMAGED}: its frame header is broken")
    height, width = struct.unpack_from(">HH", data, 1)
    rows: Sequence[bytes] = [data[6 + 3 * n : 9 + 3 * n] for n in range(count)]
    parts = tuple(Component(row[0], row[1] >> 4, row[1] & 15, row[2]) for row in rows)
    if not width or not height or not all(1 <= p.across <= 4 and 1 <= p.down <= 4 for p in parts):
        raise ItemError(f"{_DAMAGED}: its frame header is broken")
    if len({p.identity for p in parts}) < count:
        raise ItemError(f"{_DAMAGED}: its frame header is broken")
    frame = Frame(width, height, marker == 0xC2, parts)
    across, down = frame.sampling
    if any(across % p.across or down % p.down for p in parts):
        raise ItemError("is a JPEG of a kind that is not supported (fractional subsampling)")
    return frame


def _quantisation(data: bytes) -> dict[int, Ints]:
    tables: dict[int, Ints] = {}
    offset = 0
    while offset < len(data):
        wide, number = data[offset] >> 4, data[offset] & 15
        size = 64 * (1 + wide)
        values: NDArray[np.integer] = np.frombuffer(
            data[offset + 1 : offset + 1 + size], ">u2" if wide else "u1"
        )
        if wide > 1 or len(values) < 64 or not values.all():
            raise ItemError(f"{_DAMAGED}: a quantisation table is broken")
        tables[number] = values.astype(np.int64)
        offset += 1 + size
    return tables
