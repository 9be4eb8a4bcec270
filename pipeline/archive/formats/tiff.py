"""TIFF 6.0 and BigTIFF, reading: the folders (IFDs) of a file, one a page, and where its pixels lie.

This module reads neither pixels nor large private values: they are copied from file to file.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np

from pipeline.archive.formats.slices import Content, Part, unpack
from pipeline.errors import ItemError

_SIZES = {
    1: 1,
    2: 1,
    3: 2,
    4: 4,
    5: 8,
    6: 1,
    7: 1,
    8: 2,
    9: 4,
    10: 8,
    11: 4,
    12: 8,
    13: 4,
    16: 8,
    17: 8,
    18: 8,
}
_WORDS = {5: 4, 10: 4}  # a rational is two words of four bytes
_LETTERS = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}
_FOLDERS = (34665, 34853, 40965)  # EXIF, GPS, interoperability: their value is the place of a folder
_MOST_PAGES = 10_000
_LARGE = 1 << 20  # bytes; a larger value is not read

EXIF = 34665
RESOLUTION = (282, 283)  # across, down: pixels a unit
_EXIF_SIZE = (40962, 40963)  # PixelXDimension, PixelYDimension


@dataclass
class Tag:
    """One tag: its type, how many values, and their bytes in little-endian order."""

    kind: int
    count: int
    data: bytes | Part
    folder: dict[int, Tag] | None = field(default=None)  # for a tag that points to a folder

    def content(self) -> bytes:
        """Its bytes."""
        return self.data.read() if isinstance(self.data, Part) else self.data

    def numbers(self) -> list[int]:
        """The values of a tag that holds whole numbers."""
        letter = _LETTERS.get(self.kind)
        return list(struct.unpack(f"<{self.count}{letter}", self.content())) if letter else []


@dataclass(frozen=True)
class Folder:
    """The tags of a page."""

    tags: dict[int, Tag]

    def get(self, tag: int, default: int) -> int:
        """The first value of a tag of whole numbers."""
        numbers = self.tags[tag].numbers() if tag in self.tags else []
        return numbers[0] if numbers else default

    @property
    def tiled(self) -> bool:
        """Whether the pixels lie in tiles, not in strips."""
        return 322 in self.tags

    def chunks(self) -> list[tuple[int, int]]:
        """Place and size of each strip or tile, in order.

        Raises:
            ItemError: when the tags do not say it.
        """
        tags = [self.tags.get(number) for number in ((324, 325) if self.tiled else (273, 279))]
        places, sizes = (tag.numbers() if tag else [] for tag in tags)
        if not places or len(places) != len(sizes):
            raise ItemError("is a damaged TIFF: it does not say where its pixels are")
        return list(zip(places, sizes, strict=True))


@dataclass(frozen=True)
class Header:
    """What a TIFF declares."""

    big: bool  # BigTIFF
    order: str  # of its bytes: "<" little-endian, ">" big-endian
    folders: tuple[Folder, ...]


def header(content: Content, only_first: bool = False) -> Header:
    """The tags of all pages, or of the first one.

    Raises:
        ItemError: when the file's structure is broken.
    """
    try:
        order = {b"II": "<", b"MM": ">"}[content[:2]]
        big = unpack(f"{order}H", content, 2)[0] == 43
        following = unpack(f"{order}{'Q' if big else 'I'}", content, 8 if big else 4)[0]
        folders: list[Folder] = []
        seen: set[int] = set()
        while following and following not in seen and not (only_first and folders):
            seen.add(following)
            tags, following = _folder(content, following, order, big)
            folders.append(Folder(tags))
            if len(folders) > _MOST_PAGES:
                raise ItemError(f"has more than {_MOST_PAGES} pages")
    except (KeyError, struct.error, IndexError, RecursionError):
        raise ItemError("is a damaged TIFF: its tags cannot be read") from None
    if not folders:
        raise ItemError("is a damaged TIFF: it has no page")
    return Header(big, order, tuple(folders))


def require_whole(content: Content, found: Header) -> None:
    """Refuse a file whose strips or tiles reach beyond its end.

    libtiff only warns about such a file and fills the missing pixels with grey.

    Raises:
        ItemError: when bytes are missing.
    """
    end = max(place + size for folder in found.folders for place, size in folder.chunks())
    if end > len(content):
        missing = end - len(content)
        raise ItemError(f"cannot be decoded: the file is cut off, {missing} bytes are missing")


def parents(folders: tuple[Folder, ...]) -> list[int | None]:
    """For each page, the number of the page that it is a reduced copy of, or None.

    A reduced copy says so (NewSubfileType, bit 0) and follows its page, or precedes the first one.
    """
    full = [number for number, folder in enumerate(folders) if not folder.get(254, 0) & 1]
    result: list[int | None] = []
    for number, folder in enumerate(folders):
        page = next((n for n in reversed(full) if n < number), full[0] if full else number)
        smaller = all(folder.get(tag, 0) < folders[page].get(tag, 0) for tag in (256, 257))
        result.append(page if number not in full and smaller else None)
    return result


def swapped(data: bytes, kind: int) -> bytes:
    """The bytes of a tag's values in the other byte order."""
    word = _WORDS.get(kind, _SIZES[kind])
    return data if word == 1 else np.frombuffer(data, f">u{word}").astype(f"<u{word}").tobytes()


