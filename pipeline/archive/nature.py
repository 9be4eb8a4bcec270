"""Check what a file declares, and whether its nature can be kept when it is written again.

imagefile.py lists the rules.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.archive.formats import jpeg, png, tiff, tiffdata, webp
from pipeline.archive.formats.slices import Slices
from pipeline.errors import ItemError

_PHOTOMETRIC = {0: "white is zero", 1: "grey", 2: "RGB", 3: "palette", 5: "CMYK", 6: "YCbCr"}
_JPEG_IN_TIFF = (6, 7)
_READABLE = {1, 5, *_JPEG_IN_TIFF, 8, 32946, 32773, 50000, 50001}  # compressions of TIFF
KEPT = _READABLE - {*_JPEG_IN_TIFF, 50001}  # compressions that are also written; all lossless
_LARGEST_TILE = 1 << 31  # bits
_LAYERS = 37724  # Photoshop's private data, which hold a copy of the picture


@dataclass(frozen=True)
class Nature:
    """What a file declares."""

    lossless: bool  # whether it stores its pixels losslessly
    notes: tuple[str, ...] = ()  # what changes when it is written again
    parents: tuple[int | None, ...] = (None,)  # for each page the one that it is a reduced copy of, or None


def check(kind: str, content: Slices) -> Nature:
    """Read what a png, jpeg, tiff or webp file declares.

    Raises:
        ItemError: when it is cut off, or of a nature that cannot be kept.
    """
    return _CHECKS[kind](content)


def tiff_notes(folder: tiff.Folder) -> tuple[str, ...]:
    """What changes in the nature of a TIFF's page when it is written again."""
    notes = []
    if folder.get(262, 1) == 3:
        notes.append("palette widened to RGB")
    if folder.get(262, 1) == 6:
        notes.append("YCbCr written as RGB")
    if folder.get(259, 1) not in KEPT:
        notes.append("compression changed to deflate (lossless)")
    if _LAYERS in folder.tags:
        notes.append("layers of Photoshop kept as they were: they show the picture before")
    return tuple(notes)


def _check_png(content: Slices) -> Nature:
    found = png.header(content)
    if found.animated:
        raise ItemError("is animated (APNG); animations are not restored")
    notes = []
    if found.palette:
        notes.append("palette widened to RGB")
    elif found.depth < 8:
        notes.append(f"{found.depth}-bit grey widened to 8 bits")
    if found.transparency:
        notes.append("tRNS transparency widened to an alpha channel")
    return Nature(True, tuple(notes))


def _check_jpeg(content: Slices) -> Nature:
    size = 1 << 18
    while True:
        try:
            found = jpeg.header(content[:size])
            break
        except ItemError:  # the header may be longer than the part that was read
            if size >= len(content):
                raise
            size *= 8
    if found.pictures:
        raise ItemError("holds several pictures (MPO); only files with one picture are restored")
    return Nature(False)


def _check_webp(content: Slices) -> Nature:
    found = webp.header(content[: len(content)])
    if found.animated:
        raise ItemError("is animated (WebP); animations are not restored")
    return Nature(found.lossless, () if found.lossless else ("lossy WebP written losslessly",))


def _check_tiff(content: Slices) -> Nature:
    found = tiff.header(content)
    for number, folder in enumerate(found.folders):
        try:
            _check_folder(folder)
        except ItemError as error:
            several = len(found.folders) > 1
            raise ItemError(f"page {number + 1} {error}" if several else str(error)) from None
    tiff.require_whole(content, found)
    notes = [note for folder in found.folders for note in tiff_notes(folder)]
    lossless = all(folder.get(259, 1) in KEPT for folder in found.folders)
    return Nature(lossless, tuple(dict.fromkeys(notes)), tuple(tiff.parents(found.folders)))


def _check_folder(folder: tiff.Folder) -> None:
    if 330 in folder.tags:
        raise ItemError("holds sub-images; TIFF files without them are restored")
    photometric, compression = folder.get(262, 1), folder.get(259, 1)
    depths = set(folder.tags[258].numbers() if 258 in folder.tags else [1])
    unmixed = photometric != 6 or compression in _JPEG_IN_TIFF  # plain YCbCr: libvips takes it for RGB
    if photometric not in _PHOTOMETRIC or folder.get(339, 1) != 1 or not unmixed:
        raise ItemError(f"is a TIFF of a kind that is not restored (photometric {photometric})")
    if photometric != 3 and depths not in ({8}, {16}):
        raise ItemError(f"has {min(depths)} bits a sample; TIFF files of 8 or 16 are restored")
    if folder.get(322, 0) * folder.get(323, 0) * folder.get(277, 1) * max(depths) > _LARGEST_TILE:
        raise ItemError("has tiles of more than 256 MB, which cannot be read in bounded memory")
    if folder.get(338, 0) == 1:
        raise ItemError("has associated (premultiplied) alpha, which cannot be kept exactly")
    if compression not in _READABLE or (photometric == 3 and compression == tiffdata.ZSTD):
        raise ItemError(f"is a TIFF of a compression that cannot be read ({compression})")


_CHECKS = {"png": _check_png, "jpeg": _check_jpeg, "webp": _check_webp, "tiff": _check_tiff}
