"""JPEG (ITU-T T.81): put new pixels into the blocks that need them, and keep every other byte.

Decoding and encoding a whole picture alters nearly every block. This module keeps the file's quantised
coefficients. Only blocks with a masked pixel get new coefficients, computed from the old ones and the new
samples. Quantisation tables, sampling, scans, restart intervals and segments stay. Huffman tables stay,
unless they have no code for a new value. A viewer interpolates chroma across block borders, so the pixels
beside a changed chroma block can look different, up to one stored chroma sample away.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace

from pipeline.archive.canvas import Canvas
from pipeline.archive.formats import jpeg_blocks, jpeg_edit, jpeg_file
from pipeline.archive.formats.jpeg_file import ALONE, FRAMES, SOS
from pipeline.archive.formats.jpeg_file import Segment as Part
from pipeline.archive.formats.tiff import resized_exif
from pipeline.archive.formats.xmp import with_source_type
from pipeline.errors import ItemError

_XMP, _EXIF, _JFIF = b"http://ns.adobe.com/xap/1.0/\0", b"Exif\0\0", b"JFIF\0"
_LARGEST = 65533  # bytes of one segment's data

Segment = tuple[int, bytes]  # marker, data


@dataclass(frozen=True)
class Header:
    """What a JPEG's frame declares."""

    components: int
    sampling: tuple[tuple[int, int], ...]  # (horizontal, vertical) of each component
    tables: tuple[int, ...]  # quantisation table of each component
    progressive: bool
    pictures: bool  # more pictures follow in the file (CIPA DC-007, "MPO")


def segments(content: bytes) -> Iterator[Segment]:
    """The segments before the first scan, in order.

    Raises:
        ItemError: when the file ends before its first scan.
    """
    offset = 2
    while offset + 4 <= len(content):
        if content[offset] != 0xFF:
            break
        marker = content[offset + 1]
        if marker == 0xFF or marker in ALONE:
            offset += 1 if marker == 0xFF else 2
            continue
        length = struct.unpack_from(">H", content, offset + 2)[0]
        if marker == SOS:
            return
        yield marker, content[offset + 4 : offset + 2 + length]
        offset += 2 + length
    raise ItemError("is a damaged JPEG: it ends before its pixels")


def header(content: bytes) -> Header:
    """The declared nature of a JPEG file.

    Raises:
        ItemError: for a kind that is not supported (lossless, arithmetic, hierarchical, 12 bit).
    """
    parts = list(segments(content))
    frames = [(m, d) for m, d in parts if 0xC0 <= m <= 0xCF and m not in (0xC4, 0xC8, 0xCC)]
    if not frames or frames[0][0] not in FRAMES or frames[0][1][:1] != b"\x08":
        raise ItemError("is a JPEG of a kind that is not supported (not 8-bit Huffman coded)")
    marker, frame = frames[0]
    if len(frame) < 6 or len(frame) < 6 + 3 * frame[5]:
        raise ItemError("is a damaged JPEG: its frame header is broken")
    rows = [frame[6 + 3 * n : 9 + 3 * n] for n in range(frame[5])]
    return Header(
        components=frame[5],
        sampling=tuple((row[1] >> 4, row[1] & 15) for row in rows),
        tables=tuple(row[2] for row in rows),
        progressive=marker == 0xC2,
        pictures=any(m == 0xE2 and d.startswith(b"MPF\0") for m, d in parts),
    )


@dataclass(frozen=True)
class Rewritten:
    """A file made from another one and new pixels."""

    content: bytes
    stated: bool  # whether its XMP states the source type
    notes: tuple[str, ...]  # what differs from the source, besides pixels


def rewrite(content: bytes, canvas: Canvas, mask: Canvas, source_type: str | None) -> Rewritten:
    """The file with new pixels where the mask is set; the coefficients of all other blocks stay exactly.

    A chroma sample that stands for several pixels is replaced when one of them is masked.

    Args:
        content: the source file.
        canvas: (H, W, C) uint8, its pixels as libvips decodes them (grey, RGB or CMYK), as stored, with
            the wanted ones in place; only masked ones are used.
        mask: (H, W, 1) uint8, not 0 where a pixel is to be replaced.
        source_type: IPTC digital source type that the file's XMP is to state.

    Raises:
        ItemError: when the source is damaged or of a kind that is not supported.
    """
    header(content)
    file = jpeg_file.parse(content)
    frame, kind = file.frame, jpeg_blocks.colours(file)
    if canvas.shape[:2] != (frame.height, frame.width) or mask.shape[:2] != canvas.shape[:2]:
        raise ValueError(
            f"a JPEG of {frame.width} x {frame.height} pixels and canvases {canvas.shape}, {mask.shape}"
        )
    return _rewritten(file, file.parts, jpeg_edit.touched(file, kind, canvas, mask), source_type)


