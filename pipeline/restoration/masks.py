"""Where a work's damage is: by a given mask, by the detector, or by both.

A mask is a picture of the work's size; white is damage. A PNG mask may say what kind of damage it
marks, in a text chunk `kind` (cracks, scratches, losses, stains): the method that measured best for that
kind is then used, not the one for the hole's shape.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.archive import imagefile
from pipeline.archive.atomic import write_bytes
from pipeline.restoration.detect import detect

Mask = NDArray[np.bool_]


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
