"""JPEG (ITU-T T.81): new pixels with the source's tables and subsampling, its segments kept.

A plain decode to RGB and re-encode loses most in two steps: the colour conversion, and chroma that is
interpolated on the way out and averaged on the way in. Both are avoided here: the picture is worked
on as the YCbCr planes that the file holds, and a quarter-size chroma plane is decoded as it is stored.
What remains is the rounding of samples to 8 bits, which the same quantisation mostly undoes, and the
blocks at the right and lower side of a picture that is no whole number of blocks.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
    packet = with_source_type(xmp(source), source_type) if source_type else None
    stated = packet is not None and len(_XMP) + len(packet) <= _LARGEST
    if packet is not None and stated:
        place = next((i for i, s in enumerate(kept) if _is_xmp(s)), None)
        statement = (0xE1, _XMP + packet)
        if place is None:
            first = sum(1 for s in kept if s[0] in (0xE0, 0xE1))
            kept.insert(first, statement)
        else:
            kept[place] = statement
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
