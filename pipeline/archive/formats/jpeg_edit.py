"""Replace some coefficients of a JPEG file; all others are written unchanged."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.archive.canvas import Canvas
from pipeline.archive.formats import jpeg_blocks, jpeg_encode, jpeg_progressive
from pipeline.archive.formats.jpeg_bits import Ints
from pipeline.archive.formats.jpeg_blocks import Colours
from pipeline.archive.formats.jpeg_encode import shifted
from pipeline.archive.formats.jpeg_file import DHT, File, Frame, Scan, Segment
from pipeline.archive.formats.jpeg_huffman import Table, unpack
from pipeline.archive.formats.jpeg_progressive import Plane
from pipeline.archive.formats.jpeg_scan import SequentialScan, Tables
from pipeline.errors import ItemError

MORE_CODES = "codes added to the Huffman tables"
NEW_CODES = "Huffman codes made anew, with the same coefficients"


@dataclass(frozen=True)
class Coded:
    """A scan as the new file holds it."""

    entropy: bytes
    tables: Tables  # Huffman tables that are not the source's
    note: str | None = None


class Editor(Protocol):
    """A file's coefficients by component, row and column of blocks."""

    def read(self, component: int, rows: Ints, columns: Ints) -> Ints:
        """Quantised coefficients, (N, 64) in zigzag order."""

    def replace(self, component: int, rows: Ints, columns: Ints, coefficients: Ints) -> None:
        """New coefficients for blocks; each block once at most."""

    def write(self) -> list[Coded]:
        """All scans, in the order of the file."""


def editor(file: File) -> Editor:
    """Decode the part of a file that the edit needs.

    Raises:
        ItemError: when its pixels cannot be decoded.
    """
    return _Progressive(file) if file.frame.progressive else _Sequential(file)


class _Sequential:
    def __init__(self, file: File) -> None:
        self._scans = [SequentialScan(file.frame, scan) for scan in file.scans]
        pairs = [(n, slot) for n, scan in enumerate(file.scans) for slot in range(len(scan.slots))]
        self._place = {file.scans[n].slots[slot]: (self._scans[n], slot) for n, slot in pairs}
        if not len(pairs) == len(self._place) == len(file.frame.components):
            raise ItemError("is a damaged JPEG: its components are not each in one scan")

    def read(self, component: int, rows: Ints, columns: Ints) -> Ints:
        scan, slot = self._place[component]
        return scan.read(slot, rows, columns)

    def replace(self, component: int, rows: Ints, columns: Ints, coefficients: Ints) -> None:
        scan, slot = self._place[component]
        scan.replace(slot, rows, columns, coefficients)

    def write(self) -> list[Coded]:
        result = []
        for scan in self._scans:
            entropy, tables, same = scan.write()
            note = MORE_CODES if same else NEW_CODES
            result.append(Coded(entropy, tables, note if tables else None))
        return result


class _Progressive:
    def __init__(self, file: File) -> None:
        self._file = file
        self._planes = jpeg_progressive.decode(file)
        self._before: list[list[tuple[Ints, Plane]]] = [[] for _ in self._planes]

    def read(self, component: int, rows: Ints, columns: Ints) -> Ints:
        return self._planes[component][self._index(component, rows, columns)].astype(np.int64)

    def replace(self, component: int, rows: Ints, columns: Ints, coefficients: Ints) -> None:
        index = self._index(component, rows, columns)
        self._before[component].append((index, self._planes[component][index]))
        self._planes[component][index] = coefficients

    def write(self) -> list[Coded]:
        result = []
        for scan in self._file.scans:
            if any(self._changed(scan, component) for component in scan.slots):
                entropy, tables = jpeg_encode.progressive(self._file.frame, scan, self._planes)
                result.append(Coded(entropy, tables, MORE_CODES if tables else None))
            else:
                result.append(Coded(scan.entropy, {}))
        return result

    def _index(self, component: int, rows: Ints, columns: Ints) -> Ints:
        return rows * self._file.frame.stored(component)[1] + columns

    def _changed(self, scan: Scan, component: int) -> bool:
        """Whether this scan changes, given the bits that it and the scans before it code."""
        band = slice(scan.first, scan.last + 1)
        for index, old in self._before[component]:
            new = self._planes[component][index]
            if not scan.first and np.any(old[:, 0] >> scan.low != new[:, 0] >> scan.low):
                return True
            if scan.first and np.any(shifted(old[:, band], scan.low) != shifted(new[:, band], scan.low)):
                return True
        return False


def touched(file: File, kind: Colours, canvas: Canvas, mask: Canvas) -> list[Coded]:
    """The scans with the masked pixels of a canvas in them."""
    edit = editor(file)
    for want in jpeg_blocks.wanted(file.frame, kind, canvas, mask):
        old = edit.read(want.component, want.rows, want.columns)
        new = jpeg_blocks.requantised(old, file.quantisation[want.component], want)
        other = np.flatnonzero((new != old).any(axis=1))
        edit.replace(want.component, want.rows[other], want.columns[other], new[other])
    return edit.write()


def anew(file: File, frame: Frame, kind: Colours, canvas: Canvas) -> list[Coded]:
    """The scans of a canvas with the file's tables and sampling; `frame` has the canvas' size."""
    if not frame.progressive:
        return [
            Coded(*jpeg_encode.sequential(frame, scan, _bands(file, frame, kind, canvas)))
            for scan in file.scans
        ]
    planes: list[Plane] = [
        np.zeros((*frame.stored(number), 64), np.int16) for number in range(len(frame.components))
    ]
    for first, blocks in _bands(file, frame, kind, canvas):
        for number, values in blocks.items():
            row = first * frame.components[number].down
            planes[number][row : row + len(values)] = values
    flat = [plane.reshape(-1, 64) for plane in planes]
    return [Coded(*jpeg_encode.progressive(frame, scan, flat)) for scan in file.scans]


def assemble(parts: list[Segment | Scan], coded: list[Coded], tail: bytes) -> bytes:
    """A file of these segments and scans; Huffman tables are put before the scans that need others."""
    result = [b"\xff\xd8"]
    now: dict[tuple[int, int], Table] = {}
    scans = iter(coded)
    for part in parts:
        if isinstance(part, Segment):
            now |= unpack(part.data) if part.marker == DHT else {}
            result.append(part.pack())
            continue
        scan = next(scans)
        wanted = part.tables | scan.tables
        for key in sorted({(kind, pair[kind]) for pair in part.selectors for kind in (0, 1)}):
            if key in wanted and now.get(key) != wanted[key]:
                now[key] = wanted[key]
                result.append(Segment(DHT, wanted[key].pack(*key)).pack())
        result += [Segment(0xDA, part.data).pack(), scan.entropy]
    return b"".join([*result, tail])


def _bands(
    file: File, frame: Frame, kind: Colours, canvas: Canvas
) -> Iterator[tuple[int, dict[int, NDArray[np.int64]]]]:
    blocks: dict[int, Ints] = {}
    for first, number, samples in jpeg_blocks.whole(frame, kind, canvas):
        values = jpeg_blocks.quantised(samples.reshape(-1, 64), file.quantisation[number])
        blocks[number] = values.reshape(samples.shape)
        if len(blocks) == len(frame.components):
            yield first, blocks
            blocks = {}
