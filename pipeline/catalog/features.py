"""Features in tables: 1280 numbers that describe a picture (see describing.py).

Suspect labels, near-duplicates, completed labels and synthetic training rows are computed from them.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

FEATURES = 1280  # numbers per picture


def pack(vector: NDArray[np.float32]) -> str:
    """A row of `describing.describe`, shape (1280,), as 3,416 characters for JSON: float16, base64."""
    return base64.b64encode(np.asarray(vector).astype("<f2").tobytes()).decode("ascii")


def unpack(text: str) -> NDArray[np.float32]:
    """The row (1280,) that `pack` wrote.

    Raises:
        ValueError: when the text is not such a row.
    """
    return _half(text).astype(np.float32)


def _half(text: str) -> NDArray[np.float16]:
    try:
        raw = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise ValueError(f"no packed features: {error}") from None
    if len(raw) != 2 * FEATURES:
        raise ValueError(f"no packed features: {len(raw)} bytes, not {2 * FEATURES}")
    return np.frombuffer(raw, "<f2")


def matrix(
    table: pd.DataFrame, digests: Iterable[str], column: Literal["features", "centres"] = "features"
) -> NDArray[np.float32]:
    """The features (N, 1280) of files, found by their SHA-256; NaN for a file without features.

    Args:
        table: with the columns sha256, features and centres, as `pack` writes them.
        digests: SHA-256 of N files.
        column: `features` of whole pictures, or `centres`.
    """
    packed = dict(zip(table["sha256"], table[column], strict=True))
    wanted = list(digests)
    rows = np.full((len(wanted), FEATURES), np.nan, np.float32)
    for place, digest in enumerate(wanted):
        if digest in packed:
            rows[place] = _half(packed[digest])
    return rows
