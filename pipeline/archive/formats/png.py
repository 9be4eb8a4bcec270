"""PNG (ISO/IEC 15948): its chunks are kept byte for byte; only the header and pixel data are new.

This module never decodes pixel data: it copies their chunks from file to file.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import BinaryIO

from pipeline.archive.filetypes import PNG
from pipeline.archive.formats.slices import Content, Part, unpack
from pipeline.archive.formats.tiff import resized_exif
from pipeline.archive.formats.xmp import with_source_type
from pipeline.errors import ItemError

_XMP = b"XML:com.adobe.xmp\0"
_PIXELS = b"IDAT"
_OF_PALETTE = {b"PLTE", b"tRNS", b"hIST", b"bKGD", b"sBIT", b"sPLT"}  # about values that are widened
_LARGEST = 2**31 - 1  # of a number
_LARGEST_TEXT = 1 << 26  # bytes; limits decompression bombs


@dataclass(frozen=True)
class Chunk:
    """Where a chunk lies; pixel chunks that follow each other are one."""

    kind: bytes
    whole: Part  # with length, type and checksum

    def data(self) -> bytes:
        """The chunk's data; do not ask for it of pixel chunks."""
        return self.whole.read()[8:-4]

    def begins(self, prefix: bytes) -> bool:
        """Whether its data begin with these bytes."""
        return Part(self.whole.source, self.whole.place + 8, self.whole.size - 12).starts(prefix)


@dataclass(frozen=True)
class Header:
    """What a PNG's IHDR and chunks declare."""

    depth: int  # bits per sample as stored: 1, 2, 4, 8 or 16
    palette: bool
    transparency: bool  # a tRNS chunk: transparency without an alpha channel
    interlaced: bool
    animated: bool


def chunks(content: Content) -> list[Chunk]:
    """All chunks in order.

    Raises:
        ItemError: when the file ends inside a chunk, or has no end chunk.
    """
    found: list[Chunk] = []
    place = len(PNG)
    while place + 12 <= len(content):
        length, kind = unpack(">I4s", content, place)
        size = 12 + length
        if place + size > len(content):
            break
        if kind == _PIXELS and found and found[-1].kind == _PIXELS:
            before = found.pop().whole
            found.append(Chunk(kind, Part(content, before.place, before.size + size)))
        else:
            found.append(Chunk(kind, Part(content, place, size)))
        place += size
        if kind == b"IEND":
            return found
    raise ItemError("is a truncated PNG: its end chunk is missing")


def header(content: Content) -> Header:
    """The declared nature of a PNG file."""
    return _header(chunks(content))


def text(content: Content, keyword: str) -> str | None:
    """The value of a text chunk (tEXt, zTXt, iTXt), or None."""
    prefix = keyword.encode("latin-1") + b"\0"
    for chunk in chunks(content):
        if chunk.kind not in (b"tEXt", b"zTXt", b"iTXt") or not chunk.begins(prefix):
            continue
        data = chunk.data()[len(prefix) :]
        if chunk.kind == b"iTXt":
            return _international(data).decode("utf-8", "replace")
        return (data if chunk.kind == b"tEXt" else _inflated(data[1:])).decode("latin-1")
    return None


def xmp(content: Content) -> bytes | None:
    """The XMP packet, or None."""
    return _packet(chunks(content))


def splice(
    source: Content, encoded: Content, out: BinaryIO, source_type: str | None, scale: tuple[int, int] = (1, 1)
) -> bool:
    """Write the pixels of `encoded` in the container of `source`.

    Args:
        source: the file whose chunks are kept.
        encoded: a PNG that holds the new pixels.
        out: where the new file is written.
        source_type: IPTC term to state in the XMP packet, or None.
        scale: (new width, old width): the resolution is multiplied by it, so that the print size stays.

    Returns:
        Whether the new file states the term.
    """
    old, new = chunks(source), chunks(encoded)
    nature = _header(old)
    drop = {b"IHDR", _PIXELS, b"IEND"}
    if nature.palette or nature.transparency or nature.depth < 8:
        drop |= _OF_PALETTE
    start = next((i for i, chunk in enumerate(old) if chunk.kind == _PIXELS), len(old))
    before = [chunk for chunk in old[:start] if chunk.kind not in drop]
    after = [chunk for chunk in old[start:] if chunk.kind not in drop]
    packet = with_source_type(_packet(old), source_type) if source_type else None
    if packet is not None:
        before, after = ([c for c in part if not _is_xmp(c)] for part in (before, after))
    out.write(PNG)
    new[0].whole.copy(out)
    size = new[0].data()[:8]
    for chunk in before:
        _copy(chunk, out, size, scale)
    if packet is not None:
        out.write(_pack(b"iTXt", _XMP + b"\0\0\0\0" + packet))
    for chunk in new:
        if chunk.kind == _PIXELS:
            chunk.whole.copy(out)
    for chunk in after:
        _copy(chunk, out, size, scale)
    end = old[-1].whole.place
    Part(source, end, len(source) - end).copy(out)  # includes bytes after the end chunk
    return packet is not None


def _copy(chunk: Chunk, out: BinaryIO, size: bytes, scale: tuple[int, int]) -> None:
    """Copy a chunk; when the picture's size changes, its size and resolution are updated."""
    new, old = scale
    if new == old or chunk.kind not in (b"pHYs", b"eXIf"):
        chunk.whole.copy(out)
    elif chunk.kind == b"pHYs":
        across, down, unit = struct.unpack(">IIB", chunk.data())
        if unit == 1:  # pixels a metre; unit 0 is a mere ratio
            across, down = (min(round(value * new / old), _LARGEST) for value in (across, down))
        out.write(_pack(chunk.kind, struct.pack(">IIB", across, down, unit)))
    else:
        width, height = struct.unpack(">II", size)
        out.write(_pack(chunk.kind, resized_exif(chunk.data(), (width, height), scale)))


def _header(parts: list[Chunk]) -> Header:
    kinds = {chunk.kind for chunk in parts}
    if parts[0].kind != b"IHDR" or parts[0].whole.size != 25:
        raise ItemError("is a damaged PNG: it does not begin with a header chunk")
    _, _, depth, colour, _, _, interlace = struct.unpack(">IIBBBBB", parts[0].data())
    return Header(depth, colour == 3, b"tRNS" in kinds, interlace == 1, b"acTL" in kinds)


def _packet(parts: list[Chunk]) -> bytes | None:
    chunk = next((c for c in parts if _is_xmp(c)), None)
    return None if chunk is None else _international(chunk.data()[len(_XMP) :])


def _international(data: bytes) -> bytes:
    """The text of an iTXt chunk: flag, method, language, translated keyword, text."""
    value = data[2:].split(b"\0", 2)[-1]
    return _inflated(value) if data[:1] == b"\1" else value


def _inflated(data: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(data, _LARGEST_TEXT)
    except zlib.error:
        raise ItemError("is a damaged PNG: a text chunk cannot be read") from None


def _is_xmp(chunk: Chunk) -> bool:
    return chunk.kind == b"iTXt" and chunk.begins(_XMP)


def _pack(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
