"""Huffman tables of JPEG (ITU-T T.81, annexes C and F), and what they say of 16 bits of a scan."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ItemError

END, BAD = 128, 255  # runs that end a block (+ the exponent of an end-of-band run), and that are no code

Steps = tuple[NDArray[np.uint8], NDArray[np.uint8]]  # for 16 bits: bits to go on, coefficients to go on


@dataclass(frozen=True)
class Table:
    """One table as a DHT segment gives it."""

    counts: bytes  # how many codes have 1, 2, ... 16 bits
    symbols: bytes  # the symbols in the order of their codes

    @cached_property
    def lookup(self) -> tuple[NDArray[np.int16], NDArray[np.uint8]]:
        """The symbol that 16 bits begin with (-1: none) and the bits of its code, each (65536,)."""
        lengths = np.repeat(np.arange(1, 17), list(self.counts))
        spans = 1 << (16 - lengths)
        symbol, length = np.full(65536, -1, np.int16), np.ones(65536, np.uint8)
        used = int(spans.sum())
        symbol[:used] = np.repeat(np.frombuffer(self.symbols, np.uint8), spans)
        length[:used] = np.repeat(lengths, spans)
        return symbol, length

    @cached_property
    def codes(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The code of each symbol and its bits (0: it has none), each (256,)."""
        code, length = np.zeros(256, np.int64), np.zeros(256, np.int64)
        place = 0
        for symbol, bits in self._rows():
            code[symbol], length[symbol] = place >> (16 - bits), bits
            place += 1 << (16 - bits)
        return code, length

    def dc_steps(self) -> Steps:
        """Bits of a DC difference; the second array is not used."""
        symbol, length = self.lookup
        return (length + np.clip(symbol, 0, 15)).astype(np.uint8), length

    def ac_steps(self, progressive: bool) -> Steps:
        """Bits and coefficients of an AC symbol; a run from `END` on ends the block, `BAD` is no code."""
        symbol, length = self.lookup
        size, zeros = symbol & 15, symbol >> 4
        run = np.where(size > 0, zeros + 1, np.where(zeros == 15, 16, END + zeros))
        bits = length + np.where(size > 0, size, np.where(zeros < 15, zeros, 0))
        bad = symbol < 0
        if not progressive:
            bad |= (size == 0) & (zeros > 0) & (zeros < 15)
        return np.where(bad, 1, bits).astype(np.uint8), np.where(bad, BAD, run).astype(np.uint8)

    def refining_steps(self) -> Steps:
        """Bits and places for new coefficients of a symbol that refines, correction bits not counted."""
        symbol, length = self.lookup
        size, zeros = symbol & 15, symbol >> 4
        run = np.where((size > 0) | (zeros == 15), zeros, END + zeros)
        bits = length + np.where(size > 0, 1, np.where(zeros < 15, zeros, 0))
        bad = (symbol < 0) | (size > 1)
        return np.where(bad, 1, bits).astype(np.uint8), np.where(bad, BAD, run).astype(np.uint8)

    def with_symbols(self, needed: Iterable[int]) -> tuple[Table, bool]:
        """A table that has codes for the `needed` symbols too, and whether the old codes stayed as they are.

        New codes follow the old ones, as far as there is room. Else the longest old codes are made
        16 bits long until there is.
        """
        rows = list(self._rows())
        have = {symbol for symbol, _ in rows}
        new = sorted(set(needed) - have)
        if not new:
            return self, True
        for bits in range(rows[-1][1] if rows else 1, 17):
            if _room(rows, bits) >= len(new):
                return _table([*rows, *((symbol, bits) for symbol in new)]), True
        place = len(rows) - 1
        while _room(rows, 16) < len(new):
            rows[place] = (rows[place][0], 16)
            place -= 1
        return _table([*rows, *((symbol, 16) for symbol in new)]), False

    def pack(self, kind: int, number: int) -> bytes:
        """The data of a DHT segment; kind is 0 for DC and 1 for AC."""
        return bytes([kind << 4 | number]) + self.counts + self.symbols

    def _rows(self) -> Iterable[tuple[int, int]]:
        lengths = np.repeat(np.arange(1, 17), list(self.counts)).tolist()
        return list(zip(self.symbols, lengths, strict=True))


def unpack(data: bytes) -> dict[tuple[int, int], Table]:
    """The tables of a DHT segment by (kind, number).

    Raises:
        ItemError: when the segment is broken.
    """
    tables, offset = {}, 0
    while offset < len(data):
        counts = data[offset + 1 : offset + 17]
        size = sum(counts)
        symbols = data[offset + 17 : offset + 17 + size]
        space = sum(count << (15 - n) for n, count in enumerate(counts))
        kind, number = data[offset] >> 4, data[offset] & 15
        if len(counts) < 16 or len(symbols) < size or space > 65536 or kind > 1 or number > 3:
            raise ItemError("is a damaged JPEG: a Huffman table is broken")
        tables[kind, number] = Table(counts, symbols)
        offset += 17 + size
    return tables


def _room(rows: list[tuple[int, int]], bits: int) -> int:
    """How many more codes of so many bits there are; the code of ones only must stay free."""
    return (1 << bits) - 1 - sum(1 << (bits - have) for _, have in rows)


def _table(rows: list[tuple[int, int]]) -> Table:
    rows = sorted(rows, key=lambda row: row[1])
    counts = [0] * 16
    for _, bits in rows:
        counts[bits - 1] += 1
    return Table(bytes(counts), bytes(symbol for symbol, _ in rows))
