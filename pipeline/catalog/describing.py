"""Describing: the features of pictures, by the pretrained EfficientNet-Lite0."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from pipeline.archive.packs import Reduced
from pipeline.catalog.features import pack
from pipeline.catalog.location import PictureFile


def describe_file(picture: PictureFile, pictures: Reduced) -> list[str]:
    """The features of a file's picture and of its middle, each as `features.pack` writes them.

    Raises:
        ItemError: when the file cannot be decoded to its end.
    """
    pixels = pictures.read(picture.sha256, picture.find)
    return [pack(row) for row in describe([pixels, centre(pixels)])]


def describe(pictures: Iterable[NDArray[np.uint8]]) -> NDArray[np.float32]:
    """Features of pictures of any size, each (H, W, 3) 8-bit sRGB, squeezed to 224 x 224.

    A row has length 1, so the product of two rows is their cosine similarity. It depends on its own
    picture alone, and its numbers are whole in float16: `features.pack` keeps them exactly, so that what is
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


def centre(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The middle (0.8 H, 0.8 W, 3) of a picture (H, W, 3): without a frame, and near to a crop."""
    height, width = picture.shape[:2]
    top, left = height // 10, width // 10
    return picture[top : height - top, left : width - left]
