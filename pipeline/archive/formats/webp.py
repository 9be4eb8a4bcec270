"""WebP (RFC 9649): a RIFF file; its metadata chunks are kept byte for byte around new pixels."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from pipeline.archive.formats.tiff import resized_exif
from pipeline.archive.formats.xmp import with_source_type
from pipeline.errors import ItemError

_ICC, _ALPHA, _EXIF, _XMP = 0x20, 0x10, 0x08, 0x04  # flags of VP8X
_FLAGS = {b"ICCP": _ICC, b"EXIF": _EXIF, b"XMP ": _XMP}

Chunk = tuple[bytes, bytes]


@dataclass(frozen=True)
class Header:
    """What a WebP file declares."""

    lossless: bool
    animated: bool


def chunks(content: bytes) -> list[Chunk]:
    """All chunks in order.

    Raises:
        ItemError: when the file is shorter than it declares.
    """
    size = struct.unpack_from("<I", content, 4)[0] + 8
    if size > len(content):
        raise ItemError(f"is a truncated WebP: {len(content)} of {size} bytes")
    found, offset = [], 12
    while offset + 8 <= size:
        kind, length = struct.unpack_from("<4sI", content, offset)
        found.append((kind, content[offset + 8 : offset + 8 + length]))
        offset += 8 + length + (length & 1)
    return found


def header(content: bytes) -> Header:
    """The declared nature of a WebP file."""
    kinds = {kind for kind, _ in chunks(content)}
    return Header(lossless=b"VP8L" in kinds, animated=bool(kinds & {b"ANIM", b"ANMF"}))


def xmp(content: bytes) -> bytes | None:
    """The XMP packet, or None."""
    return next((data for kind, data in chunks(content) if kind == b"XMP "), None)


def splice(
    source: bytes, encoded: bytes, source_type: str | None, scale: tuple[int, int] = (1, 1)
) -> tuple[bytes, bool]:
    """The lossless pixels of `encoded` in the container of `source`, and whether it states the term.

    The arguments are those of png.splice.
    """
    old = chunks(source)
    pixels = next(data for kind, data in chunks(encoded) if kind == b"VP8L")
    kept = [c for c in old if c[0] not in (b"VP8X", b"VP8 ", b"VP8L", b"ALPH")]
    packet = with_source_type(xmp(source), source_type) if source_type else None
    if packet is not None:
        kept = [c for c in kept if c[0] != b"XMP "] + [(b"XMP ", packet)]
    profile = [c for c in kept if c[0] == b"ICCP"]
    rest = [c for c in kept if c[0] != b"ICCP"]
    bits = struct.unpack_from("<I", pixels, 1)[0]  # 14 bits width-1, 14 bits height-1, alpha
    width, height, alpha = bits & 0x3FFF, (bits >> 14) & 0x3FFF, bool(bits >> 28 & 1)
    if scale[0] != scale[1]:
        size = (width + 1, height + 1)
        rest = [(k, resized_exif(d, size, scale) if k == b"EXIF" else d) for k, d in rest]
    parts = [*profile, (b"VP8L", pixels), *rest]
    if kept:
        flags = (_ALPHA if alpha else 0) | sum({_FLAGS.get(kind, 0) for kind, _ in kept})
        sizes = struct.pack("<I", width)[:3] + struct.pack("<I", height)[:3]
        parts.insert(0, (b"VP8X", struct.pack("<I", flags) + sizes))
    body = b"WEBP" + b"".join(_pack(kind, data) for kind, data in parts)
    behind = source[struct.unpack_from("<I", source, 4)[0] + 8 :]  # whatever was put behind the picture
    return b"RIFF" + struct.pack("<I", len(body)) + body + behind, packet is not None


def _pack(kind: bytes, data: bytes) -> bytes:
    return kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) & 1)
