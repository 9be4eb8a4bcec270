"""Walk through a scan and find where its blocks begin (ITU-T T.81, annexes F and G)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pipeline.archive.formats.jpeg_bits import BROKEN, CUT_OFF, Entropy, Ints, Stretch
from pipeline.archive.formats.jpeg_file import Grid
from pipeline.archive.formats.jpeg_huffman import END
from pipeline.errors import ItemError

Restart = tuple[tuple[int, int], tuple[int, int]]


def restarts(grid: Grid, coded: Entropy) -> list[Restart]:
    """The restart intervals of a scan: first block and the one after the last, first byte and the one after.

    Raises:
        ItemError: when the data has more or fewer of them than the picture.
    """
    blocks = grid.intervals()
    if len(coded.bounds) != len(blocks):
        raise ItemError(f"{BROKEN} (restart markers are missing)")
    return list(zip(blocks, coded.bounds, strict=True))


def walk(
    stretch: Stretch,
    grid: Grid,
    intervals: list[Restart],
    layout: Callable[[], list[Any]],
    go: Callable[[list[Any], int, int, int, list[int]], tuple[int, int]],
) -> tuple[Ints, list[int]]:
    """The bit at which each block begins, and the one after the last block of each restart interval.

    Args:
        stretch: what the scan's Huffman tables say at each bit, a stretch at a time.
        grid: the scan's blocks.
        intervals: its restart intervals.
        layout: for the present stretch, what `go` looks up for each block of an MCU.
        go: takes the layout, a position, a limit (both in the stretch), how many MCUs are left and a list
            for the blocks' beginnings; goes on until none is left or the limit is passed; gives where it
            is and how many are left.

    Raises:
        ItemError: when the bits of an interval do not suffice.
    """
    parts, stops = [], []
    for (first, end), (begin, bound) in intervals:
        position, left = 8 * begin, (end - first) // len(grid.slots)
        while left:
            stretch.cover(position)
            starts: list[int] = []
            base = stretch.base
            position, left = go(layout(), position - base, stretch.limit - base, left, starts)
            position += base
            parts.append(np.array(starts, np.int64) + base)
        if position > 8 * bound:
            raise ItemError(CUT_OFF)
        stops.append(position)
    return np.concatenate(parts), stops


class Walk:
    """The way through the blocks of a scan of one band, from one restart interval to the next.

    Args:
        coded: the scan.
        stretch: what its one Huffman table says at each bit.
        first, last: the band.
        interval: blocks between two restarts.
    """

    def __init__(self, coded: Entropy, stretch: Stretch, first: int, last: int, interval: int) -> None:
        self._data, self._stretch, self._first, self._last = coded.data.tobytes(), stretch, first, last
        self._interval, self._bounds = interval, iter(coded.bounds)
        self._position = self._bound = 0
        self._run = 0  # blocks left in the current end-of-band run
        self._left = 0  # blocks of this restart interval

    def finish(self) -> None:
        """The interval is over: its bits must have sufficed, and no run may go on."""
        if self._position > self._bound:
            raise ItemError(CUT_OFF)
        if self._run:
            raise ItemError(f"{BROKEN} (a run of blocks is too long)")

    def _within(self, count: int) -> int:
        """Enter the next interval if this one is over; how many of `count` blocks are in it."""
        if not self._left:
            self.finish()
            begin, end = next(self._bounds)
            self._position, self._bound, self._left = 8 * begin, 8 * end, self._interval
        self._stretch.cover(self._position)
        return min(count, self._left)

    def first_bits(self, count: int) -> Ints:
        """Where the bits of the next blocks begin, in a first scan; -1: the block lies in a run."""
        starts: list[int] = []
        parts = []
        while count:
            here = self._within(count)
            base, (bits, run) = self._stretch.base, self._stretch.steps[0]
            before = len(starts)
            self._go_first(bits, run, base, self._stretch.limit - base, here, starts)
            count -= len(starts) - before
            self._left -= len(starts) - before
            part = np.array(starts[before:], np.int64)
            parts.append(np.where(part >= 0, part + base, -1))
        return np.concatenate(parts)

    def _go_first(
        self, bits: bytes, run: bytes, base: int, limit: int, count: int, starts: list[int]
    ) -> None:
        position, ends, first, last = self._position - base, self._run, self._first, self._last
        note = starts.append
        while count and (ends or position <= limit):
            if ends:
                skipped = min(ends, count)
                starts.extend([-1] * skipped)
                ends -= skipped
                count -= skipped
                continue
            note(position)
            k = first
            while k <= last:
                at = position
                k += run[position]
                position += bits[position]
            if k > last + 1:
                ends = self._blocks(run[at] - END, base + position) - 1
            count -= 1
        self._position, self._run = base + position, ends

    def refining_bits(
        self, count: int, before: bytes, begins: list[int], known: list[int], stops: list[int]
    ) -> tuple[Ints, Ints]:
        """Where the bits of the next blocks begin, in a scan that refines, and whether each lies in a run.

        Args:
            count: number of blocks.
            before: for each coefficient that is still 0, block by block: how many others come before it.
            begins: where each block begins in `before`, and where the last one ends.
            known: coefficients of each block that are not 0.
            stops: how far in `before` each block has symbols.
        """
        starts: list[int] = []
        inside: list[int] = []
        parts = []
        while len(starts) < count:
            done = len(starts)
            here = self._within(count - done)
            base = self._stretch.base
            self._go_refining((before, begins, known, stops), done + here, starts, inside)
            self._left -= len(starts) - done
            parts.append(np.array(starts[done:], np.int64) + base)
        return np.concatenate(parts), np.array(inside, np.int64)

    def _go_refining(
        self,
        history: tuple[bytes, list[int], list[int], list[int]],
        count: int,
        starts: list[int],
        inside: list[int],
    ) -> None:
        before, begins, known, stops = history
        base = self._stretch.base
        position, limit, ends = self._position - base, self._stretch.limit - base, self._run
        bits, run = self._stretch.steps[0]
        for block in range(len(starts), count):
            if position > limit:
                break
            starts.append(position)
            inside.append(ends > 0)
            if ends:
                ends -= 1
                position += known[block]
                continue
            place, over, stop = begins[block], begins[block + 1], stops[block]
            passed = 0
            while place < stop:
                step = run[position]
                position += bits[position]
                if step >= END:
                    ends = self._blocks(step - END, base + position) - 1
                    position += known[block] - passed
                    break
                place += step
                if place >= over:
                    raise ItemError(BROKEN)
                now = before[place]
                position += now - passed
                passed = now
                place += 1
        self._position, self._run = base + position, ends

    def _blocks(self, exponent: int, position: int) -> int:
        """Blocks of an end-of-band run whose extra bits end at a bit position."""
        if not exponent:
            return 1
        if not 0 <= exponent <= 14:
            raise ItemError(BROKEN)
        start = position - exponent
        word = int.from_bytes(self._data[start >> 3 : (start >> 3) + 4], "big")
        return (1 << exponent) + ((word >> (32 - (start & 7) - exponent)) & ((1 << exponent) - 1))
