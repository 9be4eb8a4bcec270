"""Groups of near-duplicates: other scans, crops and frames of the same work.

Candidate pairs come from `neighbours.py`: a perceptual hash (pHash, 64 bits; Zauner 2010) finds scans that
differ in size, compression and tone; features also find crops, frames and rotations. For each pair
`matching.same_work` compares the two pictures and decides.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.errors import PentimentoError

Pairs = NDArray[np.int64]  # (M, 2): positions of two works, the lower one first

_BLOCK = 512  # works that are compared with all others at once: 40 MB for 20,000 works


def near_groups(hashes: Sequence[str], distance: int) -> NDArray[np.int64]:
    """Groups of works whose hashes differ in at most `distance` bits, directly or through other works.

    Returns:
        Group of each work, shape (N,): the position of the group's first work.
    """
    different = sorted(set(hashes))  # thousands of blank pages share one hash
    found = [_NONE]
    for start, rows in _hash_distances(different):
        pairs = np.argwhere(rows <= distance) + start
        found.append(pairs[pairs[:, 0] < pairs[:, 1]])
    cluster = dict(zip(different, group_pairs(len(different), np.concatenate(found)).tolist(), strict=True))
    _, first, number = np.unique([cluster[h] for h in hashes], return_index=True, return_inverse=True)
    return np.asarray(first[number], np.int64)


def grouped(hashes: Sequence[str], distance: int, pairs: Pairs) -> NDArray[np.int64]:
    """Groups of works that are linked by pairs, or by hashes that differ in at most `distance` bits.

    Returns:
        Group of each work, shape (N,): the position of the group's first work.
    """
    alike = near_groups(hashes, distance)
    links = np.stack([np.arange(len(alike)), alike], axis=1)
    return group_pairs(len(alike), np.concatenate([links, pairs]))


def with_groups(works: pd.DataFrame, groups: pd.DataFrame) -> pd.DataFrame:
    """The works with the column `group`, taken from a table (id, group).

    Raises:
        PentimentoError: when the table lists other works.
    """
    known = groups.set_index("id")["group"]
    group = works["id"].map(known)
    if len(known) != len(works) or group.isna().any():
        raise PentimentoError("the groups are of other works; `dvc repro` makes them again")
    return works.assign(group=group.astype("int64"))


def group_pairs(count: int, pairs: Pairs) -> NDArray[np.int64]:
    """Groups of `count` works that the pairs link, directly or through other works.

    Returns:
        Group of each work, shape (count,): the position of the group's first work.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if count == 0:
        return np.zeros(0, np.int64)
    links = coo_array((np.ones(len(pairs), bool), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    _, number = connected_components(links, directed=False)
    _, first = np.unique(number, return_index=True)
    return np.asarray(first[number], np.int64)


_NONE: Pairs = np.zeros((0, 2), np.int64)


def _hash_distances(hashes: Sequence[str]) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Blocks (S, distances (B, N - S)): differing bits between hashes S to S + B and hashes S to N."""
    bits = np.array([int(value, 16) for value in hashes], np.uint64)
    for start in range(0, len(bits), _BLOCK):
        yield start, np.bitwise_count(bits[start : start + _BLOCK, None] ^ bits[start:])
