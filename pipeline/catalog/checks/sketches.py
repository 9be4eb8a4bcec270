"""Sketches: reduced grey pictures with SIFT keypoints (Lowe 2004), which pictures are compared by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.archive.packs import Pack, Reduced
from pipeline.catalog.location import PictureFile

SIDE = 384  # pixels of a sketch's longer side
KEYPOINTS = 600  # keypoints of a picture, the strongest


@dataclass(frozen=True)
class Sketch:
    """A reduced grey picture with its keypoints: their positions and descriptors."""

    grey: NDArray[np.uint8]  # (H, W), longer side SIDE
    places: NDArray[np.float32]  # (N, 2), x and y in pixels
    descriptors: NDArray[np.uint8]  # (N, 128), SIFT

    def pack(self) -> NDArray[np.uint8]:
        """The sketch as an array of bytes, without loss."""
        height, width = self.grey.shape
        head = np.array([height, width, len(self.places)], "<u4")
        parts = (head.view(np.uint8), self.grey, self.places.astype("<f4").view(np.uint8), self.descriptors)
        return np.concatenate([part.ravel() for part in parts])

    @classmethod
    def unpack(cls, row: NDArray[np.uint8]) -> Sketch:
        """The sketch that `pack` wrote."""
        height, width, count = row[:12].view("<u4").tolist()
        grey, places, descriptors = np.split(row[12:], np.cumsum([height * width, 8 * count]))
        return cls(
            grey.reshape(height, width),
            places.copy().view("<f4").reshape(count, 2),
            descriptors.reshape(count, 128),
        )


def sketch_file(picture: PictureFile, pictures: Reduced, sketches: Pack) -> dict[str, Any]:
    """Append the sketch of a file's picture to the pack, and return where it lies.

    Raises:
        ItemError: when the file cannot be decoded completely.
    """
    return sketches.append(sketch(pictures.read(picture.sha256, picture.find)).pack())


def sketch(picture: NDArray[np.uint8]) -> Sketch:
    """The sketch of a picture (H, W, 3), 8-bit sRGB."""
    scale = SIDE / max(picture.shape[:2])
    size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
    # Small pictures are enlarged, because SIFT then finds more keypoints.
    full = cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2GRAY)
    resized = cv2.resize(full, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    grey = np.asarray(resized, np.uint8)
    # A low contrast threshold, because dark and faded pictures have few keypoints otherwise.
    detector = cv2.SIFT.create(nfeatures=KEYPOINTS, contrastThreshold=0.01)
    keypoints, raw = detector.detectAndCompute(grey, None)
    if not keypoints:
        return Sketch(grey, np.zeros((0, 2), np.float32), np.zeros((0, 128), np.uint8))
    places = np.array([point.pt for point in keypoints], np.float32)
    return Sketch(grey, places, raw.astype(np.uint8))  # OpenCV's descriptors are whole numbers up to 255
