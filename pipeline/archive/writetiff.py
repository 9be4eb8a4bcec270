"""Write TIFF files with new pages on disk, without holding the pixels in memory.

libvips encodes the pixels of each new page into a scratch file, with the compression, tiles and layout of
the source. Then the file is written page by page: the strips or tiles of a new page come from the scratch
file, those of an unchanged page from the source. Reduced copies of a page are updated: where its mask is
set, they get the reduced restored page; elsewhere they keep their samples. A compressed strip of more than
32 MB becomes several strips, because a strip must fit into memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from pipeline.archive import vips
from pipeline.archive.canvas import Canvas, Window
from pipeline.archive.formats import jpeg, tiff, tiffdata, tiffwrite
from pipeline.archive.formats.slices import Part, Slices
from pipeline.archive.imagefile import ImageFile, Page, bands
from pipeline.archive.nature import KEPT, tiff_notes

_COMPRESSION = {1: "none", 5: "lzw", 8: "deflate", 32946: "deflate", 32773: "packbits"}
_PREDICTED = {5, 8, 32946, tiffdata.ZSTD}  # compressions that can have a predictor
_STRIP = 128  # rows, where the source says nothing
_LARGEST = 1 << 25  # bytes of an uncompressed strip, which libvips holds in memory
_PHOTOMETRIC = {1: 1, 3: 2, 4: 5}


@dataclass(frozen=True)
class NewPage:
    """The new pixels of a page."""

    canvas: Canvas
    mask: Canvas | None  # (H, W, 1), 255 where they are new; None: the whole page is, its size may differ


@dataclass(frozen=True)
class Result:
    """What was written."""

    stated: bool
    notes: tuple[str, ...]
    pages: dict[int, NewPage]  # by folder: all pages with new pixels, reduced copies included


@contextmanager
def write(
    file: ImageFile, pages: Sequence[NewPage | None], out: BinaryIO, source_type: str | None, scratch: Path
) -> Iterator[Result]:
    """Write a TIFF with new pages; yields the written pages for a check, while their canvases are open.

    Raises:
        ItemError: when a page cannot be written.
        OSError: when the disk is full, or the like.
    """
    with ExitStack() as stack:
        source = stack.enter_context(Slices(file.path))
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="tiff-", dir=scratch)))
        found = tiff.header(source)
        new = {p.folder: page for p, page in zip(file.pages, pages, strict=True) if page is not None}
        for copy, parent in file.reduced:
            page = pages[parent]
            if page is not None:
                new[copy.folder] = _reduced(stack, file, copy, file.pages[parent], page, folder)
        notes: list[str] = []
        written: list[tiffwrite.Page] = []
        stated: list[bool] = []
        for number, old in enumerate(found.folders):
            if number not in new:
                written.append(tiffwrite.kept(source, old))
                continue
            layout = _encode(stack, new[number].canvas, old, found.order, folder / str(number))
            tags = tiffwrite.renewed(old.tags, layout.tags, same_values=old.get(262, 1) != 3)
            tags, said = _described(tags, new[number].canvas, old, source_type)
            stated.append(said)
            written.append(tiffwrite.Page(tags, layout.tiled, layout.data, layout.recode))
            notes += tiff_notes(old)
        big = found.big or sum(page.size for page in written) > tiffwrite.CLASSIC_LIMIT
        if big and not found.big:
            notes.append("written as BigTIFF: a classic TIFF holds 4 GB at most")
        if any(copy.folder in new for copy, _ in file.reduced):
            notes.append("reduced copies brought in line with their page")
        tiffwrite.write(out, written, big, found.order)
        yield Result(bool(source_type) and all(stated), tuple(dict.fromkeys(notes)), new)


def write_jpeg(content: bytes, canvas: Canvas, out: BinaryIO, source_type: str | None, scratch: Path) -> bool:
    """Write a JPEG's picture as a lossless TIFF with its metadata; returns whether it states the term."""
    tags: dict[int, tiff.Tag] = {}
    if exif := jpeg.application(content, 0xE1, b"Exif\0\0"):
        tags |= tiff.header(exif, only_first=True).folders[0].tags
    if resources := jpeg.application(content, 0xED, b"Photoshop 3.0\0"):
        tags[34377] = tiff.Tag(1, len(resources), resources)
    if packet := jpeg.xmp(content):
        tags[tiffwrite.XMP] = tiff.Tag(1, len(packet), packet)
    image = vips.library().Image.jpegload_buffer(content)
    fields = set(image.get_fields())
    for number, name in ((34675, "icc-profile-data"), (33723, "iptc-data")):
        if name in fields:
            data = bytes(image.get(name))
            tags[number] = tiff.Tag(7, len(data), data)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="tiff-", dir=scratch)))
        options = {"predictor": "horizontal", "xres": image.xres, "yres": image.yres}
        layout = _pixels(stack, canvas.image(), folder / "0", options)
        for number in (282, 283, 296):  # resolution, also when only the JFIF header has it
            tags.setdefault(number, layout.tags[number])
        old = tiff.Folder({256: _shorts(image.width), **tags})
        tags, stated = _described(tags, canvas, old, source_type)
        page = tiffwrite.Page(tiffwrite.renewed(tags, layout.tags, True), False, layout.data)
        tiffwrite.write(out, [page], page.size > tiffwrite.CLASSIC_LIMIT, "<")
    return stated