def encode_whole(content: bytes, canvas: Canvas, source_type: str | None) -> Rewritten:
    """Encode a new picture of any size with the source's tables, sampling, scans and segments.

    When the size changes, the resolution is scaled with it, so the print size stays.

    Memory: sequential files are made band by band; a progressive one holds all its coefficients, which
    is 3 bytes a pixel with quarter-size chroma and 6 without.

    Args:
        content: the source file.
        canvas: (H, W, C) uint8, the pixels in the channels that libvips decodes the source to.
        source_type: IPTC digital source type that the file's XMP is to state.

    Raises:
        ItemError: when the source is damaged or of a kind that is not supported, or the picture too large.
    """
    header(content)
    file = jpeg_file.parse(content)
    height, width = canvas.shape[:2]
    if max(height, width) > 65535:
        raise ItemError(f"would have {width} x {height} pixels; a JPEG has at most 65535 a side")
    kind = jpeg_blocks.colours(file)
    coded = jpeg_edit.anew(file, replace(file.frame, width=width, height=height), kind, canvas)
    scale = (width, file.frame.width)
    parts = [_resized(p, (width, height), scale) if isinstance(p, Part) else p for p in file.parts]
    return _rewritten(file, parts, coded, source_type)


def xmp(content: bytes) -> bytes | None:
    """The XMP packet (its first segment), or None."""
    return next((data[len(_XMP) :] for m, data in segments(content) if _is_xmp((m, data))), None)


def application(content: bytes, marker: int, prefix: bytes) -> bytes | None:
    """The data of the first segment of that kind, without its prefix, or None."""
    found = (d for m, d in segments(content) if m == marker and d.startswith(prefix))
    data = next(found, None)
    return None if data is None else data[len(prefix) :]


def _rewritten(
    file: jpeg_file.File,
    parts: list[Part | jpeg_file.Scan],
    coded: list[jpeg_edit.Coded],
    source_type: str | None,
) -> Rewritten:
    first = next(n for n, part in enumerate(parts) if isinstance(part, jpeg_file.Scan))
    head = [(part.marker, part.data) for part in parts[:first] if isinstance(part, Part)]
    packet = next((data[len(_XMP) :] for marker, data in head if _is_xmp((marker, data))), None)
    stated = _state(head, packet, source_type)
    new = [*(Part(*segment) for segment in head), *parts[first:]]
    notes = dict.fromkeys(part.note for part in coded if part.note)  # in order, each once
    return Rewritten(jpeg_edit.assemble(new, coded, file.tail), stated, tuple(notes))


def _resized(part: Part, size: tuple[int, int], scale: tuple[int, int]) -> Part:
    """A segment for a picture of another size: its size and resolution are updated."""
    data = part.data
    if part.marker in FRAMES:
        data = data[:1] + struct.pack(">HH", size[1], size[0]) + data[5:]
    elif scale[0] != scale[1] and part.marker == 0xE1 and data.startswith(_EXIF):
        data = _EXIF + resized_exif(data[len(_EXIF) :], size, scale)
    elif part.marker == 0xE0 and data.startswith(_JFIF) and len(data) >= 12 and data[7]:
        across, down = (
            min(round(value * scale[0] / scale[1]), 0xFFFF) for value in struct.unpack_from(">HH", data, 8)
        )
        data = data[:8] + struct.pack(">HH", across, down) + data[12:]  # unit 0 is a mere ratio
    return replace(part, data=data)


def _state(head: list[Segment], packet: bytes | None, source_type: str | None) -> bool:
    """Put the source type into the XMP of a file's first segments; returns whether that was possible."""
    new = with_source_type(packet, source_type) if source_type else None
    if new is None or len(_XMP) + len(new) > _LARGEST:
        return False
    statement = (0xE1, _XMP + new)
    place = next((i for i, segment in enumerate(head) if _is_xmp(segment)), None)
    if place is None:
        head.insert(sum(1 for marker, _ in head if marker in (0xE0, 0xE1)), statement)
    else:
        head[place] = statement
    return True


def _is_xmp(segment: Segment) -> bool:
    return segment[0] == 0xE1 and segment[1].startswith(_XMP)
