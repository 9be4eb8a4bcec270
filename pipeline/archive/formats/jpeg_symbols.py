"""Coefficients as the Huffman symbols of a scan, and these as bits (ITU-T T.81, annexes F.1.2 and G.1.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.archive.formats.jpeg_bits import Bits, Ints, pack
from pipeline.archive.formats.jpeg_huffman import Table

Numbers = NDArray[np.signedinteger[Any]]

DC = 256  # DC symbols are numbered from here on, AC symbols from 0
SPAN = 512  # numbers for each component of a scan
NONE = 511  # no symbol: extra bits only
LONGEST_RUN = 32767  # blocks of one end-of-band run
_ZEROS = 0xF0  # sixteen zeros

_SIZES = np.zeros(65536, np.uint8)  # bits of a number
for _bit in range(16):
    _SIZES[1 << _bit :] = _bit + 1


@dataclass(frozen=True)
class Symbols:
    """Symbols in the order of the scan, each with the extra bits that follow it."""

    number: NDArray[np.uint16]  # SPAN * component of the scan + symbol (+ DC), or NONE
    extra: NDArray[np.uint16]
    bits: NDArray[np.uint8]  # of `extra`
    counts: Ints  # symbols of each block

    @staticmethod
    def join(parts: Sequence[Symbols]) -> Symbols:
        """One after the other."""
        return Symbols(
            np.concatenate([p.number for p in parts] or [np.zeros(0, np.uint16)]),
            np.concatenate([p.extra for p in parts] or [np.zeros(0, np.uint16)]),
            np.concatenate([p.bits for p in parts] or [np.zeros(0, np.uint8)]),
            np.concatenate([p.counts for p in parts] or [np.zeros(0, np.int64)]),
        )


@dataclass(frozen=True)
class Book:
    """Codes of all symbols of a scan, by their numbers."""

    code: Ints
    length: Ints

    def encode(self, symbols: Symbols, part: slice) -> tuple[Bits, Ints]:
        """Some of the symbols as bits, and how many bits each took."""
        number, extra, bits = symbols.number[part], symbols.extra[part], symbols.bits[part].astype(np.int64)
        lengths = self.length[number] + bits
        return pack((self.code[number] << bits) | extra, lengths), lengths


def book(tables: Sequence[tuple[Table | None, Table | None]]) -> Book:
    """The codes of a scan whose components have these DC and AC tables."""
    code, length = np.zeros(SPAN * len(tables), np.int64), np.zeros(SPAN * len(tables), np.int64)
    for slot, pair in enumerate(tables):
        for start, table in zip((DC, 0), pair, strict=True):
            if table is not None:
                size = 16 if start == DC else 256
                place = SPAN * slot + start
                code[place : place + size] = table.codes[0][:size]
                length[place : place + size] = table.codes[1][:size]
    return Book(code, length)


def used(symbols: Sequence[Symbols], slots: int) -> NDArray[np.bool_]:
    """Which symbols occur, by component, kind (0 DC, 1 AC) and symbol: (slots, 2, 256)."""
    seen = np.zeros(SPAN * slots, np.int64)
    for part in symbols:
        seen += np.bincount(part.number, minlength=SPAN * slots)
    result = np.zeros((slots, 2, 256), bool)
    by_slot = seen.reshape(slots, SPAN) > 0
    result[:, 0, :16] = by_slot[:, DC : DC + 16]
    result[:, 1] = by_slot[:, :DC]
    return result


def nonzero(values: NDArray[np.bool_]) -> tuple[Ints, Ints]:
    """Rows and columns where a matrix is set: what np.nonzero gives, in a fraction of its time."""
    place = np.flatnonzero(values)
    rows = place // values.shape[1]
    return rows, place - rows * values.shape[1]


def magnitude(values: Numbers) -> tuple[Ints, Ints]:
    """The size category of numbers (-32767 to 32767), and the extra bits that tell them."""
    size = _SIZES[np.abs(values)].astype(np.int64)
    return size, np.where(values < 0, values + (1 << size) - 1, values)


def sequential(differences: Ints, coefficients: Ints, whole: NDArray[np.bool_], slot: Ints) -> Symbols:
    """Blocks of a sequential scan.

    Args:
        differences: (N,) of the DC coefficients.
        coefficients: (N, 63), the others in zigzag order.
        whole: (N,), False where only the DC difference is wanted.
        slot: (N,) component of the scan.
    """
    values = np.where(whole[:, None], coefficients, 0)
    size, extra = magnitude(differences)
    return _runs(values, (whole & (values[:, -1] == 0)).astype(np.int64), slot, (size + DC, extra, size))


def band(values: Numbers, ends: Ints) -> Symbols:
    """Blocks in the first scan of a band of coefficients.

    Args:
        values: (N, band), without the bits that later scans add.
        ends: (N,) blocks of the end-of-band run that begins in this one, 0 for none.
    """
    return _runs(values, ends, np.zeros(len(values), np.int64), None)


def differences(values: Ints, slot: Ints) -> Symbols:
    """DC differences of a progressive scan."""
    size, extra = magnitude(values)
    return _symbols(SPAN * slot + DC + size, extra, size, np.ones(len(values), np.int64))


def single_bits(values: Ints) -> Symbols:
    """One bit a block, in a scan that refines DC coefficients."""
    ones = np.ones(len(values), np.int64)
    return _symbols(ones * NONE, values, ones, ones)


def refined(values: Numbers, ends: Ints) -> Symbols:
    """Blocks in a scan that adds one bit to a band of coefficients; arguments as for `band`.

    The correction bit of a coefficient follows the symbol during whose run it is passed; everything
    is given a key by its place in the block, and sorted.
    """
    count, width = values.shape
    known = np.abs(values) > 1
    rows, place = nonzero(np.abs(values) == 1)
    zero_rows, zero_place = nonzero(~known)  # where a run counts
    begin = np.concatenate([[0], np.cumsum(np.bincount(zero_rows, minlength=count))])[:-1]
    rank = (np.cumsum(~known, axis=1) - 1)[rows, place]
    first = np.diff(rows, prepend=-1) > 0
    before = np.where(first, -1, np.roll(rank, 1))
    run = rank - before - 1
    more = 1 + (run >> 4)
    which = np.repeat(np.arange(len(rows)), more)
    step = np.arange(len(which)) - np.repeat(np.cumsum(more) - more, more)
    final = step == (more - 1)[which]
    reached = before[which] + 16 * step  # rank of the zero that the symbol before went to
    index = np.minimum(np.maximum(begin[rows[which]] + reached, 0), len(zero_place) - 1)
    after = np.where(reached < 0, 0, zero_place[index] + 1)
    key = 2 * (rows[which] * (width + 1) + after)
    number = np.where(final, (run[which] & 15) << 4 | 1, _ZEROS)
    positive = (values[rows, place] > 0).astype(np.int64)
    extra, bits = np.where(final, positive[which], 0), final.astype(np.int64)

    tails = np.flatnonzero(ends)
    last = np.zeros(count, np.int64)
    last[rows] = place + 1  # the last one of several counts: numpy assigns in order
    end_number, end_extra, end_bits = _end(ends[tails])
    known_rows, known_place = nonzero(known)
    corrections = np.abs(values[known_rows, known_place]) & 1
    ones = np.ones(len(known_rows), np.int64)
    end_key = 2 * (tails * (width + 1) + last[tails])
    correction_key = 2 * (known_rows * (width + 1) + known_place) + 1
    keys = np.concatenate([key, end_key, correction_key])
    order = np.argsort(keys, kind="stable")
    per_row = np.bincount(np.concatenate([rows[which], tails, known_rows]), minlength=count)
    return _symbols(
        np.concatenate([number, end_number, NONE * ones])[order],
        np.concatenate([extra, end_extra, corrections])[order],
        np.concatenate([bits, end_bits, ones])[order],
        per_row,
    )


def _runs(values: Numbers, ends: Ints, slot: Ints, lead: tuple[Ints, Ints, Ints] | None) -> Symbols:
    """Runs of zeros with the coefficient that ends them, after one symbol a block if `lead` is given."""
    count = len(values)
    rows, place = nonzero(values != 0)
    first = np.diff(rows, prepend=-1) > 0
    run = place - np.where(first, -1, np.roll(place, 1)) - 1
    size, extra = magnitude(values[rows, place])
    more = 1 + (run >> 4)
    per_row = np.bincount(rows, more, count).astype(np.int64)
    tails = np.flatnonzero(ends)
    counts = per_row + (ends > 0) + (lead is not None)
    begin = np.cumsum(counts) - counts
    total = int(counts.sum())
    numbers = np.full(total, _ZEROS, np.int64)  # entries that stay stand for sixteen zeros
    extras, bits = np.zeros(total, np.int64), np.zeros(total, np.int64)
    shift = begin + (lead is not None) - (np.cumsum(per_row) - per_row)
    target = np.cumsum(more) - 1 + shift[rows]
    numbers[target], extras[target], bits[target] = (run & 15) << 4 | size, extra, size
    target = (begin + counts - 1)[tails]
    numbers[target], extras[target], bits[target] = _end(ends[tails])
    if lead is not None:
        numbers[begin], extras[begin], bits[begin] = lead
    return _symbols(numbers + np.repeat(SPAN * slot, counts), extras, bits, counts)


def _end(length: Ints) -> tuple[Ints, Ints, Ints]:
    """Symbol, extra bits and their number for end-of-band runs of so many blocks."""
    exponent = _SIZES[length].astype(np.int64) - 1
    return exponent << 4, length - (1 << exponent), exponent


def _symbols(number: Ints, extra: Ints, bits: Ints, counts: Ints) -> Symbols:
    return Symbols(number.astype(np.uint16), extra.astype(np.uint16), bits.astype(np.uint8), counts)