def _described(
    tags: dict[int, tiff.Tag], canvas: Canvas, old: tiff.Folder, source_type: str | None
) -> tuple[dict[int, tiff.Tag], bool]:
    """The tags with what the new picture's size changes and with the source type; whether it is stated."""
    if old.get(254, 0) & 1:
        return tags, True  # a reduced copy: its page speaks for it
    height, width = canvas.shape[:2]
    before = old.get(256, width)
    if width != before:
        tags = tiff.resized_tags(tags, (width, height), (width, before))
    stated = tiffwrite.stated(tags, source_type) if source_type else None
    return (tags, False) if stated is None else (stated, True)


def _encode(stack: ExitStack, canvas: Canvas, old: tiff.Folder, order: str, path: Path) -> tiffwrite.Page:
    """The canvas' pixels as strips or tiles of the source's kind, with the tags that describe them."""
    predicted = old.get(317, 1) == 2 and old.get(259, 1) in _PREDICTED
    stored = tiffdata.stored(canvas, old, order, predicted, path.parent)
    if stored is not None:
        stack.callback(stored.close)
    by_hand = predicted and tiffdata.foreign(canvas, order)
    options = _options(canvas, old, predicted and not by_hand)
    picture = stored or canvas
    planes = canvas.shape[2] if old.get(284, 1) == 2 else 1
    if planes == 1:
        found = _pixels(stack, picture.image(), path, options)
        tags, data = dict(found.tags), found.data
    else:
        grey = "b-w" if canvas.dtype.itemsize == 1 else "grey16"
        parts = [
            _pixels(stack, picture.image()[n].copy(interpretation=grey), path.with_suffix(f".{n}"), options)
            for n in range(planes)
        ]
        tags, data = _in_planes(parts[0].tags, canvas), [strip for part in parts for strip in part.data]
    if by_hand:
        tags[317] = _shorts(2)
    if old.get(259, 1) in KEPT:
        tags[259] = old.tags.get(259, _shorts(1))  # two numbers mean deflate
    if old.get(262, 1) == 0:
        tags[262] = _shorts(0)
    if not old.tiled and old.get(278, 0) >= canvas.shape[0]:  # each plane was one strip
        data = _joined(data, planes) if old.get(259, 1) == 1 else data
        if len(data) == planes:
            tags[278] = old.tags[278]
    return tiffwrite.Page(tags, old.tiled, data, tiffdata.recoder(old.get(259, 1)))


