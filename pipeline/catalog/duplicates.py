"""Duplicates: identical files, and near-duplicates by perceptual hash (pHash, 64 bits; Zauner 2010)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def perceptual_hash(picture: NDArray[np.uint8]) -> str:
    """The 64-bit pHash of a picture (H, W, 3), 8-bit sRGB, as 16 hexadecimal digits."""
    import imagehash
    from PIL import Image

    return str(imagehash.phash(Image.fromarray(picture)))


def near_groups(hashes: Sequence[str], distance: int) -> NDArray[np.int64]:
    """Number the groups of works whose hashes are linked by at most `distance` differing bits.

    Returns:
        Group of each work, shape (N,): the position of the group's first work.
    """
    parent = np.arange(len(hashes))

    def root(n: int) -> int:
        while parent[n] != n:
            parent[n] = parent[parent[n]]
            n = int(parent[n])
        return n

    bits = np.array([int(value, 16) for value in hashes], np.uint64)
    for n in range(1, len(bits)):
        for other in np.flatnonzero(np.bitwise_count(bits[:n] ^ bits[n]) <= distance):
            a, b = sorted((root(n), root(int(other))))
            parent[b] = a
    return np.array([root(n) for n in range(len(hashes))], np.int64)
