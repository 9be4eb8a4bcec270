"""The nearest other works of each work, by perceptual hash and by features, kept from run to run.

The first run compares all pairs of works; later runs compare only new works with all others. The result
is the same, because similarities are whole numbers and ties are broken by position.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from pipeline import environment
from pipeline.archive.atomic import atomic_path

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Pairs = Ints  # (M, 2): positions of two works, the lower one first
Sieve = tuple[
    Callable[[Ints, Ints], Floats], float
]  # (rows, columns) -> similarities; the smallest that counts

DISTANCE = 10  # bits of 64 in which two hashes may differ
COSINE = 0.5  # smallest cosine similarity of two works' features
COUNT = 5  # neighbours of a work by each measure
_UNIT = 2048  # features are rounded to multiples of 1 / 2048
_CELLS = 10**7  # similarities that a thread holds at a time: 40 MB


@dataclass(frozen=True)
class NeighbourGraph:
    """The nearest others of N works, by S measures: up to K each, the most similar first."""

    keys: NDArray[np.str_]  # (N,), all that a work's similarities depend on
    near: Ints  # (N, S, K), positions; -1 for fewer than K
    score: Floats  # (N, S, K), similarities

    def pairs(self) -> Pairs:
        """Sorted pairs (M, 2) of works of which one is a neighbour of the other, each once."""
        work, sieve, rank = np.nonzero(self.near >= 0)
        found = np.stack([work, self.near[work, sieve, rank]], axis=1)
        return np.unique(np.sort(found, axis=1), axis=0).astype(np.int64).reshape(-1, 2)

    def save(self, file: Path) -> None:
        """Write to a .npz file, atomically."""
        with atomic_path(file) as temporary:
            np.savez(temporary, keys=self.keys, near=self.near, score=self.score)

    @classmethod
    def load(cls, file: Path) -> NeighbourGraph | None:
        """Read what `save` wrote; None when the file is missing or damaged."""
        try:
            with file.open("rb") as handle, np.load(handle) as saved:
                return cls(saved["keys"], saved["near"], saved["score"])
        except (OSError, ValueError, KeyError, EOFError, BadZipFile):
            return None


def candidate_pairs(hashes: Sequence[str], features: Floats, centres: Floats) -> Pairs:
    """Pairs of works that may show the same: near by hash or by features. Recall is high.

    Args: see `neighbours`.

    Returns:
        Sorted pairs (M, 2), each once: at most 2 N times COUNT, even if all works are similar.
    """
    return neighbours([""] * len(hashes), hashes, features, centres).pairs()


def neighbours(
    names: Iterable[str],
    hashes: Sequence[str],
    features: Floats,
    centres: Floats,
    before: NeighbourGraph | None = None,
) -> NeighbourGraph:
    """The neighbours of each work.

    Args:
        names: (N,) such as the SHA-256 of the works' files; they identify the works of an earlier run.
        hashes: (N,) perceptual hashes.
        features: (N, D), rows of length 1, as `describing.describe` gives them.
        centres: (N, D), the same of each picture's `centre`. One picture's centre is compared with another
            whole picture, which finds crops and frames.
        before: of an earlier run; its works are compared with new works only.
    """
    parts = zip(names, hashes, features, centres, strict=True)
    keys = np.array([_key(*part) for part in parts], "U64")
    sieves = _sieves(hashes, features, centres)
    near = np.full((len(keys), len(sieves), COUNT), -1, np.int64)
    score = np.full(near.shape, -np.inf, np.float32)
    kept, new = np.zeros(len(keys), bool), np.arange(len(keys))
    if before is not None:
        kept, new, near, score = _taken_over(before, keys, near, score)

    def compare(rows: Ints, columns: Ints) -> None:
        """Merge the most similar columns into the neighbours that the rows have so far."""
        for number, (likeness, least) in enumerate(sieves):
            values = likeness(rows, columns)
            values[rows[:, None] == columns] = -np.inf  # no work is its own neighbour
            values[values < least] = -np.inf
            places = np.broadcast_to(columns, values.shape)
            near[rows, number], score[rows, number] = _likest(
                np.concatenate([near[rows, number], places], axis=1),
                np.concatenate([score[rows, number], values], axis=1),
            )

    with ThreadPoolExecutor(environment.workers()) as pool:
        for rows, columns in ((np.flatnonzero(kept), new), (np.flatnonzero(~kept), np.arange(len(keys)))):
            blocks = np.array_split(rows, 1 + len(rows) * len(columns) // _CELLS)
            list(pool.map(lambda block, columns=columns: compare(block, columns), blocks))
    return NeighbourGraph(keys, near, score)


def _key(name: str, phash: str, features: Floats, centres: Floats) -> str:
    whole = b"\0".join((name.encode(), phash.encode(), features.tobytes(), centres.tobytes()))
    return hashlib.sha256(whole).hexdigest()


def _sieves(hashes: Sequence[str], features: Floats, centres: Floats) -> tuple[Sieve, ...]:
    bits = np.array([int(value, 16) for value in hashes], np.uint64)
    # Whole numbers: a sum stays below 2**24, so it does not depend on the order of additions.
    whole, middles = np.rint(features * _UNIT), np.rint(centres * _UNIT)

    def by_hash(rows: Ints, columns: Ints) -> Floats:
        different: Floats = np.bitwise_count(bits[rows, None] ^ bits[columns]).astype(np.float32)
        return 64 - different

    def by_features(rows: Ints, columns: Ints) -> Floats:
        others = whole[columns].T
        likeness: Floats = np.maximum(whole[rows] @ others, middles[rows] @ others)
        return likeness

    return (by_hash, 64 - DISTANCE), (by_features, COSINE * _UNIT**2)


def _taken_over(
    before: NeighbourGraph, keys: NDArray[np.str_], near: Ints, score: Floats
) -> tuple[NDArray[np.bool_], Ints, Ints, Floats]:
    """Positions of works that keep their neighbours and of new works, and the neighbours that are kept."""
    position = {key: n for n, key in enumerate(keys.tolist())}
    now = np.array([position.get(key, -1) for key in before.keys.tolist()], np.int64)  # of earlier works
    there = now[now >= 0]
    if (np.diff(there) <= 0).any():  # in another order ties would be broken otherwise
        return np.zeros(len(keys), bool), np.arange(len(keys)), near, score
    moved = np.where(before.near >= 0, now[before.near], -1)
    lost = ((before.near >= 0) & (moved < 0)).any(axis=(1, 2))
    stays = (now >= 0) & ~lost
    kept = np.zeros(len(keys), bool)
    kept[now[stays]] = True
    near[now[stays]], score[now[stays]] = moved[stays], before.score[stays]
    return kept, np.setdiff1d(np.arange(len(keys)), there), near, score


def _likest(places: Ints, score: Floats) -> tuple[Ints, Floats]:
    """The COUNT most similar (B, COUNT) of (B, C) works, in descending order; ties are broken by position."""
    bound = np.partition(score, -COUNT, axis=1)[:, -COUNT]
    row, column = np.nonzero((score >= bound[:, None]) & (score > -np.inf))
    order = np.lexsort((places[row, column], -score[row, column], row))
    row, column = row[order], column[order]
    rank = np.arange(len(row)) - np.searchsorted(row, row)
    row, column, rank = (part[rank < COUNT] for part in (row, column, rank))
    near, likest = (
        np.full((len(score), COUNT), -1, np.int64),
        np.full((len(score), COUNT), -np.inf, np.float32),
    )
    near[row, rank], likest[row, rank] = places[row, column], score[row, column]
    return near, likest