def resized_tags(tags: dict[int, Tag], size: tuple[int, int], scale: tuple[int, int]) -> dict[int, Tag]:
    """A page's tags for a picture of another size: resolution scaled, EXIF's size updated.

    Args:
        tags: of the source.
        size: width and height of the new picture, pixels.
        scale: (new width, old width).
    """
    result = dict(tags)
    for number in RESOLUTION:
        if number in tags and (tags[number].kind, tags[number].count) == (5, 1):
            result[number] = Tag(5, 1, _scaled(tags[number].content(), "<", scale))
    exif = tags.get(EXIF)
    if exif is not None and exif.folder is not None:
        folder = dict(exif.folder)
        for number, value in zip(_EXIF_SIZE, size, strict=True):
            if number in folder:
                folder[number] = Tag(4, 1, struct.pack("<I", value))
        result[EXIF] = Tag(exif.kind, exif.count, exif.data, folder)
    return result


def resized_exif(block: bytes, size: tuple[int, int], scale: tuple[int, int]) -> bytes:
    """An EXIF block (a TIFF without pixels) for a picture of another size; all else stays, byte for byte.

    Args:
        block: as it is stored, from its byte-order mark on.
        size: width and height of the new picture, pixels.
        scale: (new width, old width).
    """
    result = bytearray(block)
    try:
        order = {b"II": "<", b"MM": ">"}[block[:2]]
        entries = list(_entries(block, unpack(f"{order}I", block, 4)[0], order, False))
        for entry in [e for e in entries if e.number == EXIF]:
            entries += _entries(block, unpack(f"{order}I", block, entry.place)[0], order, False)
        for entry in entries:
            if entry.number in RESOLUTION and (entry.kind, entry.count) == (5, 1):
                old = block[entry.place : entry.place + 8]
                result[entry.place : entry.place + 8] = _scaled(old, order, scale)
            elif entry.number in _EXIF_SIZE and entry.count == 1 and entry.kind in (3, 4):
                value = size[_EXIF_SIZE.index(entry.number)]
                layout, largest = ("H", 0xFFFF) if entry.kind == 3 else ("I", 0xFFFFFFFF)
                struct.pack_into(order + layout, result, entry.place, min(value, largest))
    except (KeyError, struct.error, IndexError):
        return block  # not a readable EXIF block: it is kept unchanged
    return bytes(result)


@dataclass(frozen=True)
class _Entry:
    number: int
    kind: int
    count: int
    place: int  # of its values
    size: int  # of its values in bytes; 0 for an unknown type


def _entries(content: Content, place: int, order: str, big: bool) -> Iterator[_Entry]:
    layout, start = (f"{order}HHQ", place + 8) if big else (f"{order}HHI", place + 2)
    count = unpack(f"{order}{'Q' if big else 'H'}", content, place)[0]
    if count > 4096:
        raise IndexError("too many tags")
    step, inline = (20, 8) if big else (12, 4)
    table = content[start : start + count * step]
    for row in range(count):
        number, kind, length = struct.unpack_from(layout, table, row * step)
        size = _SIZES.get(kind, 0) * length
        where = start + row * step + step - inline
        if size > inline:
            where = struct.unpack_from(f"{order}{'Q' if big else 'I'}", table, (row + 1) * step - inline)[0]
        if where + size > len(content):
            raise IndexError("value beyond the end of the file")
        yield _Entry(number, kind, length, where, size)


def _folder(content: Content, place: int, order: str, big: bool) -> tuple[dict[int, Tag], int]:
    tags: dict[int, Tag] = {}
    for entry in _entries(content, place, order, big):
        data: bytes | Part = Part(content, entry.place, entry.size)
        if entry.size <= _LARGE or _WORDS.get(entry.kind, _SIZES.get(entry.kind, 1)) > 1:
            data = content[entry.place : entry.place + entry.size]
            data = swapped(data, entry.kind) if order == ">" and entry.size else data
        if entry.size:
            tags[entry.number] = Tag(entry.kind, entry.count, data)
    for number, tag in tags.items():
        if number in _FOLDERS or tag.kind in (13, 18):
            tag.folder = _inner(content, tag, order, big)
    count = unpack(f"{order}{'Q' if big else 'H'}", content, place)[0]
    end = place + (8 + count * 20 if big else 2 + count * 12)
    following: tuple[Any, ...] = unpack(f"{order}{'Q' if big else 'I'}", content, end)
    return tags, int(following[0])


def _inner(content: Content, tag: Tag, order: str, big: bool) -> dict[int, Tag] | None:
    places = tag.numbers()
    return _folder(content, places[0], order, big)[0] if len(places) == 1 else None


def _scaled(data: bytes, order: str, scale: tuple[int, int]) -> bytes:
    """A rational, multiplied by new over old."""
    above, below = struct.unpack(f"{order}II", data)
    if not below:
        return data
    value = Fraction(above * scale[0], below * scale[1])
    if max(value.numerator, value.denominator) > 0xFFFFFFFF:
        value = value.limit_denominator(10_000)
    if value.numerator > 0xFFFFFFFF:
        return data
    return struct.pack(f"{order}II", value.numerator, value.denominator)
