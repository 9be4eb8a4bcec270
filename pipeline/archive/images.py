"""Image files for training: what a file declares, and its pixels as 8-bit sRGB.

Restoration uses imagefile.py instead, which keeps depth, colour space and metadata.
"""

from __future__ import annotations

import logging
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.archive import filetypes
from pipeline.errors import ItemError

os.environ.setdefault("VIPS_CONCURRENCY", "1")  # one thread per image; images run side by side
logging.getLogger("pyvips").setLevel(logging.ERROR)

_DEPTHS = {
    "uchar": 8,
    "char": 8,
    "ushort": 16,
    "short": 16,
    "uint": 32,
    "int": 32,
    "float": 32,
    "double": 64,
}
_LEAST_FACTOR = 1.5  # least reduction left for libvips after the JPEG decoder has shrunk a picture
_MODES = {
    "b-w": "L",
    "grey16": "L",
    "srgb": "RGB",
    "rgb": "RGB",
    "rgb16": "RGB",
    "cmyk": "CMYK",
    "lab": "LAB",
}


@dataclass(frozen=True)
class ImageInfo:
    """What an image file declares about itself, without its pixels."""

    format: str  # by content, never by extension: jpeg, png, tiff, webp …
    width: int  # pixels, as stored (before EXIF orientation)
    height: int
    mode: str  # L, LA, RGB, RGBA, CMYK, LAB …
    bit_depth: int  # bits per sample, as declared
    pages: int
    icc: bool
    orientation: int  # EXIF, 1 to 8

    def as_row(self) -> dict[str, Any]:
        """The columns of the catalog that come from the file."""
        return asdict(self)


def probe(path: Path) -> ImageInfo:
    """Read a file's header.

    Raises:
        ItemError: when the file is empty, no image, or has a broken header.
    """
    image = _open(path)
    fields = set(image.get_fields())

    def get(name: str, default: Any) -> Any:
        return image.get(name) if name in fields else default

    mode = _MODES.get(image.interpretation, image.interpretation)
    if image.hasalpha():
        mode += "A"
    return ImageInfo(
        format=str(get("vips-loader", "unknown")).removesuffix("_buffer").removesuffix("load"),
        width=image.width,
        height=image.height,
        mode=mode,
        bit_depth=_DEPTHS.get(image.format, 0),
        pages=int(get("n-pages", 1)),
        icc="icc-profile-data" in fields,
        orientation=int(get("orientation", 1)),
    )


def read_rgb(path: Path, max_side: int | None = None) -> NDArray[np.uint8]:
    """The pixels of a file's first page as 8-bit sRGB, upright, alpha laid over mid-grey.

    Args:
        path: the file, opened for reading only.
        max_side: shrink so that the longer side has at most this many pixels.

    Returns:
        Array of shape (height, width, 3), values 0 to 255.

    Raises:
        ItemError: when the file cannot be decoded to its end.
    """
    pyvips = _pyvips()
    image = _open(path)
    require_whole_tiff(path)
    try:
        if max_side and max(image.width, image.height) > max_side:
            image = _thumbnail(path, image, max_side)
        else:
            image = _load(path, fail_on="truncated").autorot()
        if image.interpretation != "srgb" or image.format != "uchar":
            image = image.colourspace("srgb").cast("uchar")
        if image.hasalpha():
            image = image.flatten(background=128)
        if image.bands == 1:
            image = image.bandjoin([image, image])
        pixels: NDArray[np.uint8] = image.numpy()
    except pyvips.Error:
        # libvips has one message buffer for all threads: the text may belong to another picture.
        raise ItemError("cannot be decoded: the file is damaged or cut off") from None
    return np.ascontiguousarray(pixels[..., :3])


def require_whole_tiff(path: Path) -> None:
    """Refuse a TIFF whose strips or tiles reach beyond its end; other files pass.

    libtiff only warns about such a file and fills the missing pixels with grey.

    Raises:
        ItemError: when bytes are missing.
    """
    with path.open("rb") as handle:
        if filetypes.sniff(handle.read(16)) != "tiff":
            return
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            tags = dict(getattr(image, "tag_v2", {}))
    except (UnidentifiedImageError, OSError, SyntaxError):
        return  # a TIFF that Pillow cannot read; libvips decides
    for offsets, counts in ((273, 279), (324, 325)):  # strips, tiles (TIFF 6.0)
        ends = [a + b for a, b in zip(tags.get(offsets, ()), tags.get(counts, ()), strict=False)]
        if ends and max(ends) > path.stat().st_size:
            missing = max(ends) - path.stat().st_size
            raise ItemError(f"cannot be decoded: the file is cut off, {missing} bytes are missing")


def _open(path: Path) -> Any:
    pyvips = _pyvips()
    if path.stat().st_size == 0:
        raise ItemError("is empty (0 bytes)")
    try:
        image = _load(path)
    except pyvips.Error:
        raise ItemError("is not a readable image, or of a format that is not supported") from None
    if not image.get("vips-loader").startswith(filetypes.PICTURES):
        raise ItemError("is not a readable image: " + image.get("vips-loader").removesuffix("load"))
    return image


def _load(path: Path, **options: Any) -> Any:
    if _plain(path):
        return _pyvips().Image.new_from_file(str(path), **options)
    return _pyvips().Image.new_from_buffer(path.read_bytes(), "", **options)


def _thumbnail(path: Path, image: Any, max_side: int) -> Any:
    options: dict[str, Any] = {"height": max_side, "size": "down", "fail_on": "truncated"}
    factor = max(image.width, image.height) / max_side
    if image.get("vips-loader").startswith("jpeg") and factor >= _LEAST_FACTOR * 2:
        # libjpeg shrinks while it decodes. libvips uses that only when a factor of 2 remains for itself.
        shrink = max(n for n in (2, 4, 8) if n * _LEAST_FACTOR <= factor)
        loaded = _load(path, shrink=shrink, access="sequential", fail_on="truncated")
        return loaded.thumbnail_image(max_side, height=max_side, size="down")
    if _plain(path):
        return _pyvips().Image.thumbnail(str(path), max_side, **options)
    return _pyvips().Image.thumbnail_buffer(path.read_bytes(), max_side, **options)


def _plain(path: Path) -> bool:
    """Whether libvips can open the name: it reads options from "[...]" and takes valid UTF-8 only."""
    name = str(path)
    return "[" not in name and name.isprintable()


def _pyvips() -> Any:
    import pyvips

    return pyvips
