"""Packed shards: many small pictures in few large files, decoded once, read by memory map.

A folder holds `shard-00000.bin` … (raw 8-bit RGB, row by row, one picture after another) and
`index.parquet` (id, shard, offset, height, width and whatever columns the writer adds). Many small
files are slow in DVC and on disks; raw pixels cost no decoding in the training loop. Where a shard ends is
the pictures' own to say, not their number: a new picture changes the shard that it falls into, and DVC
keeps one copy of the others.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.archive.tables import read_table

SHARD_BYTES = 256 * 2**20  # at most
SHARD_PICTURES = 256  # on average
INDEX = "index.parquet"


def write_shards(folder: Path, pictures: Iterable[tuple[str, NDArray[np.uint8]]]) -> pd.DataFrame:
    """Pack pictures, each of shape (height, width, 3), and return the index of their places."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    shard, offset = 0, 0
    handle = _shard(folder, shard).open("wb")
    try:
        for key, pixels in pictures:
            begins = zlib.crc32(key.encode("utf-8", "surrogateescape")) % SHARD_PICTURES == 0
            if offset and (begins or offset + pixels.nbytes > SHARD_BYTES):
                handle.close()
                shard, offset = shard + 1, 0
                handle = _shard(folder, shard).open("wb")
            handle.write(np.ascontiguousarray(pixels).data)
            rows.append((key, shard, offset, *pixels.shape[:2]))
            offset += pixels.nbytes
    finally:
        handle.close()
    return pd.DataFrame(rows, columns=["id", "shard", "offset", "height", "width"])


class Shards:
    """Random access to a folder of packed pictures, in the order of its index."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @cached_property
    def index(self) -> pd.DataFrame:
        """One row per picture; see the module."""
        return read_table(self.folder / INDEX)

    @cached_property
    def _places(self) -> list[tuple[int, int, int, int]]:
        columns = self.index[["shard", "offset", "height", "width"]]
        return [tuple(row) for row in columns.to_numpy().tolist()]

    @cached_property
    def _maps(self) -> dict[int, NDArray[np.uint8]]:
        shards = self.index["shard"].unique()
        return {int(n): np.memmap(_shard(self.folder, n), np.uint8, "r") for n in shards}

    def rows(self, split: str) -> list[int]:
        """The positions of one split's pictures ('train', 'val' or 'test')."""
        return [int(n) for n in np.flatnonzero((self.index["split"] == split).to_numpy())]

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, position: int) -> NDArray[np.uint8]:
        """The picture at a position: a read-only view of shape (height, width, 3)."""
        shard, offset, height, width = self._places[position]
        flat = self._maps[shard][offset : offset + height * width * 3]
        return flat.reshape(height, width, 3)


def _shard(folder: Path, number: int) -> Path:
    return folder / f"shard-{number:05d}.bin"
