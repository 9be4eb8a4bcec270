"""How this project uses libvips: files by descriptor, pictures as streams of bands.

A descriptor works for any file name. libvips itself reads options from "[...]" in a name and accepts
valid UTF-8 only. A descriptor that was opened for reading also protects the source from writes.
"""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.archive.canvas import BAND
from pipeline.archive.formats.slices import Content
from pipeline.errors import ItemError

os.environ.setdefault("VIPS_CONCURRENCY", "1")  # one thread per image; images run side by side
logging.getLogger("pyvips").setLevel(logging.WARNING)

Band = tuple[int, NDArray[Any]]  # first row, pixels (rows, width, channels)

_STREAMS = ("png", "jpeg", "tiff")  # the other loaders map the file or need all its bytes
_TYPES = {"uchar": np.uint8, "ushort": np.uint16}
_MACHINE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


def load(path: Path, kind: str | None, page: int = 0) -> Any:
    """A file as a libvips image for reading once from top to bottom; only its header is read now.

    Args:
        path: the file.
        kind: png, jpeg, tiff, webp; None lets libvips judge.
        page: folder of a TIFF file, from 0.

    Raises:
        ItemError: when it is no readable image.
    """
    pyvips = library()
    options: dict[str, Any] = {"access": "sequential", "fail_on": "error"}
    if kind == "tiff":
        # Scanners write all rows as one strip, which exceeds libvips's limit; sizes were checked before.
        options |= {"page": page, "unlimited": True}
    try:
        if kind not in _STREAMS:
            return pyvips.Image.new_from_buffer(path.read_bytes(), "", **options)
        descriptor = os.open(path, os.O_RDONLY)
        try:
            source = pyvips.Source.new_from_descriptor(descriptor)  # it keeps a copy of the descriptor
        finally:
            os.close(descriptor)
        return getattr(pyvips.Image, f"{kind}load_source")(source, **options)
    except pyvips.Error as error:
        raise ItemError(f"is not a readable image: {reason(error)}") from None


def bands(image: Any) -> Iterator[Band]:
    """A picture from top to bottom, as it is decoded.

    Raises:
        ItemError: when its pixels cannot be decoded.
    """
    pyvips = library()
    try:
        region = pyvips.Region.new(image)
        for top in range(0, image.height, BAND):
            rows = min(BAND, image.height - top)
            data = region.fetch(0, top, image.width, rows)
            yield top, np.frombuffer(data, _TYPES[image.format]).reshape(rows, image.width, image.bands)
    except pyvips.Error as error:
        raise ItemError(f"cannot be decoded: {reason(error)}") from None


def bands_behind(front: bytes, content: Content) -> Iterator[Band]:
    """Bytes and then a whole file, read as one TIFF, from top to bottom like `bands`."""
    pyvips = library()
    source = pyvips.SourceCustom()
    place = 0

    def read(size: int) -> bytes:
        nonlocal place
        data = front[place : place + size]
        if not data:
            start = max(place - len(front), 0)
            data = content[start : start + size]
        place += len(data)
        return data

    def seek(offset: int, whence: int) -> int:
        nonlocal place
        place = offset + (0, place, len(front) + len(content))[whence]
        return place

    source.on_read(read)
    source.on_seek(seek)
    try:
        options = {"access": "sequential", "fail_on": "error", "unlimited": True}
        image = pyvips.Image.tiffload_source(source, **options)
    except pyvips.Error as error:
        raise ItemError(f"is not a readable image: {reason(error)}") from None
    try:
        yield from bands(image)
    finally:
        del image  # the image calls `read` of the source, so the source must be freed after it


def save(image: Any, path: Path, saver: str, **options: Any) -> None:
    """Encode a picture into a new file, as a stream.

    Raises:
        ItemError: when libvips cannot write such a picture.
        OSError: when the disk is full, or the like.
    """
    pyvips = library()
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        target = pyvips.Target.new_to_descriptor(descriptor)
        getattr(image, f"{saver}_target")(target, **options)
    except pyvips.Error as error:
        number = next((n for n in _MACHINE if os.strerror(n) in str(error)), None)
        if number is not None:
            raise OSError(number, os.strerror(number), str(path)) from None
        raise ItemError(f"cannot be written: {reason(error)}") from None
    finally:
        os.close(descriptor)


def grey(image: Any) -> Any:
    """The picture as 8-bit grey, its alpha laid over black.

    Raises:
        ItemError: when it has no colour space that can be turned into grey.
    """
    try:
        opaque = image.flatten() if image.hasalpha() else image
        return opaque.colourspace("b-w").cast("uchar")
    except library().Error as error:
        raise ItemError(f"cannot be decoded: {reason(error)}") from None


def can_read(name: str) -> bool:
    """Whether this build of libvips has a loader, for instance jp2k."""
    return bool(library().type_find("VipsOperation", f"{name}load_source"))


@cache
def library() -> Any:
    """The pyvips module, without its cache of operations, which would keep whole files in memory."""
    import pyvips

    pyvips.cache_set_max(0)
    return pyvips


def reason(error: Exception) -> str:
    """The error of libvips as one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[-1] if lines else type(error).__name__)[:200]
