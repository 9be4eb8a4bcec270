"""Contact sheets: many pictures of one size as one PNG."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.archive.atomic import atomic_path


def grid(pictures: NDArray[np.uint8], columns: int) -> NDArray[np.uint8]:
    """Pictures (N, H, W, 3) as one, row by row, white where none is left."""
    count, height, width, _ = pictures.shape
    rows = -(-count // columns)
    sheet = np.full((rows * columns, height, width, 3), 255, np.uint8)
    sheet[:count] = pictures
    tiled = sheet.reshape(rows, columns, height, width, 3).swapaxes(1, 2)
    return np.ascontiguousarray(tiled.reshape(rows * height, columns * width, 3))


def write_png(path: Path, pixels: NDArray[np.uint8]) -> None:
    """Write pixels (H, W, 3), 8-bit sRGB, as PNG, wholly or not at all.

    Raises:
        OSError: when the file cannot be written.
    """
    import cv2

    done, encoded = cv2.imencode(".png", pixels[..., ::-1])
    if not done:
        raise OSError(f"cannot encode {path} as PNG")
    with atomic_path(path) as temporary:
        temporary.write_bytes(encoded.tobytes())
