"""What a picture shows, as numbers: features of the pretrained EfficientNet-Lite0.

Suspect labels, near-duplicates, completed labels and synthetic training rows all start from them.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

FEATURES = 1280  # numbers a picture


def describe(pictures: Iterable[NDArray[np.uint8]]) -> NDArray[np.float32]:
    """Features of pictures of any size, each (H, W, 3) 8-bit sRGB, squeezed to 224 x 224.

    A row has length 1, so the product of two rows is their cosine similarity. It depends on its own
    picture alone, and its numbers are whole in float16: `pack` keeps them exactly, so that what is
    read back from a ledger is what was computed.

    Returns:
        Array of shape (N, 1280). A row's length is 1 to within 0.001 (the rounding to float16).
    """
    from pipeline.models import lite0

    # One by one, which on a CPU is as fast: the last bits must not depend on the neighbours.
    raw = lite0.embed(pictures, batch=1)
    lengths = np.linalg.norm(raw, axis=1, keepdims=True)
    unit = raw / np.maximum(lengths, np.finfo(np.float32).tiny)
    return np.asarray(unit.astype(np.float16), np.float32)


def pack(vector: NDArray[np.float32]) -> str:
    """A row of `describe`, shape (1280,), as 3,416 characters that fit into JSON: float16, base64."""
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
    """The features (N, 1280) of files by their SHA-256; not a number where there are none.

    Args:
        table: with the columns sha256, features and centres, as `pack` writes them.
        digests: of N files.
        column: features of whole pictures, or of their middles.
    """
    packed = dict(zip(table["sha256"], table[column], strict=True))
    wanted = list(digests)
    rows = np.full((len(wanted), FEATURES), np.nan, np.float32)
    for place, digest in enumerate(wanted):
        if digest in packed:
            rows[place] = _half(packed[digest])
    return rows
