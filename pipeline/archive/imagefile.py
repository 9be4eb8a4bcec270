"""Image files for restoration: pixels in and out with depth, colour space and metadata kept.

Unlike images.py (pixels for learning, always 8-bit sRGB), a picture stays what it is: 8 or 16 bit as
declared, grey, RGB or CMYK, its alpha, profile, tags and orientation (pixels are as stored). These
rules hold when a picture is written again; `notes` of a written file names those that applied.

- PNG, TIFF, lossless WebP: pixels outside the mask are bit-identical, or the write fails.
- Palette and fewer than 8 bits: widened to RGB or grey of 8 bits, since a fill needs new colours.
- Lossy WebP, JPEG inside TIFF: written losslessly, so nothing more is lost.
- JPEG: same tables and subsampling; the difference outside the mask is measured and returned. On
  request a lossless TIFF instead.
- Refused with a reason: several pages, animation, associated alpha, Lab, float, extra channels.
"""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.archive.formats import jpeg, png, tiff, webp
from pipeline.errors import ItemError

os.environ.setdefault("VIPS_CONCURRENCY", "1")  # one thread per image; images run side by side
logging.getLogger("pyvips").setLevel(logging.WARNING)

JpegOutput = Literal["jpeg", "tiff"]
Pixels = NDArray[Any]  # (H, W, C) uint8 or uint16, as stored, alpha last

_MAGIC = {
    b"\x89PNG\r\n\x1a\n": "png",
    b"\xff\xd8\xff": "jpeg",
    b"II*\0": "tiff",
    b"MM\0*": "tiff",
    b"II+\0": "tiff",
    b"MM\0+": "tiff",
}
_OTHERS = {b"GIF8": "GIF", b"BM": "BMP", b"\0\0\0\x0cjP": "JPEG 2000", b"\xff\x4f\xff\x51": "JPEG 2000"}
_COMPRESSION = {1: "none", 5: "lzw", 8: "deflate", 32946: "deflate", 32773: "packbits", 50000: "zstd"}
_COLOURS = {"b-w": 1, "grey16": 1, "srgb": 3, "rgb": 3, "rgb16": 3, "cmyk": 4}
_PHOTOMETRIC = {0: "white is zero", 1: "grey", 2: "RGB", 3: "palette", 5: "CMYK", 6: "YCbCr"}


@dataclass(frozen=True)
class Picture:
    """A decoded image file."""

    content: bytes  # the file
    format: str  # png, jpeg, tiff or webp: by content, never by name
    pixels: Pixels
    colours: int  # channels that are not alpha: 1 grey, 3 RGB, 4 CMYK
    lossless: bool  # whether the file stores its pixels losslessly
    notes: tuple[str, ...]  # what changes in nature when it is written again

    @property
    def peak(self) -> int:
        """The largest value of a sample: 255 or 65535."""
        return int(np.iinfo(self.pixels.dtype).max)

    @property
    def colour(self) -> Pixels:
        """The channels that are not alpha, (H, W, 1|3|4)."""
        return self.pixels[..., : self.colours]


@dataclass(frozen=True)
class Written:
    """A file made from a picture and new pixels inside a mask."""

    content: bytes
    suffix: str  # what is appended to the name: "" or ".tif"
    lossless: bool
    largest_difference: int  # of any sample outside the mask, in the file's own steps
    changed_outside: int  # pixels outside the mask that differ
    states_source_type: bool
    notes: tuple[str, ...]


def sniff(head: bytes) -> str | None:
    """The format that a file's first 16 bytes declare: png, jpeg, tiff, webp, or None."""
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    return next((name for magic, name in _MAGIC.items() if head.startswith(magic)), None)


def read(content: bytes, max_megapixels: float) -> Picture:
    """Decode a file that is to be restored.

    Raises:
        ItemError: when it is no supported image, is broken, declares more than `max_megapixels`
            (1e6 pixels), or has pages, channels or a colour space that cannot be kept.
    """
    if not content:
        raise ItemError("is empty (0 bytes)")
    name = sniff(content[:16])
    if name is None:
        other = next((n for magic, n in _OTHERS.items() if content.startswith(magic)), None)
        what = f"is a {other} file" if other else "is no image"
        raise ItemError(f"{what}; PNG, JPEG, TIFF and WebP are restored")
    lossless, notes = _check(name, content)
    image = _open(content)
    if image.width * image.height > max_megapixels * 1e6:
        size = f"{image.width} x {image.height} pixels"
        raise ItemError(f"declares {size}: more than max_megapixels {max_megapixels:g} allows")
    colours = _COLOURS.get(image.interpretation)
    if colours is None or image.format not in ("uchar", "ushort"):
        what = f"{image.interpretation}, {image.format}"
        raise ItemError(f"has a colour space or depth that cannot be kept ({what})")
    if image.bands - colours not in (0, 1):
        raise ItemError(f"has {image.bands} channels; at most one beside the colours can be kept")
    return Picture(content, name, _decode(image), colours, lossless, notes)


