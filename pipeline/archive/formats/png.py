"""PNG (ISO/IEC 15948): its chunks are kept byte for byte; only the header and pixel data are new."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

from pipeline.archive.formats.xmp import with_source_type
from pipeline.errors import ItemError

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_XMP = b"XML:com.adobe.xmp\0"
_OF_PALETTE = {b"PLTE", b"tRNS", b"hIST", b"bKGD", b"sBIT", b"sPLT"}  # about values that are widened

Chunk = tuple[bytes, bytes]  # type, data


@dataclass(frozen=True)
class Header:
    """What a PNG's IHDR and chunks declare."""

    depth: int  # bits per sample as stored: 1, 2, 4, 8 or 16
    palette: bool
    transparency: bool  # a tRNS chunk: transparency without an alpha channel
    interlaced: bool
    animated: bool


def chunks(content: bytes) -> list[Chunk]:
    """All chunks in order.

    Raises:
        ItemError: when the file ends inside a chunk, or has no end chunk.
    """
    found: list[Chunk] = []
    offset = len(SIGNATURE)
    while offset + 12 <= len(content):
        length, kind = struct.unpack_from(">I4s", content, offset)
        if offset + 12 + length > len(content):
            break
        found.append((kind, content[offset + 8 : offset + 8 + length]))
        offset += 12 + length
        if kind == b"IEND":
            return found
    raise ItemError("is a truncated PNG: its end chunk is missing")


def header(content: bytes) -> Header:
    """The declared nature of a PNG file."""
    parts = chunks(content)
    kinds = {kind for kind, _ in parts}
    if parts[0][0] != b"IHDR" or len(parts[0][1]) != 13:
        raise ItemError("is a damaged PNG: it does not begin with a header chunk")
    _, _, depth, colour, _, _, interlace = struct.unpack(">IIBBBBB", parts[0][1])
    return Header(depth, colour == 3, b"tRNS" in kinds, interlace == 1, b"acTL" in kinds)


def xmp(content: bytes) -> bytes | None:
    """The XMP packet, or None."""
    for kind, data in chunks(content):
        if kind == b"iTXt" and data.startswith(_XMP) and data[len(_XMP)] == 0:
            return data[len(_XMP) :].split(b"\0", 4)[-1]
    return None


def splice(source: bytes, encoded: bytes, source_type: str | None) -> tuple[bytes, bool]:
    """The pixels of `encoded` in the container of `source`.

    Args:
        source: the file whose chunks are kept.
        encoded: a PNG of the same size that holds the new pixels.
        source_type: IPTC term to state in the XMP packet, or None.

    Returns:
        The new file, and whether it states the term.
    """
    nature = header(source)
    drop = {b"IHDR", b"IDAT", b"IEND", b"PLTE"}
    if nature.palette or nature.transparency or nature.depth < 8:
        drop |= _OF_PALETTE
    old, new = chunks(source), chunks(encoded)
    start = next(i for i, (kind, _) in enumerate(old) if kind == b"IDAT")
    before = [chunk for chunk in old[:start] if chunk[0] not in drop]
    after = [chunk for chunk in old[start:] if chunk[0] not in drop]
    stated = False
    packet = with_source_type(xmp(source), source_type) if source_type else None
    if packet is not None:
        before, after = ([c for c in part if not _is_xmp(c)] for part in (before, after))
        before.append((b"iTXt", _XMP + b"\0\0\0\0" + packet))
        stated = True
    pixels = [chunk for chunk in new if chunk[0] == b"IDAT"]
    parts = [new[0], *before, *pixels, *after, (b"IEND", b"")]
    return SIGNATURE + b"".join(_pack(kind, data) for kind, data in parts), stated


def _is_xmp(chunk: Chunk) -> bool:
    return chunk[0] == b"iTXt" and chunk[1].startswith(_XMP)


def _pack(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
