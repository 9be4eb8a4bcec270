"""Scans of sequential JPEG: single blocks replaced, all others copied as bits (ITU-T T.81, annex F).

A block's position is known only after all blocks before it are read. So one Python loop goes from symbol
to symbol and only looks up each symbol's length. Values are decoded for many blocks at once, on demand.
Writing copies the bits between the changed blocks.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from pipeline.archive.formats import jpeg_bits, jpeg_symbols
from pipeline.archive.formats.jpeg_bits import BROKEN, Bits, Ints, Stretch, Writer, peek
from pipeline.archive.formats.jpeg_file import Frame, Grid, Scan
from pipeline.archive.formats.jpeg_huffman import Table
from pipeline.archive.formats.jpeg_symbols import Symbols
from pipeline.archive.formats.jpeg_walk import restarts, walk
from pipeline.errors import ItemError

_GROUP = 1 << 16  # blocks handled at a time
Tables = dict[tuple[int, int], Table]


class SequentialScan:
    """One scan, indexed by its blocks.

    Raises:
        ItemError: when the scan ends too early or is no valid Huffman code.
    """

    def __init__(self, frame: Frame, scan: Scan) -> None:
        self._scan, self._grid = scan, Grid(frame, scan)
        self._coded = jpeg_bits.read(scan.entropy)
        self._words = self._coded.words
        self._intervals = self._grid.intervals()
        self._start, self._stop = self._walk()
        self._slot = np.tile(self._grid.slots, self._grid.mcus)
        self._after, self._difference = self._read_dc()
        self._dc = np.zeros(self._grid.blocks, np.int64)
        for mine in self._by_slot():
            self._dc[mine] = summed(self._difference[mine], mine // self._grid.interval)
        if np.abs(self._dc).max() > 32767:
            raise ItemError(f"{BROKEN} (a coefficient is out of range)")
        self._changes: list[tuple[Ints, NDArray[np.int16]]] = []

    def read(self, slot: int, rows: Ints, columns: Ints) -> Ints:
        """Quantised coefficients of blocks of a component of the scan, (N, 64) in zigzag order."""
        return self._read(self._grid.index(slot, rows, columns))

    def replace(self, slot: int, rows: Ints, columns: Ints, coefficients: Ints) -> None:
        """Give blocks new coefficients; each block once at most."""
        index = self._grid.index(slot, rows, columns)
        self._changes.append((index, coefficients.astype(np.int16)))

    def write(self) -> tuple[bytes, Tables, bool]:
        """The scan's bytes, the Huffman tables that they need, and whether the old codes were kept."""
        if not any(len(index) for index, _ in self._changes):
            return self._scan.entropy, {}, True
        index = np.concatenate([part for part, _ in self._changes])
        order = np.argsort(index)
        index = index[order]
        values = np.concatenate([part for _, part in self._changes])[order]
        dc = self._dc.copy()
        dc[index] = values[:, 0]
        difference = np.zeros_like(dc)
        for mine in self._by_slot():
            difference[mine] = differences(dc[mine], mine // self._grid.interval)
        moved = np.union1d(index, np.flatnonzero(difference != self._difference))
        symbols = Symbols.join(list(self._symbols(moved, index, values, difference, False)))
        tables, same = fit(self._scan, symbols)
        if not same:  # a code of the source was changed, so every symbol is written again
            moved = np.arange(self._grid.blocks)
            symbols = Symbols.join(list(self._symbols(moved, index, values, difference, True)))
        whole = np.isin(moved, index, assume_unique=True) if same else np.ones(len(moved), bool)
        resume = np.where(whole, self._stop[moved], self._after[moved])  # where the old bits go on
        return self._splice(moved, resume, symbols, book_of(self._scan, tables)), tables, same

    def _symbols(
        self, moved: Ints, index: Ints, values: NDArray[np.int16], difference: Ints, everything: bool
    ) -> Iterator[Symbols]:
        """Symbols of the blocks `moved`; `values` are the new coefficients of the blocks `index`."""
        for start in range(0, len(moved), _GROUP):
            part = moved[start : start + _GROUP]
            block = self._read(part) if everything else np.zeros((len(part), 64), np.int64)
            low, high = np.searchsorted(index, [part[0], part[-1] + 1])
            place = np.searchsorted(part, index[low:high])
            block[place] = values[low:high]
            whole = np.full(len(part), everything)
            whole[place] = True
            yield jpeg_symbols.sequential(difference[part], block[:, 1:], whole, self._slot[part])

    def _splice(self, moved: Ints, resume: Ints, symbols: Symbols, book: jpeg_symbols.Book) -> bytes:
        writer = Writer()
        ends = np.concatenate([[0], np.cumsum(symbols.counts)])
        for number, (first, stop) in enumerate(self._intervals):
            if number:
                writer.copy(bytes([0xFF, 0xD0 + (number - 1) % 8]))
            low, high = np.searchsorted(moved, [first, stop])
            if low == high:
                writer.copy(self._scan.entropy[slice(*self._coded.raw[number])])
                continue
            for block in range(first, stop, _GROUP):
                end = min(block + _GROUP, stop)
                low, high = np.searchsorted(moved, [block, end])
                new, lengths = book.encode(symbols, slice(int(ends[low]), int(ends[high])))
                places = np.concatenate([[0], np.cumsum(lengths)])[ends[low : high + 1] - ends[low]]
                copied = np.stack([self._start[moved[low:high]], resume[low:high]], axis=1)
                writer.add(self._pieces(block, end, copied, new, places))
            writer.align()
        return writer.content()

    def _pieces(self, first: int, end: int, copied: Ints, new: Bits, places: Ints) -> list[Bits]:
        """Bits of the blocks from `first` to `end`: the old ones, and the new ones in their places.

        `copied` says where the old bits stop and go on, `places` where the new ones of each block end.
        """
        byte = int(self._start[first]) >> 3
        stop = int(self._stop[end - 1])
        old = np.unpackbits(self._coded.data[byte : (stop >> 3) + 1])
        cuts = (copied - 8 * byte).tolist()
        at = int(self._start[first]) - 8 * byte
        pieces = []
        for (cut, resume), begin, finish in zip(cuts, places[:-1].tolist(), places[1:].tolist(), strict=True):
            pieces += [old[at:cut], new[begin:finish]]
            at = resume
        pieces.append(old[at : stop - 8 * byte])
        return pieces

    def _by_slot(self) -> Iterator[Ints]:
        for slot in range(len(self._scan.slots)):
            yield np.flatnonzero(self._slot == slot)

    def _read(self, index: Ints) -> Ints:
        result = np.zeros((len(index), 64), np.int64)
        result[:, 0] = self._dc[index]
        for slot in range(len(self._scan.slots)):
            mine = np.flatnonzero(self._slot[index] == slot)
            table = self._scan.table(1, slot)
            result[mine] += decode_band(self._words, self._after[index[mine]], table, 1, 63)
        return result

    def _read_dc(self) -> tuple[Ints, Ints]:
        """Where the AC coefficients of each block begin, and its DC difference."""
        after, difference = np.zeros_like(self._start), np.zeros_like(self._start)
        for slot, mine in enumerate(self._by_slot()):
            table = self._scan.table(0, slot)
            after[mine], difference[mine] = decode_dc(self._words, self._start[mine], table)
        return after, difference

    def _walk(self) -> tuple[Ints, Ints]:
        """The bit at which each block begins, and the one after its last."""
        slots = range(len(self._scan.slots))
        steps = [self._scan.table(0, slot).dc_steps() for slot in slots]
        steps += [self._scan.table(1, slot).ac_steps(progressive=False) for slot in slots]
        stretch = Stretch(self._coded, steps)

        def layout() -> list[tuple[bytes, bytes, bytes]]:
            return [(stretch.steps[slot][0], *stretch.steps[len(slots) + slot]) for slot in self._grid.slots]

        start, stops = walk(stretch, self._grid, restarts(self._grid, self._coded), layout, _go)
        stop = np.append(start[1:], 0)
        stop[[end - 1 for _, end in self._intervals]] = stops
        return start, stop


def _go(
    layout: list[tuple[bytes, bytes, bytes]], position: int, limit: int, left: int, starts: list[int]
) -> tuple[int, int]:
    """Go through MCUs until none is left or `limit` is passed; the only loop that must be fast."""
    note = starts.append
    while left and position <= limit:
        for dc, bits, run in layout:
            note(position)
            position += dc[position]
            k = 1
            while k < 64:
                k += run[position]
                position += bits[position]
            if k != 64 and not 128 < k < 192:  # neither full nor ended by a symbol
                raise ItemError(BROKEN)
        left -= 1
    return position, left


def decode_dc(words: NDArray[np.uint64], position: Ints, table: Table) -> tuple[Ints, Ints]:
    """DC differences at bit positions: where the bits after each begin, and the differences."""
    symbol, length = table.lookup
    window = peek(words, position, 16)
    size = symbol[window].astype(np.int64)
    if size.size and (size.min() < 0 or size.max() > 15):
        raise ItemError(BROKEN)
    start = position + length[window]
    return start + size, signed(peek(words, start, size), size)


def decode_band(words: NDArray[np.uint64], position: Ints, table: Table, first: int, last: int) -> Ints:
    """Coefficients `first` to `last` of blocks whose symbols begin at bit positions, (N, 64).

    All blocks take their symbols in step. That the code is valid was seen when the positions were found.
    """
    result = np.zeros((len(position), 64), np.int64)
    symbols, lengths = table.lookup
    live, place, k = np.arange(len(position)), position.copy(), np.full(len(position), first, np.int64)
    while live.size:
        window = peek(words, place, 16)
        symbol = symbols[window]
        place += lengths[window]
        size = (symbol & 15).astype(np.int64)
        run = symbol >> 4
        k += run
        some = np.flatnonzero(size)
        result[live[some], k[some]] = signed(peek(words, place[some], size[some]), size[some])
        place += size
        k += 1
        on = np.flatnonzero(((size > 0) | (run == 15)) & (k <= last))
        live, place, k = live[on], place[on], k[on]
    return result


def signed(bits: Ints, size: Ints) -> Ints:
    """The numbers that extra bits tell in a size category."""
    negative = bits < (1 << np.maximum(size - 1, 0))
    return np.where(negative & (size > 0), bits - (1 << size) + 1, bits)


def fit(scan: Scan, symbols: Symbols) -> tuple[Tables, bool]:
    """Huffman tables for symbols of a scan that are not the source's, and whether its codes stay."""
    tables: Tables = {}
    same = True
    seen = jpeg_symbols.used([symbols], len(scan.slots))
    for slot, pair in enumerate(scan.selectors):
        for kind, number in enumerate(pair):
            needed = np.flatnonzero(seen[slot, kind]).tolist()
            if needed:
                old = tables.get((kind, number)) or scan.table(kind, slot)
                new, kept = old.with_symbols(needed)
                same &= kept
                if new is not old:
                    tables[kind, number] = new
    return tables, same


def book_of(scan: Scan, tables: Tables) -> jpeg_symbols.Book:
    """The codes of a scan, with some tables in the place of its own."""
    now = scan.tables | tables
    return jpeg_symbols.book([(now.get((0, dc)), now.get((1, ac))) for dc, ac in scan.selectors])


def summed(values: Ints, group: Ints) -> Ints:
    """Undo `differences`: running sums that begin anew with each group."""
    total = np.cumsum(values)
    first = np.flatnonzero(np.diff(group, prepend=-1))
    base = total[first] - values[first]
    return total - np.repeat(base, np.diff(np.append(first, len(values))))


def differences(values: Ints, group: Ints) -> Ints:
    """Each value less the one before it, the first of a group whole."""
    before = np.roll(values, 1)
    before[np.flatnonzero(np.diff(group, prepend=-1))] = 0
    return values - before
