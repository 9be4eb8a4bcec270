"""Packed shards: many small decoded pictures in a few large files, read by memory map.

A folder holds `shard-00000.bin` … (raw 8-bit RGB, row by row, one picture after another) and
`index.parquet` (id, shard, offset, height, width and whatever columns the writer adds). Many small
files are slow in DVC and on disks, and raw pixels need no decoding in the training loop. Shard boundaries
depend on each picture's id, not on its position, so a new picture rewrites one shard. DVC stores the other
shards once, and a run reuses them from the folder of kept shards.
"""

from __future__ import annotations

import errno
import os
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.archive.fixity import value_sha256
from pipeline.archive.tables import read_table
from pipeline.progress import track

SHARD_BYTES = 256 * 2**20  # at most
SHARD_PICTURES = 256  # on average
INDEX = "index.parquet"
_NO_LINK = (
    errno.ENOENT, errno.EEXIST, errno.EXDEV, errno.EPERM, errno.EACCES, errno.ENOTSUP, errno.EMLINK
)  # fmt: skip


@dataclass(frozen=True)
class Planned:
    """A picture that is to be packed.

    key: its work.
    content: what its pixels depend on, as a text.
    height, width: pixels.
    """

    key: str
    content: str
    height: int
    width: int

    @property
    def size(self) -> int:
        """Bytes."""
        return self.height * self.width * 3


def write_shards(folder: Path, pictures: Iterable[tuple[str, NDArray[np.uint8]]]) -> pd.DataFrame:
    """Pack pictures, each of shape (height, width, 3), and return the index of their places."""
    held = list(pictures)
    planned = [Planned(key, "", *pixels.shape[:2]) for key, pixels in held]
    return renew_shards(folder, planned, lambda positions: (held[n][1] for n in positions))


def renew_shards(
    folder: Path,
    pictures: Sequence[Planned],
    read: Callable[[Sequence[int]], Iterator[NDArray[np.uint8]]],
    kept: Path | None = None,
    label: str = "packing",
) -> pd.DataFrame:
    """Pack pictures, and return the index of their places; pictures of kept shards are not read.

    Afterwards both folders hold the shards, as hard links where the file system has them. The files are
    read-only, so nobody changes both by mistake. All other files in `kept` are removed.

    Args:
        folder: of the shards.
        pictures: in the order in which they are to be packed.
        read: positions of pictures -> their pixels, in that order.
        kept: the folder with the shards of the last run, which may be missing; None: keep nothing.
        label: what the progress bar says.
    """
    for each in (folder, kept):
        if each is not None:
            each.mkdir(parents=True, exist_ok=True)
    rows, used = [], set()
    for number, members in enumerate(track(_parted(pictures), label)):
        planned, offset = [pictures[position] for position in members], 0
        file = _shard(folder, number)
        last = kept and kept / f"{value_sha256([[p.content, p.height, p.width] for p in planned])}.bin"
        if last is None or not _linked(last, file, sum(picture.size for picture in planned)):
            with file.open("wb") as handle:
                for pixels in read(members):
                    handle.write(np.ascontiguousarray(pixels).data)
            if last is not None:
                _keep(file, last)
        used.add(last)
        for picture in planned:
            rows.append((picture.key, number, offset, picture.height, picture.width))
            offset += picture.size
    for file in set(kept.iterdir() if kept else ()) - used:
        file.unlink(missing_ok=True)
    return pd.DataFrame(rows, columns=["id", "shard", "offset", "height", "width"])


def _parted(pictures: Sequence[Planned]) -> list[list[int]]:
    """The positions of each shard's pictures; one empty shard where there are none."""
    parts: list[list[int]] = [[]]
    offset = 0
    for position, picture in enumerate(pictures):
        if _begins(picture.key, offset, picture.size):
            parts.append([])
            offset = 0
        parts[-1].append(position)
        offset += picture.size
    return parts


def _begins(key: str, offset: int, size: int) -> bool:
    """Whether a picture starts a new shard when the current one holds `offset` bytes."""
    chosen = zlib.crc32(key.encode("utf-8", "surrogateescape")) % SHARD_PICTURES == 0
    return offset > 0 and (chosen or offset + size > SHARD_BYTES)


def _keep(file: Path, last: Path) -> None:
    """Give a shard a second name; it is flushed first, so a power cut cannot leave a partial shard."""
    with file.open("rb") as handle:
        os.fsync(handle.fileno())
    file.chmod(0o444)
    last.unlink(missing_ok=True)
    _linked(file, last)


def _linked(source: Path, target: Path, size: int | None = None) -> bool:
    """Hard-link a file of that size; false when there is none, or the file system has no links."""
    try:
        if size is not None and source.stat().st_size != size:
            return False
        os.link(source, target)
    except OSError as error:
        # The file is gone, another process made the target, or the file system does not allow the link.
        if error.errno in _NO_LINK:
            return False
        raise
    return True


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
