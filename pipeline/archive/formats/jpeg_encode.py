"""Whole scans of JPEG made from coefficients, sequential or progressive (ITU-T T.81, annexes F and G)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from pipeline.archive.formats import jpeg_symbols
from pipeline.archive.formats.jpeg_bits import Ints, Writer
from pipeline.archive.formats.jpeg_file import Frame, Grid, Scan
from pipeline.archive.formats.jpeg_progressive import Plane, places
from pipeline.archive.formats.jpeg_scan import Tables, book_of, differences, fit
from pipeline.archive.formats.jpeg_symbols import LONGEST_RUN, Book, Symbols

_GROUP = 1 << 16  # blocks handled at a time
_DC_SYMBOLS = range(12)  # all that 8-bit samples can need
_AC_SYMBOLS = [0x00, 0xF0, *(run << 4 | size for run in range(16) for size in range(1, 11))]


def progressive(frame: Frame, scan: Scan, planes: list[Plane]) -> tuple[bytes, Tables]:
    """A progressive scan of these coefficients, and the Huffman tables that are not the source's."""
    grid = Grid(frame, scan)
    if scan.first:
        symbols = Symbols.join(list(_band(frame, grid, scan, planes[scan.slots[0]])))
    else:
        symbols = _dc(frame, grid, scan, planes)
    tables, _ = fit(scan, symbols)
    writer = Writer()
    _write(writer, book_of(scan, tables), symbols, 0, grid)
    return writer.content(), tables


def sequential(
    frame: Frame, scan: Scan, bands: Iterable[tuple[int, dict[int, Ints]]]
) -> tuple[bytes, Tables]:
    """A sequential scan, made while its coefficients come in.

    Args:
        frame: of the picture.
        scan: the source's, for its components, tables and restart interval.
        bands: from top to bottom: first row of MCUs, and of each component (rows, columns, 64) coefficients.
    """
    grid = Grid(frame, scan)
    tables: Tables = {}
    for slot, pair in enumerate(scan.selectors):
        for kind, needed in enumerate((_DC_SYMBOLS, _AC_SYMBOLS)):
            old = scan.table(kind, slot)
            new, _ = tables.get((kind, pair[kind]), old).with_symbols(needed)
            if new is not old:
                tables[kind, pair[kind]] = new
    book = book_of(scan, tables)
    writer = Writer()
    last = np.zeros(len(scan.slots), np.int64)
    for top, planes in bands:
        first, blocks, slots = _ordered(frame, grid, scan, top, planes)
        difference = np.zeros(len(blocks), np.int64)
        for number in range(len(scan.slots)):
            mine = np.flatnonzero(slots == number)
            dc = np.concatenate([last[number : number + 1], blocks[mine, 0]])
            group = np.concatenate([[max(first - 1, 0)], first + mine]) // grid.interval
            difference[mine] = differences(dc, group)[1:]
            last[number] = dc[-1]
        whole = np.ones(len(blocks), bool)
        for start in range(0, len(blocks), _GROUP):
            part = slice(start, start + _GROUP)
            made = jpeg_symbols.sequential(difference[part], blocks[part, 1:], whole[part], slots[part])
            _write(writer, book, made, first + start, grid)
    return writer.content(), tables


def _ordered(
    frame: Frame, grid: Grid, scan: Scan, top: int, planes: dict[int, Ints]
) -> tuple[int, Ints, Ints]:
    """Blocks of some rows of MCUs in the order of the scan: number of the first, coefficients, component."""
    index: list[Ints] = []
    values: list[Ints] = []
    slots: list[Ints] = []
    for slot, number in enumerate(scan.slots):
        plane = planes[number]
        rows, columns = plane.shape[:2]
        y = np.arange(rows) + top * frame.components[number].down
        x = np.arange(columns)
        if len(scan.slots) == 1:  # padding blocks of MCUs are not coded
            height, width = frame.coded(number)
            y, x = y[y < height], x[x < width]
        index.append(grid.index(slot, y[:, None], x[None, :]).ravel())
        values.append(plane[: len(y), : len(x)].reshape(-1, 64))
        slots.append(np.full(len(y) * len(x), slot))
    place = np.concatenate(index)
    order = np.argsort(place)
    first = int(place[order[0]]) if len(order) else 0
    return first, np.concatenate(values)[order], np.concatenate(slots)[order]


def _dc(frame: Frame, grid: Grid, scan: Scan, planes: list[Plane]) -> Symbols:
    slot = np.tile(grid.slots, grid.mcus)
    values = np.zeros(grid.blocks, np.int64)
    for number, component in enumerate(scan.slots):
        mine = np.flatnonzero(slot == number)
        dc = planes[component][places(frame, grid, scan, number), 0].astype(np.int64) >> scan.low
        values[mine] = dc & 1 if scan.high else differences(dc, mine // grid.interval)
    return jpeg_symbols.single_bits(values) if scan.high else jpeg_symbols.differences(values, slot)


def _band(frame: Frame, grid: Grid, scan: Scan, plane: Plane) -> Iterator[Symbols]:
    place = places(frame, grid, scan, 0)

    def values(start: int) -> Plane:
        return shifted(plane[place[start : start + _GROUP], scan.first : scan.last + 1], scan.low)

    starts = range(0, grid.blocks, _GROUP)
    empty, full = [], []
    for start in starts:
        new = np.abs(values(start)) == 1 if scan.high else values(start) != 0
        empty.append(~new.any(axis=1))
        full.append(new[:, -1])
    ends = _ends(np.concatenate(empty), np.concatenate(full), grid.interval)
    for start in starts:
        symbols = jpeg_symbols.refined if scan.high else jpeg_symbols.band
        yield symbols(values(start), ends[start : start + _GROUP])


def shifted(values: Plane, low: int) -> Plane:
    """AC coefficients without the `low` last bits of their magnitude."""
    result: Plane = np.sign(values) * (np.abs(values) >> low)
    return result


def _ends(empty: NDArray[np.bool_], full: NDArray[np.bool_], interval: int) -> Ints:
    """The length of the end-of-band run that begins in each block, 0 for none.

    Args:
        empty: blocks without a symbol of their own; they can lie within a run.
        full: blocks whose last coefficient is coded, so they need no end-of-block.
        interval: blocks between two restarts, which no run crosses.
    """
    count = len(empty)
    first = np.arange(count) % interval == 0
    begins = np.flatnonzero(~full & (~empty | first | np.roll(full, 1)))
    bounds = np.append(np.flatnonzero(~empty | first), count)
    length = bounds[np.searchsorted(bounds, begins, "right")] - begins
    ends = np.zeros(count, np.int64)
    while len(begins):
        ends[begins] = np.minimum(length, LONGEST_RUN)
        begins, length = begins + LONGEST_RUN, length - LONGEST_RUN
        begins, length = begins[length > 0], length[length > 0]
    return ends


def _write(writer: Writer, book: Book, symbols: Symbols, first: int, grid: Grid) -> None:
    """The bits of blocks that follow each other, with the restart markers among them."""
    ends = np.concatenate([[0], np.cumsum(symbols.counts)])
    block, stop = first, first + len(symbols.counts)
    while block < stop:
        bound = (block // grid.interval + 1) * grid.interval
        end = min(bound, stop, block + _GROUP)
        bits, _ = book.encode(symbols, slice(int(ends[block - first]), int(ends[end - first])))
        writer.add([bits])
        if end in (bound, grid.blocks):
            writer.align()
            if end < grid.blocks:
                writer.copy(bytes([0xFF, 0xD0 + (end // grid.interval - 1) % 8]))
        block = end