def _options(canvas: Canvas, old: tiff.Folder, predicted: bool) -> dict[str, Any]:
    """Options for libvips: compression and layout of the pixels."""
    compression = old.get(259, 1)
    options: dict[str, Any] = {"compression": _COMPRESSION.get(compression, "deflate")}
    options["predictor"] = "horizontal" if predicted or compression not in KEPT else "none"
    if compression == tiffdata.ZSTD:
        options["level"] = 1  # it is compressed again
    if old.tiled:
        return options | {"tile": True, "tile_width": old.get(322, 0), "tile_height": old.get(323, 0)}
    rows = _LARGEST // (canvas.shape[1] * canvas.shape[2] * canvas.dtype.itemsize)
    rows = max(2, min(old.get(278, _STRIP), canvas.shape[0], 32768, rows))
    while rows < canvas.shape[0] and canvas.shape[0] % rows == 1:
        rows += 1  # libvips 8.18 writes a last strip of one row with no bytes
    return options | {"tile_height": rows}


def _joined(parts: list[Part], planes: int) -> list[Part]:
    """Uncompressed strips that follow each other as one strip a plane, where they lie so."""
    joined: list[Part] = []
    for number, part in enumerate(parts):
        last = joined[-1] if joined and number % (len(parts) // planes) else None
        if last and last.source is part.source and last.place + last.size == part.place:
            joined[-1] = Part(part.source, last.place, last.size + part.size)
        else:
            joined.append(part)
    return joined if len(joined) == planes else parts


def _pixels(stack: ExitStack, image: Any, path: Path, options: dict[str, Any]) -> tiffwrite.Page:
    given = {"compression": "deflate", "bigtiff": True, "keep": "none"} | options
    vips.save(image, path, "tiffsave", **given)
    content = stack.enter_context(Slices(path))
    return tiffwrite.kept(content, tiff.header(content).folders[0])


def _in_planes(tags: dict[int, tiff.Tag], canvas: Canvas) -> dict[int, tiff.Tag]:
    """The tags of one plane for all of them."""
    samples = canvas.shape[2]
    result = tags | {
        258: _shorts(*[8 * canvas.dtype.itemsize] * samples),
        262: _shorts(_PHOTOMETRIC[canvas.colours]),
        277: _shorts(samples),
        284: _shorts(2),
        339: _shorts(*[1] * samples),
    }
    if samples > canvas.colours:
        result[338] = _shorts(2)
    return result


def _shorts(*values: int) -> tiff.Tag:
    small = max(values) < 1 << 16
    data = np.array(values, "<u2" if small else "<u4").tobytes()
    return tiff.Tag(3 if small else 4, len(values), data)


def _reduced(
    stack: ExitStack, file: ImageFile, copy: Page, parent: Page, page: NewPage, scratch: Path
) -> NewPage:
    """A reduced copy that follows its page."""
    height, width = page.canvas.shape[:2]
    across, down = round(copy.width * width / parent.width), round(copy.height * height / parent.height)
    small = _shrunk(page.canvas.image(), across, down)
    if copy.dtype.itemsize < page.canvas.dtype.itemsize:
        small = (small / 257).rint().cast("uchar")
    canvas = Canvas((down, across, copy.channels), copy.dtype, copy.colours, scratch)
    stack.callback(canvas.close)
    if page.mask is None:
        for window, values in _windows(vips.bands(small)):
            canvas.write(window, np.ascontiguousarray(values[..., : copy.channels]))
        return NewPage(canvas, None)
    mask = Canvas((down, across, 1), np.uint8, 1, scratch)
    stack.callback(mask.close)
    for window, values in _windows(vips.bands(_shrunk(page.mask.image(), across, down))):
        mask.write(window, np.where(values > 0, 255, 0).astype(np.uint8))
    for window, values in _windows(bands(file.path, "tiff", copy.folder)):
        canvas.write(window, values)
    for window, values in _windows(vips.bands(small)):
        damaged = mask.read(window)[..., 0] > 0
        mixed = canvas.read(window)
        mixed[..., : copy.colours][damaged] = values[..., : copy.colours][damaged]
        canvas.write(window, mixed)
    return NewPage(canvas, mask)


def _shrunk(image: Any, across: int, down: int) -> Any:
    return image.resize(across / image.width, vscale=down / image.height, kernel="linear")


def _windows(pixels: Iterator[vips.Band]) -> Iterator[tuple[Window, NDArray[Any]]]:
    for top, values in pixels:
        yield (slice(top, top + len(values)), slice(0, values.shape[1])), values
