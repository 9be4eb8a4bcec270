"""Features of pictures, computed by the pretrained EfficientNet-Lite0."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from pipeline.archive.packs import Reduced
from pipeline.catalog.features import pack
from pipeline.catalog.location import PictureFile


def describe_file(picture: PictureFile, pictures: Reduced) -> list[str]:
    """The features of a file's picture and of its centre, each as `features.pack` writes them.

    Raises:
        ItemError: when the file cannot be decoded completely.
    """
    pixels = pictures.read(picture.sha256, picture.find)
    return [pack(row) for row in describe([pixels, centre(pixels)])]


def describe(pictures: Iterable[NDArray[np.uint8]]) -> NDArray[np.float32]:
    """Features of pictures of any size, each (H, W, 3) 8-bit sRGB, resized to 224 x 224.

    A row has length 1, so the dot product of two rows is their cosine similarity. It depends only on its own
    picture. Its numbers are exact in float16, so `features.pack` stores them without loss.

    Returns:
        Array of shape (N, 1280). A row's length is 1 to within 0.001 (the rounding to float16).
    """
    from pipeline.models import lite0

    # One picture at a time, which is as fast on a CPU: in a batch the last bits would depend on the others.
    raw = lite0.embed(pictures, batch=1)
    lengths = np.linalg.norm(raw, axis=1, keepdims=True)
    unit = raw / np.maximum(lengths, np.finfo(np.float32).tiny)
    return np.asarray(unit.astype(np.float16), np.float32)


def centre(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The centre (0.8 H, 0.8 W, 3) of a picture (H, W, 3): without its frame, and similar to a crop."""
    height, width = picture.shape[:2]
    top, left = height // 10, width // 10
    return picture[top : height - top, left : width - left]
