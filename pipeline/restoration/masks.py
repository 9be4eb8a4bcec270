"""Where a work's damage is: by a given mask, by the detector, or by both.

A mask is a picture of the work's size; white is damage. A PNG mask may say what kind of damage it
marks, in a text chunk `kind` (cracks, scratches, losses, stains): the method that measured best for that
kind is then used, not the one for the hole's shape.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.archive import imagefile
from pipeline.archive.atomic import write_bytes
from pipeline.archive.images import SUFFIXES
from pipeline.errors import ItemError
from pipeline.restoration import names
from pipeline.restoration.detect import detect

Mask = NDArray[np.bool_]
_NO_MASK = (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG)


@dataclass(frozen=True)
class Matches:
    """The masks of an archive's works, by the works' relative paths."""

    paths: dict[str, Path] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)  # why a mask that is there cannot be used


def match(folder: Path, works: Iterable[str]) -> Matches:
    """Look up the mask of each work; works without one are in neither table."""
    found = Matches()
    for relative in works:
        try:
            if path := mask_of(folder, relative):
                found.paths[relative] = path
        except ItemError as error:
            found.failures[relative] = str(error)
    return found


def mask_of(folder: Path, relative: str) -> Path | None:
    """The mask of a work, `folder`/a/b.jpg.png for a/b.jpg; None when there is none.

    Raises:
        ItemError: when what lies at its place is no file, or cannot be looked at.
    """
    path, name = folder / f"{relative}.png", names.encode(f"{relative}.png")
    try:
        path.lstat()
    except OSError as error:
        if error.errno in _NO_MASK:
            return None
        raise ItemError(f"its mask {name} cannot be read: {error.strerror}") from None
    if not os.path.isfile(path):  # follows links; unlike Path.is_file, never raises
        what = "is a link to no file" if path.is_symlink() else "is no file"
        raise ItemError(f"its mask {name} {what}; mend or remove it")
    return path


def survey(folder: Path, is_work: Callable[[str], bool]) -> tuple[int, int]:
    """How many pictures below a mask folder are the mask of a work, and how many of none."""
    used = unused = 0
    for place, _, files in os.walk(folder):
        inside = os.path.relpath(place, folder)
        for file in files:
            stem, suffix = os.path.splitext(file)
            if suffix.lower() not in SUFFIXES:
                continue
            relative = stem if inside == os.curdir else f"{inside}/{stem}"
            belongs = suffix == ".png" and is_work(relative)
            used, unused = used + belongs, unused + (not belongs)
    return used, unused


@dataclass(frozen=True)
class Damage:
    """The pixels to fill, and what is known of them."""

    mask: Mask
    origin: str  # 'given', 'detected', 'given and detected' or 'none'
    kind: str | None
    file_sha256: str | None  # of the given mask


def find_damage(picture: imagefile.Picture, path: Path | None, detector: str) -> Damage:
    """The damage of a picture, from a mask file and from a detector ('none' or 'classical').

    Raises:
        ItemError: when the mask is no picture, or of another size.
    """
    mask = np.zeros(picture.pixels.shape[:2], np.bool_)
    origins, kind, digest = [], None, None
    if path is not None:
        content = path.read_bytes()
        mask |= imagefile.read_mask(content, picture.pixels.shape)
        digest, kind = hashlib.sha256(content).hexdigest(), _kind(content)
        origins.append("given")
    if detector == "classical":
        mask |= detect(picture.colour)
        origins.append("detected")
    return Damage(mask, " and ".join(origins) or "none", kind, digest)


def write_mask(path: Path, mask: Mask, kind: str | None = None) -> None:
    """Write a mask (H, W) as PNG, with the kind of damage that it marks."""
    from PIL.PngImagePlugin import PngInfo

    text = PngInfo()
    if kind:
        text.add_text("kind", kind)
    buffer = io.BytesIO()
    Image.fromarray(mask.astype(np.uint8) * 255).save(buffer, "PNG", pnginfo=text)
    write_bytes(path, buffer.getvalue())


def _kind(content: bytes) -> str | None:
    with Image.open(io.BytesIO(content)) as image:
        texts: dict[str, Any] = getattr(image, "text", {})
    return texts.get("kind")