def write(
    picture: Picture,
    colour: Pixels,
    mask: NDArray[np.bool_],
    source_type: str | None = None,
    jpeg_output: JpegOutput = "jpeg",
) -> Written:
    """The picture's file with its masked pixels replaced.

    Args:
        picture: as read.
        colour: (H, W, C) of the picture's type, without alpha; read inside the mask only.
        mask: (H, W) bool.
        source_type: IPTC digital source type that the file's XMP is to state.
        jpeg_output: whether a JPEG becomes a JPEG again or a lossless TIFF.

    Raises:
        ItemError: when the file, read back, does not hold the wanted pixels.
    """
    wanted = picture.pixels.copy()
    wanted[..., : picture.colours][mask] = colour[mask]
    notes = picture.notes
    suffix = ""
    if picture.format == "jpeg" and jpeg_output == "jpeg":
        encoded = jpeg.encode(picture.content, np.ascontiguousarray(wanted), mask)
        content, stated = jpeg.splice(picture.content, encoded, source_type)
    elif picture.format == "jpeg":
        content, stated = _jpeg_as_tiff(picture, wanted, source_type)
        notes, suffix = (*notes, "JPEG written as lossless TIFF"), ".tif"
    elif picture.format == "png":
        interlaced = png.header(picture.content).interlaced
        depth = 8 * wanted.itemsize
        encoded = _image(wanted, picture.colours).pngsave_buffer(
            compression=6, filter="all", interlace=interlaced, bitdepth=depth, keep="none"
        )
        content, stated = png.splice(picture.content, encoded, source_type)
    elif picture.format == "webp":
        encoded = _image(wanted, picture.colours).webpsave_buffer(
            lossless=True, exact=True, effort=4, keep="none"
        )
        content, stated = webp.splice(picture.content, encoded, source_type)
    else:
        source = tiff.header(picture.content)
        encoded = _tiff(wanted, picture.colours, source)
        content, stated = tiff.splice(encoded, source.tags, None, source_type)
    lossless = picture.format != "jpeg" or jpeg_output == "tiff"
    largest, changed = _compare(content, wanted, mask, lossless)
    return Written(content, suffix, lossless, largest, changed, stated, notes)


