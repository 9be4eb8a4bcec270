"""Write TIFF 6.0 and BigTIFF: pages assembled from byte ranges of other files and from tags.

An unchanged page is copied strip by strip in its compressed form. A changed page takes its pixels and the
tags of their layout from a TIFF that libvips wrote. All other tags come from the source with their values,
EXIF and GPS folders included, in the source's byte order.
"""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from pipeline.archive.formats.slices import Content, Part
from pipeline.archive.formats.tiff import Folder, Tag, swapped
from pipeline.archive.formats.xmp import with_source_type

CLASSIC_LIMIT = 2**32 - 2**20  # bytes that a classic TIFF can address, with a margin
XMP = 700
_DATA_TAGS = (273, 279, 288, 289, 324, 325)  # places and sizes of strips, free space and tiles
# Tags that say how the pixels are laid out: they belong to the new pixels.
_STRUCTURE = frozenset(
    (
        *(256, 257, 258, 259, 262, 263, 264, 265, 266, 273, 277, 278, 279, 284, 288, 289, 292, 293),
        *(317, 320, 322, 323, 324, 325, 330, 338, 339, 347),
        *range(512, 522),
        *range(529, 533),
    )
)
_RANGES = (280, 281, 340, 341)  # smallest and largest sample


@dataclass(frozen=True)
class Page:
    """A page to be written."""

    tags: dict[int, Tag]  # without those that say where the pixels are
    tiled: bool
    data: list[Part]  # strips or tiles in order; size 0 is an empty one
    recode: Callable[[bytes], bytes] | None = None  # done to each strip or tile on its way

    @property
    def size(self) -> int:
        """About how many bytes it takes, never fewer."""
        pixels = sum(part.size + 40 for part in self.data)
        return (pixels * 3 // 2 if self.recode else pixels) + _size(self.tags)


def kept(content: Content, folder: Folder) -> Page:
    """A page as it is in its file."""
    tags = {number: tag for number, tag in folder.tags.items() if number not in _DATA_TAGS}
    return Page(tags, folder.tiled, [Part(content, *chunk) for chunk in folder.chunks()])


def renewed(source: dict[int, Tag], layout: dict[int, Tag], same_values: bool) -> dict[int, Tag]:
    """The tags of a page with new pixels.

    Args:
        source: tags of the page in its source.
        layout: tags of the new pixels, from which those about the layout are taken.
        same_values: whether a sample's number means what it meant in the source (no palette widened).
    """
    tags = {n: tag for n, tag in layout.items() if n in _STRUCTURE and n not in _DATA_TAGS}
    # An equal number in another integer type stays as in the source.
    tags |= {n: source[n] for n in tags.keys() & source.keys() if source[n].numbers() == tags[n].numbers()}
    dropped = _STRUCTURE if same_values else _STRUCTURE.union(_RANGES)
    tags |= {number: tag for number, tag in source.items() if number not in dropped}
    if same_values and 338 in tags and 338 in source and source[338].count == tags[338].count:
        tags[338] = source[338]  # alpha, or an unspecified channel
    return tags


def stated(tags: dict[int, Tag], source_type: str) -> dict[int, Tag] | None:
    """The tags with an IPTC digital source type in their XMP packet, or None where that is not safe."""
    packet = with_source_type(tags[XMP].content() if XMP in tags else None, source_type)
    return None if packet is None else tags | {XMP: Tag(1, len(packet), packet)}


def front(tags: dict[int, Tag], chunks: list[tuple[int, int]], tiled: bool, order: str) -> bytes:
    """The beginning of a BigTIFF of one page; the chunks' places count from its end."""
    places, sizes = (324, 325) if tiled else (273, 279)
    base = 0
    while True:
        values = np.array(chunks, np.uint64) + np.array((base, 0), np.uint64)
        out = io.BytesIO()
        writer = _Writer(out, True, order)
        writer.folder(
            tags
            | {
                places: Tag(16, len(values), values[:, 0].astype("<u8").tobytes()),
                sizes: Tag(16, len(values), values[:, 1].astype("<u8").tobytes()),
            }
        )
        if base:
            return out.getvalue()
        base = len(out.getvalue())


def write(out: BinaryIO, pages: Sequence[Page], big: bool, order: str) -> None:
    """Write a TIFF.

    Args:
        out: a new file.
        pages: in order.
        big: BigTIFF. The caller has seen that a classic TIFF can hold the pages (`Page.size`).
        order: byte order, "<" or ">". It is the one of the pages' pixel data.

    Raises:
        ItemError: when a source was cut off meanwhile.
    """
    writer = _Writer(out, big, order)
    for page in pages:
        writer.page(page)


class _Writer:
    def __init__(self, out: BinaryIO, big: bool, order: str) -> None:
        self._out, self._big, self._order = out, big, order
        self._letter, self._inline = ("Q", 8) if big else ("I", 4)
        mark = b"II" if order == "<" else b"MM"
        out.write(mark + (self._pack("HHH", 43, 8, 0) if big else self._pack("H", 42)))
        self._link = out.tell()  # where the offset of the next folder goes
        out.write(bytes(self._inline))

    def page(self, page: Page) -> None:
        places, sizes = [], []
        for part in page.data:
            place = self._align() if part.size else 0
            if part.size and page.recode:
                self._out.write(page.recode(part.read()))
            else:
                part.copy(self._out)
            places.append(place)
            sizes.append(self._out.tell() - place if part.size else 0)
        kind = 16 if self._big else 4
        tags = dict(page.tags)
        for number, values in zip((324, 325) if page.tiled else (273, 279), (places, sizes), strict=True):
            tags[number] = Tag(kind, len(values), struct.pack(f"<{len(values)}{self._letter}", *values))
        self.folder(tags)

    def folder(self, tags: dict[int, Tag]) -> None:
        place = self._folder(tags)
        end = self._out.tell()
        self._out.seek(self._link)
        self._out.write(self._pack(self._letter, place))
        self._out.seek(end)
        self._link = end - self._inline

    def _folder(self, tags: dict[int, Tag]) -> int:
        """Append values and folder; returns the folder's place. Tags are in ascending order (TIFF 6.0)."""
        rows = []
        for number in sorted(tags):
            tag = tags[number]
            kind, count, data = tag.kind, tag.count, tag.data
            if tag.folder is not None:
                kind, count = (18 if self._big else 4), 1
                value = self._pack(self._letter, self._folder(tag.folder))
            elif isinstance(data, Part):
                place = self._align()
                data.copy(self._out)
                value = self._pack(self._letter, place)
            else:
                value = swapped(data, kind) if self._order == ">" else data
                if len(value) > self._inline:
                    value = self._pack(self._letter, self._append(value))
            rows.append(
                self._pack(f"HH{self._letter}", number, kind, count) + value.ljust(self._inline, b"\0")
            )
        head = self._pack("Q" if self._big else "H", len(rows))
        return self._append(head + b"".join(rows) + bytes(self._inline))

    def _append(self, data: bytes) -> int:
        place = self._align()
        self._out.write(data)
        return place

    def _align(self) -> int:
        place = self._out.seek(0, os.SEEK_END)
        self._out.write(bytes(-place % 8))
        return self._out.tell()

    def _pack(self, layout: str, *values: int) -> bytes:
        return struct.pack(self._order + layout, *values)


def _size(tags: dict[int, Tag]) -> int:
    total = 100
    for tag in tags.values():
        data = tag.data
        total += 40 + (data.size if isinstance(data, Part) else len(data))
        total += _size(tag.folder) if tag.folder is not None else 0
    return total
