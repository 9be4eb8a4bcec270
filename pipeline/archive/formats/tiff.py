"""TIFF 6.0 and BigTIFF: new pixels with the source's tags.

The new pixels come as a TIFF of their own. Its structural tags (size, strips, compression …) stay,
every other tag of the source is copied with its value, EXIF and GPS folders included, whatever the
byte order of the source.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

import numpy as np

from pipeline.archive.formats.xmp import with_source_type
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
_XMP, _SUB_IFDS = 700, 330
_FOLDERS = (34665, 34853, 40965)  # EXIF, GPS, interoperability: their value is the place of a folder
# Tags that say how the pixels are laid out: they belong to the new pixels.
_STRUCTURE = frozenset(
    (
        *(254, 255, 256, 257, 258, 259, 262, 263, 264, 265, 266, 273, 277, 278, 279, 280, 281, 284),
        *(288, 289, 292, 293, 317, 320, 322, 323, 324, 325, 330, 338, 339, 340, 341, 347),
        *range(512, 522),
        *range(529, 533),
    )
)


@dataclass
class Tag:
    """One tag: its type, how many values, and their bytes in little-endian order."""

    kind: int
    count: int
    data: bytes
    folder: dict[int, Tag] | None = field(default=None)  # for a tag that points to a folder

    def numbers(self) -> list[int]:
        """The values of a tag that holds whole numbers."""
        letter = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}.get(self.kind)
        return list(struct.unpack(f"<{self.count}{letter}", self.data)) if letter else []


@dataclass(frozen=True)
class Header:
    """What a TIFF's first page declares."""

    big: bool  # BigTIFF
    tags: dict[int, Tag]
    pages: int

    def get(self, tag: int, default: int) -> int:
        """The first value of a tag of whole numbers."""
        numbers = self.tags[tag].numbers() if tag in self.tags else []
        return numbers[0] if numbers else default


def header(content: bytes) -> Header:
    """The first page's tags, and how many pages there are.

    Raises:
        ItemError: when the file's structure is broken.
    """
    try:
        order = {b"II": "<", b"MM": ">"}[content[:2]]
        version = struct.unpack_from(f"{order}H", content, 2)[0]
        big = version == 43
        place = struct.unpack_from(f"{order}{'Q' if big else 'I'}", content, 8 if big else 4)[0]
        tags, following = _folder(content, place, order, big)
        pages, seen = 1, {place}
        while following and following not in seen and pages < 10_000:
            seen.add(following)
            _, following = _folder(content, following, order, big, deep=False)
            pages += 1
    except (KeyError, struct.error, IndexError, RecursionError):
        raise ItemError("is a damaged TIFF: its tags cannot be read") from None
    return Header(big, tags, pages)


def splice(
    encoded: bytes, metadata: dict[int, Tag], xmp: bytes | None, source_type: str | None
) -> tuple[bytes, bool]:
    """The pixels of `encoded` with other metadata.

    Args:
        encoded: a TIFF that holds the new pixels, little-endian.
        metadata: tags of the source; structural ones among them are passed over.
        xmp: an XMP packet that is not among them, or None.
        source_type: IPTC term to state in the XMP packet, or None.

    Returns:
        The new file, and whether it states the term.
    """
    new = header(encoded)
    tags = {number: tag for number, tag in new.tags.items() if number in _STRUCTURE}
    tags |= {number: tag for number, tag in metadata.items() if number not in _STRUCTURE}
    if xmp is None and _XMP in tags:
        xmp = tags[_XMP].data
    packet = with_source_type(xmp, source_type) if source_type else xmp
    if packet is not None:
        tags[_XMP] = Tag(1, len(packet), packet)
    body = bytearray(encoded)
    place = _write_folder(body, tags, new.big)
    struct.pack_into("<Q" if new.big else "<I", body, 8 if new.big else 4, place)
    return bytes(body), bool(source_type) and packet is not None


def _folder(
    content: bytes, place: int, order: str, big: bool, deep: bool = True
) -> tuple[dict[int, Tag], int]:
    count = struct.unpack_from(f"{order}{'Q' if big else 'H'}", content, place)[0]
    start, step, inline = place + (8 if big else 2), 20 if big else 12, 8 if big else 4
    if count > 4096:
        raise IndexError("too many tags")
    tags: dict[int, Tag] = {}
    for offset in range(start, start + count * step, step) if deep else ():
        number, kind = struct.unpack_from(f"{order}HH", content, offset)
        length = struct.unpack_from(f"{order}{'Q' if big else 'I'}", content, offset + 4)[0]
        size = _SIZES.get(kind, 0) * length
        where = offset + (12 if big else 8)
        if size > inline:
            where = struct.unpack_from(f"{order}{'Q' if big else 'I'}", content, where)[0]
        data = content[where : where + size]
        if len(data) < size:
            raise IndexError("value beyond the end of the file")
        if size:
            tags[number] = Tag(kind, length, _little(data, kind) if order == ">" else data)
    for number in _FOLDERS:
        if deep and number in tags:
            inner = tags[number].numbers()
            tags[number].folder = _folder(content, inner[0], order, big)[0]
    following = struct.unpack_from(f"{order}{'Q' if big else 'I'}", content, start + count * step)[0]
    return tags, following


def _little(data: bytes, kind: int) -> bytes:
    word = _WORDS.get(kind, _SIZES[kind])
    return data if word == 1 else np.frombuffer(data, f">u{word}").astype(f"<u{word}").tobytes()


def _write_folder(body: bytearray, tags: dict[int, Tag], big: bool) -> int:
    """Append values and folder; returns the folder's place. Tags are in ascending order (TIFF 6.0)."""
    letter, inline = ("Q", 8) if big else ("I", 4)
    rows = []
    for number in sorted(tags):
        tag = tags[number]
        kind, count, data = tag.kind, tag.count, tag.data
        if tag.folder is not None:
            kind, count = (18 if big else 4), 1
            data = struct.pack(f"<{letter}", _write_folder(body, tag.folder, big))
        if len(data) > inline:
            data = struct.pack(f"<{letter}", _append(body, data))
        rows.append(struct.pack(f"<HH{letter}", number, kind, count) + data.ljust(inline, b"\0"))
    head = struct.pack("<Q" if big else "<H", len(rows))
    return _append(body, head + b"".join(rows) + bytes(inline))


def _append(body: bytearray, data: bytes) -> int:
    body += bytes(-len(body) % 8)
    place = len(body)
    body += data
    return place