def read_mask(content: bytes, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """A mask file (white = damage) as bool (H, W), as stored.

    Raises:
        ItemError: when it cannot be read, or its size is not `shape` (height, width).
    """
    try:
        image = _open(content)
        if (image.height, image.width) != tuple(shape[:2]):
            given, wanted = f"{image.width} x {image.height}", f"{shape[1]} x {shape[0]}"
            raise ItemError(f"its mask has {given} pixels, the picture has {wanted}")
        if image.hasalpha():
            image = image.flatten()
        pixels = _decode(image.colourspace("b-w"))
    except ItemError as error:
        text = str(error)
        raise ItemError(text if text.startswith("its mask") else f"its mask {text}") from None
    return np.asarray(pixels[..., 0] > 127)


def _check(name: str, content: bytes) -> tuple[bool, tuple[str, ...]]:
    """Whether the file is lossless, and what will change in nature; refuses what cannot be kept."""
    return {"png": _check_png, "jpeg": _check_jpeg, "webp": _check_webp, "tiff": _check_tiff}[name](content)


def _check_png(content: bytes) -> tuple[bool, tuple[str, ...]]:
    nature = png.header(content)
    if nature.animated:
        raise ItemError("is animated (APNG); animations are not restored")
    notes = []
    if nature.palette:
        notes.append("palette widened to RGB")
    elif nature.depth < 8:
        notes.append(f"{nature.depth}-bit grey widened to 8 bits")
    if nature.transparency:
        notes.append("tRNS transparency widened to an alpha channel")
    return True, tuple(notes)


def _check_jpeg(content: bytes) -> tuple[bool, tuple[str, ...]]:
    if jpeg.header(content).pictures:
        raise ItemError("holds several pictures (MPO); only files with one picture are restored")
    return False, ()


def _check_webp(content: bytes) -> tuple[bool, tuple[str, ...]]:
    nature = webp.header(content)
    if nature.animated:
        raise ItemError("is animated (WebP); animations are not restored")
    return nature.lossless, () if nature.lossless else ("lossy WebP written losslessly",)


def _check_tiff(content: bytes) -> tuple[bool, tuple[str, ...]]:
    nature = tiff.header(content)
    if nature.pages > 1 or 330 in nature.tags:
        what = f"{nature.pages} pages" if nature.pages > 1 else "sub-images"
        raise ItemError(f"holds {what}; only TIFF files with one page are restored")
    photometric = nature.get(262, 1)
    depths = set(nature.tags[258].numbers() if 258 in nature.tags else [1])
    if photometric not in _PHOTOMETRIC or nature.get(339, 1) != 1:
        raise ItemError(f"is a TIFF of a kind that is not restored (photometric {photometric})")
    if photometric != 3 and not depths <= {8, 16}:
        raise ItemError(f"has {min(depths)} bits a sample; TIFF files of 8 or 16 are restored")
    if nature.get(338, 0) == 1:
        raise ItemError("has associated (premultiplied) alpha, which cannot be kept exactly")
    notes = []
    if photometric == 3:
        notes.append("palette widened to RGB")
    if photometric == 0:
        notes.append("white-is-zero written as black-is-zero")
    lossy = nature.get(259, 1) in (6, 7)
    if nature.get(259, 1) not in _COMPRESSION:
        notes.append("compression changed to deflate (lossless)")
    return not lossy, tuple(notes)


def _jpeg_as_tiff(picture: Picture, wanted: Pixels, source_type: str | None) -> tuple[bytes, bool]:
    content = picture.content
    tags: dict[int, tiff.Tag] = {}
    if exif := jpeg.application(content, 0xE1, b"Exif\0\0"):
        tags |= tiff.header(exif).tags
    if resources := jpeg.application(content, 0xED, b"Photoshop 3.0\0"):
        tags[34377] = tiff.Tag(1, len(resources), resources)
    image = _open(content)
    fields = set(image.get_fields())
    for number, name in ((34675, "icc-profile-data"), (33723, "iptc-data")):
        if name in fields:
            data = bytes(image.get(name))
            tags[number] = tiff.Tag(7, len(data), data)
    encoded = _image(wanted, picture.colours).tiffsave_buffer(
        compression="deflate", predictor="horizontal", keep="none", xres=image.xres, yres=image.yres
    )
    for number in (282, 283, 296):  # resolution, also where only the JFIF header has it
        tags.setdefault(number, tiff.header(encoded).tags[number])
    return tiff.splice(encoded, tags, jpeg.xmp(content), source_type)


def _tiff(pixels: Pixels, colours: int, source: tiff.Header) -> bytes:
    options: dict[str, Any] = {"compression": _COMPRESSION.get(source.get(259, 1), "deflate")}
    options["predictor"] = "horizontal" if source.get(317, 1) == 2 else "none"
    if options["compression"] == "deflate" and source.get(259, 1) not in _COMPRESSION:
        options["predictor"] = "horizontal"
    width, height = source.get(322, 0), source.get(323, 0)
    if width and height:
        options |= {"tile": True, "tile_width": width, "tile_height": height}
    big = source.big or pixels.nbytes > 3.5 * 2**30
    encoded: bytes = _image(pixels, colours).tiffsave_buffer(bigtiff=big, keep="none", **options)
    return encoded


def _compare(content: bytes, wanted: Pixels, mask: NDArray[np.bool_], lossless: bool) -> tuple[int, int]:
    """Read the new file back: largest difference and changed pixels outside the mask."""
    got = _decode(_open(content))
    if got.shape != wanted.shape or got.dtype != wanted.dtype:
        raise ItemError(f"was written as {got.dtype} {got.shape}, not {wanted.dtype} {wanted.shape}")
    if lossless:
        if not np.array_equal(got, wanted):
            raise ItemError("was written, but other pixels were read back than were meant")
        return 0, 0
    outside = np.abs(got.astype(np.int16) - wanted)[~mask]
    if not outside.size:
        return 0, 0
    return int(outside.max()), int((outside.max(axis=1) > 0).sum())


def _open(content: bytes) -> Any:
    pyvips = _pyvips()
    try:
        return pyvips.Image.new_from_buffer(content, "", fail_on="error")
    except pyvips.Error as error:
        raise ItemError(f"is not a readable image: {_first_line(error)}") from None


def _decode(image: Any) -> Pixels:
    pyvips = _pyvips()
    try:
        pixels: Pixels = image.numpy()
    except pyvips.Error as error:
        raise ItemError(f"cannot be decoded: {_first_line(error)}") from None
    return pixels[..., None] if pixels.ndim == 2 else pixels


def _image(pixels: Pixels, colours: int) -> Any:
    height, width, bands = pixels.shape
    deep = pixels.dtype == np.uint16
    data = np.ascontiguousarray(pixels)
    kind = "ushort" if deep else "uchar"
    name = {1: "grey16" if deep else "b-w", 3: "rgb16" if deep else "srgb", 4: "cmyk"}[colours]
    image = _pyvips().Image.new_from_memory(data.data, width, height, bands, kind)
    return image.copy(interpretation=name)


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[-1] if lines else type(error).__name__)[:200]


@cache
def _pyvips() -> Any:
    import pyvips

    pyvips.cache_set_max(0)  # a cached operation would keep a whole file in memory
    return pyvips
