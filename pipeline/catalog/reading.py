"""Reads a picture file completely, and returns what the catalog records about it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.archive.images import probe
from pipeline.archive.packs import Reduced
from pipeline.catalog.location import PictureFile
from pipeline.errors import ItemError


def read_file(picture: PictureFile, pictures: Reduced, max_megapixels: float) -> dict[str, Any]:
    """The columns of the catalog that come from a file: those of `ImageInfo`, `phash` and `problem`.

    Args:
        picture: the file.
        pictures: stores the reduced picture for the stages that use it.
        max_megapixels: a file that declares more is not decoded, which `problem` states.

    Raises:
        ItemError: when the file is not an image or its header is damaged.
    """
    info = probe(picture.find())
    found = {**info.as_row(), "phash": None, "problem": None}
    if info.width * info.height > max_megapixels * 1e6:
        size = f"{info.width} x {info.height} pixels"
        limit = f"ingest.max_megapixels = {max_megapixels:g}"
        return found | {"problem": f"declares {size}, more than {limit}"}
    try:
        return found | {"phash": perceptual_hash(pictures.read(picture.sha256, picture.find))}
    except ItemError as error:
        return found | {"problem": str(error)}


def perceptual_hash(pixels: NDArray[np.uint8]) -> str:
    """The 64-bit pHash of a picture (H, W, 3), 8-bit sRGB, as 16 hexadecimal digits (Zauner 2010)."""
    import imagehash
    from PIL import Image

    return str(imagehash.phash(Image.fromarray(pixels)))
