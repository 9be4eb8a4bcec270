"""Scans of progressive JPEG decoded into coefficients (ITU-T T.81, annex G).

As in sequential scans, Python loops only find the first bit of each block. NumPy then decodes the
coefficients of many blocks at once.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.archive.formats import jpeg_bits
from pipeline.archive.formats.jpeg_bits import BROKEN, CUT_OFF, Ints, Stretch, peek
from pipeline.archive.formats.jpeg_file import File, Frame, Grid, Scan
from pipeline.archive.formats.jpeg_scan import decode_band, decode_dc, summed
from pipeline.archive.formats.jpeg_symbols import nonzero
from pipeline.archive.formats.jpeg_walk import Walk, restarts, walk
from pipeline.errors import ItemError

Plane = NDArray[np.int16]  # coefficients of all stored blocks of a component, (rows * columns, 64), zigzag
_GROUP = 1 << 16  # blocks handled at a time


def decode(file: File) -> list[Plane]:
    """The quantised coefficients of each component of a progressive file.

    Raises:
        ItemError: when a scan ends too early or is no valid code.
    """
    frame = file.frame
    planes = []
    for number in range(len(frame.components)):
        rows, columns = frame.stored(number)
        planes.append(np.zeros((rows * columns, 64), np.int16))
    missing = np.full((len(planes), 64), -1)  # bits of each coefficient that no scan has coded yet, -1: all
    for scan in file.scans:
        known = missing[list(scan.slots), scan.first : scan.last + 1]
        if scan.low > 13 or (scan.high and scan.high != scan.low + 1) or (not scan.first and scan.last):
            raise ItemError(f"{BROKEN} (a scan's header is broken)")
        if np.any(known != (scan.high or -1)):
            raise ItemError(f"{BROKEN} (a scan is missing)")
        missing[list(scan.slots), scan.first : scan.last + 1] = scan.low
        _Decoder(frame, scan, planes).run()
    return planes


def places(frame: Frame, grid: Grid, scan: Scan, slot: int) -> Ints:
    """Where the blocks of a component of a scan lie in its plane, in the order of the scan."""
    rows, columns = grid.places(slot)
    return rows * frame.stored(scan.slots[slot])[1] + columns


class _Decoder:
    """One scan, decoded into the planes."""

    def __init__(self, frame: Frame, scan: Scan, planes: list[Plane]) -> None:
        self._frame, self._scan, self._planes = frame, scan, planes
        self._grid = Grid(frame, scan)
        self._coded = jpeg_bits.read(scan.entropy)
        self._words = self._coded.words
        self._intervals = restarts(self._grid, self._coded)

    def run(self) -> None:
        if self._scan.first:
            self._bands()
        elif self._scan.high:
            self._dc_bits()
        else:
            self._dc()

    def _dc(self) -> None:
        slots = range(len(self._scan.slots))
        stretch = Stretch(self._coded, [self._scan.table(0, slot).dc_steps() for slot in slots])

        def layout() -> list[bytes]:
            return [stretch.steps[slot][0] for slot in self._grid.slots]

        start, _ = walk(stretch, self._grid, self._intervals, layout, _go_dc)
        every = np.tile(self._grid.slots, self._grid.mcus)
        for slot in slots:
            mine = np.flatnonzero(every == slot)
            _, difference = decode_dc(self._words, start[mine], self._scan.table(0, slot))
            self._put(slot, summed(difference, mine // self._grid.interval) << self._scan.low)

    def _put(self, slot: int, values: Ints) -> None:
        if np.abs(values).max() > 32767:
            raise ItemError(f"{BROKEN} (a coefficient is out of range)")
        self._planes[self._scan.slots[slot]][places(self._frame, self._grid, self._scan, slot), 0] = values

    def _dc_bits(self) -> None:
        every = np.tile(self._grid.slots, self._grid.mcus)
        for (first, end), (begin, bound) in self._intervals:
            if 8 * begin + end - first > 8 * bound:
                raise ItemError(CUT_OFF)
        block = np.arange(self._grid.blocks)
        begins = np.array([8 * begin for _, (begin, _) in self._intervals])
        position = begins[block // self._grid.interval] + block % self._grid.interval
        bits = peek(self._words, position, 1)
        for slot, number in enumerate(self._scan.slots):
            place = places(self._frame, self._grid, self._scan, slot)
            self._planes[number][place, 0] |= (bits[every == slot] << self._scan.low).astype(np.int16)

    def _bands(self) -> None:
        scan, table = self._scan, self._scan.table(1, 0)
        steps = table.refining_steps() if scan.high else table.ac_steps(progressive=True)
        stretch = Stretch(self._coded, [steps])
        walk = Walk(self._coded, stretch, scan.first, scan.last, self._grid.interval)
        plane = self._planes[scan.slots[0]]
        place = places(self._frame, self._grid, scan, 0)
        part = slice(scan.first, scan.last + 1)
        for start in range(0, len(place), _GROUP):
            group = place[start : start + _GROUP]
            if scan.high:
                values = plane[group, part].astype(np.int64)
                _Refinement(walk, values, scan.low).apply(self._words, table.lookup)
                plane[group, part] = values
                continue
            position = walk.first_bits(len(group))
            some = np.flatnonzero(position >= 0)
            found = decode_band(self._words, position[some], table, scan.first, scan.last)
            if np.abs(found).max(initial=0) << scan.low > 32767:
                raise ItemError(f"{BROKEN} (a coefficient is out of range)")
            plane[group[some], part] = found[:, part] << scan.low
        walk.finish()


def _go_dc(layout: list[bytes], position: int, limit: int, left: int, starts: list[int]) -> tuple[int, int]:
    note = starts.append
    while left and position <= limit:
        for bits in layout:
            note(position)
            position += bits[position]
        left -= 1
    return position, left


class _Refinement:
    """One more bit for the coefficients of some blocks, `band` (N, width), which is changed in place."""

    def __init__(self, walk: Walk, band: Ints, low: int) -> None:
        self._band, self._low = band, low
        count, width = band.shape
        zero = band == 0
        zero_rows, self._zero_place = nonzero(zero)
        zeros = np.bincount(zero_rows, minlength=count)
        self._begin = np.concatenate([[0], np.cumsum(zeros)])
        self._known = width - zeros
        rank = np.arange(len(zero_rows)) - self._begin[zero_rows]
        self._before = np.append(self._zero_place - rank, 0)  # the last: all coefficients are known
        self._stop = self._begin[1:] + ~zero[:, -1]  # after the band's last coefficient no symbol comes
        self._start, self._inside = walk.refining_bits(
            count,
            self._before.astype(np.uint8).tobytes(),
            self._begin.tolist(),
            self._known.tolist(),
            self._stop.tolist(),
        )

    def apply(self, words: NDArray[Any], lookup: tuple[NDArray[np.int16], NDArray[np.uint8]]) -> None:
        """Read the bits: of each symbol the new coefficient, and of those passed their corrections."""
        symbols, lengths = lookup
        known_rows, known_place = nonzero(self._band != 0)
        rows: Ints = np.flatnonzero(self._inside)
        corrected = [(rows, np.zeros_like(rows), self._known[rows], self._start[rows])]
        fresh: list[tuple[Ints, Ints, Ints]] = []
        live = np.flatnonzero(self._inside == 0)
        place, at = self._begin[live], self._start[live]
        passed = np.zeros_like(live)
        while live.size:
            window = peek(words, at, 16)
            symbol = symbols[window].astype(np.int64)
            run, size = symbol >> 4, symbol & 15
            at = at + lengths[window] + np.where(size > 0, 1, np.where(run < 15, run, 0))
            ends = (size == 0) & (run < 15)
            target = np.where(ends, 0, place + run)
            now = np.where(ends, self._known[live], self._before[target])
            corrected.append((live, passed, now, at))
            some = size > 0
            sign = 2 * peek(words, at[some] - 1, 1) - 1
            fresh.append((live[some], self._zero_place[target[some]], sign))
            on = ~ends & (target + 1 < self._stop[live])
            at = (at + now - passed)[on]
            live, place, passed = live[on], target[on] + 1, now[on]
        self._correct(words, corrected, known_rows, known_place)
        for rows, column, sign in fresh:
            self._band[rows, column] = sign << self._low

    def _correct(
        self, words: NDArray[Any], parts: list[tuple[Ints, Ints, Ints, Ints]], rows: Ints, place: Ints
    ) -> None:
        begin = np.concatenate([[0], np.cumsum(self._known)])
        for block, first, stop, at in parts:
            count = stop - first
            which = np.repeat(np.arange(len(block)), count)
            step = np.arange(len(which)) - np.repeat(np.cumsum(count) - count, count)
            index = begin[block[which]] + first[which] + step
            bit = peek(words, at[which] + step, 1) << self._low
            y, x = rows[index], place[index]
            self._band[y, x] += np.sign(self._band[y, x]) * bit
