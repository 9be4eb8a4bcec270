"""Image files for restoration, writing: the source's container and metadata around new pixels.

imagefile.py lists the rules on what is kept. PNG and TIFF are assembled on disk. JPEG and WebP hold a few
hundred megapixels at most and are assembled in memory. Every file is read back and compared with the
wanted pixels before the caller gets it. Small previews inside EXIF and Photoshop blocks stay unchanged.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.archive import vips, writetiff
from pipeline.archive.canvas import Canvas
from pipeline.archive.fixity import file_sha256
from pipeline.archive.formats import jpeg, png, webp
from pipeline.archive.formats.slices import Slices
from pipeline.archive.imagefile import ImageFile, bands
from pipeline.archive.writetiff import NewPage
from pipeline.errors import ItemError

__all__ = ["JpegOutput", "NewPage", "Written", "write"]

JpegOutput = Literal["jpeg", "tiff"]
_WEBP_SIDE = 16383  # pixels, RFC 9649


@dataclass(frozen=True)
class Written:
    """A file made from a source and new pixels."""

    suffix: str  # what is appended to the name: "" or ".tif"
    sha256: str
    size: int  # bytes
    lossless: bool
    largest_difference: int  # of any sample outside the masks, in the file's own steps
    changed_outside: int  # pixels outside the masks that differ
    states_source_type: bool
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Result:
    stated: bool
    notes: tuple[str, ...]
    pages: dict[int, NewPage]  # by folder


def write(
    file: ImageFile,
    pages: Sequence[NewPage | None],
    target: Path,
    source_type: str | None,
    jpeg_output: JpegOutput,
    scratch: Path,
) -> Written:
    """The file with its pixels replaced by those of canvases.

    Args:
        file: as opened.
        pages: one for each page of the file, decoded and then changed inside the mask; a mask of None
            says that the whole picture is new, and it may have another size then: the resolution is
            changed with it, so that the print size stays. A page of None stays as it is.
        target: a temporary path that the caller renames; flushed to disk.
        source_type: IPTC digital source type that the XMP of changed pages is to state, or None.
        jpeg_output: whether a JPEG becomes a JPEG again or a lossless TIFF.
        scratch: an existing folder for scratch files of the picture's size.

    Raises:
        ItemError: when the file, read back, does not hold the wanted pixels, or its format cannot.
        OSError: when the disk is full, or the like.
    """
    if len(pages) != len(file.pages):
        raise ValueError(f"{len(pages)} pages given for {len(file.pages)}")
    suffix, kind = "", file.format
    if file.format == "jpeg" and jpeg_output == "tiff":
        suffix, kind = ".tif", "tiff"
    if all(page is None for page in pages):
        with file.path.open("rb") as source, target.open("wb") as out:
            shutil.copyfileobj(source, out, 1 << 20)
        _flush(target)
        size = target.stat().st_size
        return Written("", file_sha256(target), size, file.lossless, 0, 0, False, ())
    with _encoded(file, pages, target, source_type, kind, scratch) as result:
        _flush(target)
        largest, changed = _verify(file, result.pages, target, kind)
    digest, size = file_sha256(target), target.stat().st_size
    lossless = kind != "jpeg"
    return Written(suffix, digest, size, lossless, largest, changed, result.stated, result.notes)


@contextmanager
def _encoded(
    file: ImageFile,
    pages: Sequence[NewPage | None],
    target: Path,
    source_type: str | None,
    kind: str,
    scratch: Path,
) -> Iterator[_Result]:
    """Write the target; the caller can compare the result inside the context."""
    if file.format == "tiff":
        with target.open("wb") as out, writetiff.write(file, pages, out, source_type, scratch) as result:
            out.flush()
            yield _Result(result.stated, result.notes, result.pages)
        return
    page = pages[0]
    assert page is not None
    if kind == "tiff":
        with target.open("wb") as out:
            stated = writetiff.write_jpeg(file.path.read_bytes(), page.canvas, out, source_type, scratch)
        notes = (*file.notes, "JPEG written as lossless TIFF")
    elif kind == "png":
        stated, notes = _png(file, page, target, source_type, scratch), file.notes
    elif kind == "webp":
        stated, notes = _webp(file, page, target, source_type), file.notes
    else:
        content = file.path.read_bytes()
        if page.mask is None:
            new = jpeg.encode_whole(content, page.canvas, source_type)
        else:
            new = jpeg.rewrite(content, page.canvas, page.mask, source_type)
        target.write_bytes(new.content)
        stated, notes = new.stated, (*file.notes, *new.notes)
    yield _Result(stated, notes, {0: page})


def _png(file: ImageFile, page: NewPage, target: Path, source_type: str | None, scratch: Path) -> bool:
    canvas = page.canvas
    with Slices(file.path) as source, TemporaryDirectory(prefix="png-", dir=scratch) as folder:
        path = Path(folder) / "new.png"
        options = {"interlace": png.header(source).interlaced, "bitdepth": 8 * canvas.dtype.itemsize}
        vips.save(canvas.image(), path, "pngsave", compression=4, filter="all", keep="none", **options)
        with Slices(path) as encoded, target.open("wb") as out:
            return png.splice(source, encoded, out, source_type, (canvas.shape[1], file.pages[0].width))


def _webp(file: ImageFile, page: NewPage, target: Path, source_type: str | None) -> bool:
    canvas = page.canvas
    if max(canvas.shape[:2]) > _WEBP_SIDE:
        size = f"{canvas.shape[1]} x {canvas.shape[0]}"
        raise ItemError(f"would have {size} pixels; WebP holds {_WEBP_SIDE} x {_WEBP_SIDE} at most")
    try:
        options = {"lossless": True, "exact": True, "effort": 4, "keep": "none"}
        encoded = canvas.image().webpsave_buffer(**options)
    except vips.library().Error as error:
        raise ItemError(f"cannot be written: {vips.reason(error)}") from None
    scale = (canvas.shape[1], file.pages[0].width)
    content, stated = webp.splice(file.path.read_bytes(), encoded, source_type, scale)
    target.write_bytes(content)
    return stated


def _verify(file: ImageFile, new: dict[int, NewPage], target: Path, kind: str) -> tuple[int, int]:
    """Read the new file back: the largest difference and the number of changed pixels outside the masks."""
    largest = changed = 0
    for number in sorted({*new, *(page.folder for page in file.pages), *(c.folder for c, _ in file.reduced)}):
        if number not in new:
            _compare_kept(file, number, target)
        elif kind == "jpeg":
            page = new[number]
            if page.mask is not None:
                largest, changed = _differences(bands(target, kind), page.canvas, page.mask)
            else:
                _require_shape(bands(target, kind), page.canvas)
        else:
            _compare(bands(target, kind, number), new[number].canvas)
    return largest, changed


def _compare(got: Iterator[vips.Band], canvas: Canvas) -> None:
    rows = 0
    for top, values in got:
        if values.shape[1:] != canvas.shape[1:] or values.dtype != canvas.dtype:
            what = f"{values.dtype} {values.shape[1:]}"
            raise ItemError(f"was written as {what}, not {canvas.dtype} {canvas.shape[1:]}")
        rows = top + len(values)
        if rows > canvas.shape[0] or not np.array_equal(values, _rows(canvas, top, rows)):
            raise ItemError("was written, but reading it back gave other pixels")
    if rows != canvas.shape[0]:
        raise ItemError(f"was written with {rows} rows, not {canvas.shape[0]}")


def _compare_kept(file: ImageFile, number: int, target: Path) -> None:
    for (_, old), (_, new) in zip(
        bands(file.path, "tiff", number), bands(target, "tiff", number), strict=True
    ):
        if old.dtype != new.dtype or not np.array_equal(old, new):
            raise ItemError("was written, but reading it back gave a changed page that should be unchanged")


def _differences(got: Iterator[vips.Band], canvas: Canvas, mask: Canvas) -> tuple[int, int]:
    largest = changed = rows = 0
    for top, values in got:
        rows = top + len(values)
        if values.shape[1:] != canvas.shape[1:] or rows > canvas.shape[0]:
            raise ItemError("was written with a wrong size")
        outside = _rows(mask, top, rows)[..., 0] == 0
        steps = np.abs(values.astype(np.int16) - _rows(canvas, top, rows))[outside]
        if steps.size:
            largest = max(largest, int(steps.max()))
            changed += int((steps.max(axis=1) > 0).sum())
    if rows != canvas.shape[0]:
        raise ItemError(f"was written with {rows} rows, not {canvas.shape[0]}")
    return largest, changed


def _require_shape(got: Iterator[vips.Band], canvas: Canvas) -> None:
    shape = (0, 0, 0)
    for top, values in got:
        shape = (top + len(values), *values.shape[1:])
    if shape != canvas.shape:
        raise ItemError(f"was written as {shape}, not {canvas.shape}")


def _rows(canvas: Canvas, top: int, stop: int) -> NDArray[Any]:
    return canvas.read((slice(top, stop), slice(0, canvas.shape[1])))


def _flush(path: Path) -> None:
    with path.open("rb") as handle:
        os.fsync(handle.fileno())
