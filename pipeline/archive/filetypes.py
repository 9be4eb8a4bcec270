"""Which files are pictures: by their first bytes, by the suffix of their name, by libvips's loader."""

from __future__ import annotations

# Names that are taken for pictures.
SUFFIXES = frozenset(
    (
        ".jpg",
        ".jpeg",
        ".jpe",
        ".png",
        ".tif",
        ".tiff",
        ".webp",
        ".jp2",
        ".j2k",
        ".gif",
        ".bmp",
        ".ppm",
        ".pgm",
    )
)
# The suffix that a picture of a format gets.
SUFFIX_OF = {"jpeg": ".jpg", "png": ".png", "tiff": ".tif", "webp": ".webp", "jp2k": ".jp2", "gif": ".gif"}

# Loaders of libvips, for masks and for pictures. It also reads tables, drawings and documents: no scans.
MASKS = ("png", "jpeg", "tiff", "webp", "gif", "ppm")
PICTURES = (*MASKS, "jp2k", "heif", "jxl")

PNG = b"\x89PNG\r\n\x1a\n"
JPEG = b"\xff\xd8\xff"
JPEG_2000 = "JPEG 2000"
_RESTORED = {
    PNG: "png",
    JPEG: "jpeg",
    b"II*\0": "tiff",
    b"MM\0*": "tiff",
    b"II+\0": "tiff",  # BigTIFF
    b"MM\0+": "tiff",
}
_OTHERS = {b"GIF8": "GIF", b"BM": "BMP", b"\0\0\0\x0cjP": JPEG_2000, b"\xff\x4f\xff\x51": JPEG_2000}


def sniff(head: bytes) -> str | None:
    """The format that a file's first 16 bytes declare: png, jpeg, tiff, webp, or None."""
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    return next((name for magic, name in _RESTORED.items() if head.startswith(magic)), None)


def foreign(head: bytes) -> str | None:
    """The name of a picture format that is not restored, by a file's first 16 bytes; None when unknown."""
    return next((name for magic, name in _OTHERS.items() if head.startswith(magic)), None)
