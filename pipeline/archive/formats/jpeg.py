"""JPEG (ITU-T T.81): new pixels in the blocks that need them, and every other byte as it was.

A decode and re-encode of the whole picture alters nearly every block. Here the file's own quantised
coefficients are kept: only blocks with a masked pixel get new ones, made from the old ones and the new
samples. Quantisation tables, sampling, scans, restart intervals and segments stay, Huffman tables too
unless a new value has no code in them. What a viewer shows beside a changed chroma block can differ by
what it interpolates across the border, which is at most one stored chroma sample deep.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.archive.canvas import Canvas
from pipeline.archive.formats import jpeg_blocks, jpeg_edit, jpeg_file
from pipeline.archive.formats.xmp import with_source_type
from pipeline.errors import ItemError

_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_SOI, _EOI, _SOS, _APP14, _COM = 0xD8, 0xD9, 0xDA, 0xEE, 0xFE
_ALONE = {0x01, *range(0xD0, 0xD8)}  # markers without a length
_FRAMES = {0xC0, 0xC1, 0xC2}  # baseline, extended, progressive
_HALVED: dict[tuple[tuple[int, int], ...], int] = {((2, 2), (1, 1), (1, 1)): 2, ((2, 1), (1, 1), (1, 1)): 1}
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
        if marker == 0xFF or marker in _ALONE:
            offset += 1 if marker == 0xFF else 2
            continue
        length = struct.unpack_from(">H", content, offset + 2)[0]
        if marker == _SOS:
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
    if not frames or frames[0][0] not in _FRAMES or frames[0][1][0] != 8:
        raise ItemError("is a JPEG of a kind that is not supported (not 8-bit Huffman coded)")
    marker, frame = frames[0]
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
    notes: tuple[str, ...]  # what is not as it was in the source, beside pixels


def rewrite(content: bytes, canvas: Canvas, mask: Canvas, source_type: str | None) -> Rewritten:
    """The file with new pixels where the mask is set; the coefficients of all other blocks stay exactly.

    A chroma sample that stands for several pixels is mixed by how many of them are masked.

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
    """A wholly new picture, of any size, with the source's tables, sampling, scans and segments.

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
    parts: list[jpeg_file.Segment | jpeg_file.Scan] = []
    for part in file.parts:
        if isinstance(part, jpeg_file.Segment) and part.marker in _FRAMES:
            part = replace(part, data=part.data[:1] + struct.pack(">HH", height, width) + part.data[5:])
        parts.append(part)
    return _rewritten(file, parts, coded, source_type)


def encode(content: bytes, colour: NDArray[np.uint8], mask: NDArray[np.bool_]) -> bytes:
    """The picture of `content` with its masked pixels replaced, in the same kind of JPEG.

    Args:
        content: the source file.
        colour: (H, W, C) uint8, the wanted pixels in the file's own colours; C is 1, 3 or 4.
        mask: (H, W) bool, True where `colour` is to be taken.
    """
    from PIL import Image, JpegImagePlugin

    nature = header(content)
    source = _open(content)
    numbers = list(nature.tables)
    while len(numbers) > 1 and numbers[-1] == numbers[-2]:
        numbers.pop()  # the last table given serves the components that are left
    tables = [list(source.quantization[number]) for number in numbers]
    options: dict[str, Any] = {"qtables": tables, "optimize": True, "progressive": nature.progressive}
    if nature.components == 3 and _is_ycbcr(content):
        planes = _planes(content, nature)
        planes[mask] = np.asarray(Image.fromarray(colour).convert("YCbCr"))[mask]
        image = Image.frombytes("YCbCr", (planes.shape[1], planes.shape[0]), planes.tobytes())
        options["subsampling"] = _subsampling(nature)
    elif nature.components == 3:
        image = Image.fromarray(colour)
        options |= {"keep_rgb": True, "subsampling": 0}
    elif nature.components == 4:
        image = Image.frombytes("CMYK", (colour.shape[1], colour.shape[0]), colour.tobytes())
        options["subsampling"] = max(JpegImagePlugin.get_sampling(source), 0)
    else:
        image = Image.fromarray(colour[..., 0])
    target = io.BytesIO()
    image.save(target, "JPEG", **options)
    return target.getvalue()


def splice(source: bytes, encoded: bytes, source_type: str | None) -> tuple[bytes, bool]:
    """The pixels of `encoded` among the application segments and comments of `source`."""
    # APP14 says how colours are coded: it belongs to the pixels, not to the metadata.
    kept = [s for s in segments(source) if _is_metadata(s[0]) and s[0] != _APP14]
    stated = _state(kept, xmp(source), source_type)
    new = list(segments(encoded))
    coding = [s for s in new if not _is_metadata(s[0]) or s[0] == _APP14]
    scan = encoded[2 + sum(4 + len(data) for _, data in new) :]
    body = b"".join(_pack(marker, data) for marker, data in [*kept, *coding])
    return b"\xff\xd8" + body + scan, stated


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
    parts: list[jpeg_file.Segment | jpeg_file.Scan],
    coded: list[jpeg_edit.Coded],
    source_type: str | None,
) -> Rewritten:
    first = next(n for n, part in enumerate(parts) if isinstance(part, jpeg_file.Scan))
    head = [(part.marker, part.data) for part in parts[:first] if isinstance(part, jpeg_file.Segment)]
    packet = next((data[len(_XMP) :] for marker, data in head if _is_xmp((marker, data))), None)
    stated = _state(head, packet, source_type)
    new = [*(jpeg_file.Segment(*segment) for segment in head), *parts[first:]]
    notes = dict.fromkeys(part.note for part in coded if part.note)  # in order, each once
    return Rewritten(jpeg_edit.assemble(new, coded, file.tail), stated, tuple(notes))


def _state(head: list[Segment], packet: bytes | None, source_type: str | None) -> bool:
    """Put a statement on the source type into the XMP of a file's first segments; whether that went."""
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


def _open(content: bytes) -> Any:
    from PIL import Image

    return Image.open(io.BytesIO(content), formats=["JPEG"])


def _planes(content: bytes, nature: Header) -> NDArray[np.uint8]:
    """Luma and chroma as the file holds them, (H, W, 3); stored chroma is repeated, not interpolated."""
    whole = _open(content)
    whole.draft("YCbCr", None)
    planes = np.array(whole)
    height, width = planes.shape[:2]
    if _HALVED.get(nature.sampling) == 2 and min(height, width) >= 16:
        half = _open(content)
        half.draft("YCbCr", (width // 2, height // 2))
        chroma = np.asarray(half)[..., 1:].repeat(2, axis=0).repeat(2, axis=1)
        if chroma.shape[0] >= height and chroma.shape[1] >= width:
            planes[..., 1:] = chroma[:height, :width]
    return planes


def _subsampling(nature: Header) -> int:
    scale = _HALVED.get(nature.sampling)
    return {2: 2, 1: 1}[scale] if scale else 0  # other samplings are written in full resolution


def _is_ycbcr(content: bytes) -> bool:
    adobe = application(content, _APP14, b"Adobe")
    if adobe is not None and len(adobe) >= 7:
        return adobe[6] != 0
    frame = next(data for marker, data in segments(content) if marker in _FRAMES)
    jfif = application(content, 0xE0, b"JFIF\0") is not None
    return jfif or bytes(frame[6::3][:3]) != b"RGB"


def _is_metadata(marker: int) -> bool:
    return 0xE0 <= marker <= 0xEF or marker == _COM


def _is_xmp(segment: Segment) -> bool:
    return segment[0] == 0xE1 and segment[1].startswith(_XMP)


def _pack(marker: int, data: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data
