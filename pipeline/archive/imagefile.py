"""Image files for restoration, reading: what a file declares, and its pixels into a canvas.

Unlike images.py (8-bit sRGB for training), this module keeps the picture's nature: 8 or 16 bit, grey, RGB
or CMYK, alpha, profile, tags and orientation. Pixels are as stored. They are decoded band by band, so a
picture of any size needs little memory. Exceptions are interlaced PNG, progressive JPEG and WebP, whose
libraries hold the whole picture. imagewrite.py follows these rules; `notes` name those that apply.

- PNG, TIFF, lossless WebP: pixels outside the mask are bit-identical, or the write fails.
- Palette and fewer than 8 bits: widened to RGB or grey of 8 bits, since filling needs new colours.
- Lossy WebP, JPEG inside TIFF: written losslessly, so nothing more is lost.
- JPEG: same tables and subsampling; the difference outside the mask is measured and returned. On
  request a lossless TIFF instead.
- Pages of a TIFF may be of different kinds. Reduced copies of a page (thumbnails, pyramids:
  NewSubfileType, bit 0) do not count as pages; they are updated with their page.
- Refused with a reason: animation, sub-images, associated alpha, Lab, float, extra channels.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.archive import filetypes, nature, vips
from pipeline.archive.canvas import Canvas
from pipeline.archive.formats import png, tiff, tiffdata
from pipeline.archive.formats.slices import Slices
from pipeline.errors import ItemError

_COLOURS = {"b-w": 1, "grey16": 1, "srgb": 3, "rgb": 3, "rgb16": 3, "cmyk": 4}
_DTYPES = {"uchar": np.uint8, "ushort": np.uint16}
_GREY = 16  # of 255; lossy compression may turn black into this


@dataclass(frozen=True)
class Page:
    """One picture of a file, as declared."""

    width: int  # pixels, as stored
    height: int
    channels: int  # alpha included
    colours: int  # channels that are not alpha: 1 grey, 3 RGB, 4 CMYK
    dtype: np.dtype[Any]  # uint8 or uint16
    folder: int = 0  # its number among the folders of a TIFF

    @property
    def shape(self) -> tuple[int, int, int]:
        """(height, width, channels)."""
        return self.height, self.width, self.channels


@dataclass(frozen=True)
class ImageFile:
    """A file that can be restored, without its pixels."""

    path: Path
    format: str  # png, jpeg, tiff or webp: by content, never by name
    size: int  # bytes
    pages: tuple[Page, ...]
    lossless: bool  # whether the file stores its pixels losslessly
    notes: tuple[str, ...]  # changes of nature when the file is written again
    reduced: tuple[tuple[Page, int], ...] = ()  # smaller copies of a page, and which page


def open_image(path: Path, max_megapixels: float) -> ImageFile:
    """Read what a file declares; its pixels are not read.

    Args:
        path: a file of any name; it is opened for reading only.
        max_megapixels: the most that one page may declare, in 1e6 pixels.

    Raises:
        ItemError: when it is no supported image, is cut off, declares more than `max_megapixels`, or
            has channels or a colour space that cannot be kept.
        OSError: when it cannot be opened.
    """
    with Slices(path) as content:
        if not len(content):
            raise ItemError("is empty (0 bytes)")
        name = filetypes.sniff(content[:16])
        if name is None:
            raise ItemError(f"{_foreign(content[:16])}; PNG, JPEG, TIFF and WebP are restored")
        known = nature.check(name, content)
        found = [_page(path, name, number, max_megapixels) for number in range(len(known.parents))]
        pages = tuple(page for page, parent in zip(found, known.parents, strict=True) if parent is None)
        reduced = []
        for page, parent in zip(found, known.parents, strict=True):
            if parent is not None:
                _check_reduced(page, found[parent])
                reduced.append((page, pages.index(found[parent])))
        return ImageFile(path, name, len(content), pages, known.lossless, known.notes, tuple(reduced))


def decode(file: ImageFile, page: int, canvas: Canvas) -> None:
    """Stream a page's pixels into a canvas of its shape and type.

    Raises:
        ItemError: when the pixels are broken or cut off.
    """
    wanted = file.pages[page]
    if canvas.shape != wanted.shape or canvas.dtype != wanted.dtype:
        raise ValueError(f"a page of {wanted.dtype} {wanted.shape} does not fit the canvas")
    for top, values in bands(file.path, file.format, wanted.folder):
        canvas.write((slice(top, top + len(values)), slice(0, wanted.width)), values)


def bands(path: Path, kind: str, folder: int = 0) -> Iterator[vips.Band]:
    """A picture from top to bottom, as it is decoded: first row, pixels (rows, width, channels).

    Args:
        path: the file.
        kind: png, jpeg, tiff or webp.
        folder: its number among the folders of a TIFF.

    Raises:
        ItemError: when the pixels are broken or cut off.
    """
    if kind != "tiff":
        yield from vips.bands(vips.load(path, kind))
        return
    with Slices(path) as content:
        found = tiff.header(content)
        page = found.folders[folder] if folder < len(found.folders) else tiff.Folder({})
        if page.get(259, 1) == tiffdata.ZSTD:
            yield from tiffdata.bands(content, page, found.order)
        elif tiffdata.in_planes(page) and page.get(259, 1) in nature.KEPT:
            fronts = tiffdata.planes(page, found.order)
            planes = [vips.bands_behind(front, content) for front in fronts]
            for parts in zip(*planes, strict=True):
                yield parts[0][0], np.concatenate([values for _, values in parts], axis=-1)
        else:
            yield from vips.bands(vips.load(path, kind, folder))


def count_pages(path: Path) -> int:
    """How many pages a picture file has; 1 for all but TIFF.

    Raises:
        ItemError: when it is a TIFF whose structure is broken.
    """
    with Slices(path) as content:
        return len(tiff.header(content).folders) if filetypes.sniff(content[:16]) == "tiff" else 1


def decode_mask(path: Path, shape: tuple[int, int], canvas: Canvas, page: int = 0) -> str | None:
    """Stream a mask file into a mask canvas: 255 where it is lighter than mid-grey (damage), else 0.

    Args:
        path: a picture of any kind, opened for reading only.
        shape: (height, width) that it must have.
        canvas: of shape (height, width, 1), uint8.
        page: of a TIFF with several pages, from 0.

    Returns:
        The kind of damage that a PNG states in its text chunk `kind`, or None.

    Raises:
        ItemError: when it cannot be read, or has another size.
    """
    try:
        return _mask(path, shape, canvas, page)
    except ItemError as error:
        text = str(error)
        raise ItemError(text if text.startswith("its mask") else f"its mask {text}") from None


def _mask(path: Path, shape: tuple[int, int], canvas: Canvas, page: int) -> str | None:
    kind = None
    with Slices(path) as content:
        if not len(content):
            raise ItemError("is empty (0 bytes)")
        name = filetypes.sniff(content[:16])
        if name == "png":
            kind = png.text(content, "kind")
        elif name == "tiff":
            found = tiff.header(content)
            tiff.require_whole(content, found)
            if page >= len(found.folders):
                raise ItemError(f"its mask has {len(found.folders)} pages, the picture has more")
    image = vips.load(path, name, page)
    if not str(image.get("vips-loader")).startswith(filetypes.MASKS):
        raise ItemError("is no image; a mask is a PNG, JPEG, TIFF, WebP, GIF or PPM file")
    if (image.height, image.width) != tuple(shape):
        given, wanted = f"{image.width} x {image.height}", f"{shape[1]} x {shape[0]}"
        raise ItemError(f"its mask has {given} pixels, the picture has {wanted}")
    lightest = 0
    for top, values in vips.bands(vips.grey(image)):
        lightest = max(lightest, int(values.max()))
        white = np.where(values > 127, 255, 0).astype(np.uint8)
        canvas.write((slice(top, top + len(values)), slice(0, image.width)), white)
    if (_GREY if name in ("jpeg", "webp") else 0) < lightest <= 127:
        raise ItemError(f"its mask marks nothing: damage is white (255), its lightest pixel is {lightest}")
    return kind


def _page(path: Path, name: str, folder: int, max_megapixels: float) -> Page:
    image = vips.load(path, name, folder)
    if image.width * image.height > max_megapixels * 1e6:
        size = f"{image.width} x {image.height} pixels"
        raise ItemError(f"declares {size}: more than max_megapixels {max_megapixels:g} allows")
    colours = _COLOURS.get(image.interpretation)
    if colours is None or image.format not in _DTYPES:
        what = f"{image.interpretation}, {image.format}"
        raise ItemError(f"has a colour space or depth that cannot be kept ({what})")
    if image.bands - colours not in (0, 1):
        raise ItemError(f"has {image.bands} channels; at most one beside the colours can be kept")
    kind: np.dtype[Any] = np.dtype(_DTYPES[image.format])
    return Page(image.width, image.height, image.bands, colours, kind, folder)


def _foreign(head: bytes) -> str:
    other = filetypes.foreign(head)
    if other == filetypes.JPEG_2000 and not vips.can_read("jp2k"):
        return "is a JPEG 2000 file, which this build of libvips cannot read"
    return f"is a {other} file" if other else "is no image"


def _check_reduced(copy: Page, page: Page) -> None:
    same = copy.colours == page.colours and copy.channels <= page.channels
    if not same or copy.dtype.itemsize > page.dtype.itemsize:
        raise ItemError("holds a reduced copy of another kind than its page, which cannot be updated")
