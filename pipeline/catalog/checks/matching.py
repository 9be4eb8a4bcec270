"""Whether two pictures show the same work: local features that agree on one placement, then the pixels.

A crop, another frame, another scan or a slight rotation is the first picture moved, scaled and turned.
SIFT keypoints (Lowe 2004) propose that placement, RANSAC (Fischler & Bolles 1981) keeps those that
agree, and between those the two pictures, laid over each other, must look alike. Frames and mounts lie
outside, so they may differ.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

SIDE = 384  # pixels of a sketch's longer side
KEYPOINTS = 600  # strongest of a picture
RATIO = 0.8  # of the nearest to the second nearest descriptor's distance, at most
INLIERS = 10  # keypoints that agree on one placement, at least
TOLERANCE = 4.0  # pixels by which such a keypoint may be off
CORRELATION = 0.6  # of the overlaid greys, from -1 to 1, at least
SHARE = 0.15  # of the smaller picture that lies between agreeing keypoints: a stamp in a corner is no work
SCALES = (0.2, 5.0)  # of one sketch to the other
_BLUR = 2.0  # pixels: JPEG and resampling change what is finer


@dataclass(frozen=True)
class Sketch:
    """What is kept of a picture to compare it: greys, places of keypoints, and their descriptors."""

    grey: NDArray[np.uint8]  # (H, W), longer side SIDE
    places: NDArray[np.float32]  # (N, 2), x and y in pixels
    descriptors: NDArray[np.uint8]  # (N, 128), SIFT

    def pack(self) -> NDArray[np.uint8]:
        """The sketch as a row of bytes, without loss."""
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


def sketch(picture: NDArray[np.uint8]) -> Sketch:
    """The sketch of a picture (H, W, 3), 8-bit sRGB."""
    scale = SIDE / max(picture.shape[:2])
    size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
    # Small pictures are enlarged: they show more keypoints then.
    full = cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2GRAY)
    resized = cv2.resize(full, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    grey = np.asarray(resized, np.uint8)
    # A low contrast threshold: dark and faded pictures have few keypoints else.
    detector = cv2.SIFT.create(nfeatures=KEYPOINTS, contrastThreshold=0.01)
    keypoints, raw = detector.detectAndCompute(grey, None)
    if not keypoints:
        return Sketch(grey, np.zeros((0, 2), np.float32), np.zeros((0, 128), np.uint8))
    places = np.array([point.pt for point in keypoints], np.float32)
    return Sketch(grey, places, raw.astype(np.uint8))  # OpenCV's are whole numbers up to 255


def same_work(first: Sketch, second: Sketch) -> bool:
    """Whether one picture is the other, cropped, framed, scaled, turned a little or scanned anew."""
    placed = _placement(first, second)
    if placed is None:
        return False
    placement, places = placed
    scale = float(np.hypot(placement[0, 0], placement[1, 0]))
    if not SCALES[0] <= scale <= SCALES[1]:
        return False
    share, correlation = _overlay(first.grey, second.grey, placement, places)
    return share >= SHARE and correlation >= CORRELATION


def _placement(first: Sketch, second: Sketch) -> tuple[NDArray[np.float64], NDArray[np.float32]] | None:
    """The similarity (2, 3) that lays the first picture on the second, and where (N, 2) on the second
    the keypoints lie that say so; None when too few do.
    """
    pairs = _agreeing(first.descriptors, second.descriptors)
    if len(pairs) < INLIERS:
        return None
    a, b = first.places[pairs[:, 0]], second.places[pairs[:, 1]]
    matrix, kept = cv2.estimateAffinePartial2D(
        a, b, method=cv2.RANSAC, ransacReprojThreshold=TOLERANCE, maxIters=2000, confidence=0.995
    )
    if matrix is None or not np.isfinite(matrix).all():
        return None
    places = b[kept.ravel().astype(bool)]
    # Several keypoints on one spot are one witness.
    if len(np.unique(np.round(places / TOLERANCE), axis=0)) < INLIERS:
        return None
    return np.asarray(matrix, np.float64), places


def _agreeing(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Pairs (M, 2) of descriptors that are each other's nearest, and clearly so."""
    if len(first) < 2 or len(second) < 2:
        return np.zeros((0, 2), np.int64)
    # The rows have length 1: the squared distance is 2 minus twice the product.
    distance = np.sqrt(np.maximum(2 - 2 * (_root(first) @ _root(second).T), 0))
    nearest = distance.argmin(axis=1)
    two = np.partition(distance, 1, axis=1)[:, :2]
    rows = np.arange(len(first))
    good = (two[:, 0] < RATIO * two[:, 1]) & (distance.argmin(axis=0)[nearest] == rows)
    return np.stack([rows[good], nearest[good]], axis=1)


def _root(descriptors: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Rows of length 1 whose product is the likeness: RootSIFT (Arandjelovic & Zisserman 2012)."""
    raw = descriptors.astype(np.float32)
    return np.asarray(np.sqrt(raw / np.maximum(raw.sum(axis=1, keepdims=True), 1e-6)), np.float32)


def _overlay(
    first: NDArray[np.uint8],
    second: NDArray[np.uint8],
    placement: NDArray[np.float64],
    places: NDArray[np.float32],
) -> tuple[float, float]:
    """What share of the smaller picture the hull of the places covers, and how alike both look there."""
    size = (second.shape[1], second.shape[0])
    hull = cv2.convexHull(places).round().astype(np.int32)
    inside = cv2.fillConvexPoly(np.zeros_like(second), hull, 1).astype(bool)
    area = first.size * abs(float(np.linalg.det(placement[:, :2])))  # of the first, in the second's pixels
    share = float(inside.sum()) / max(1.0, min(area, float(second.size)))
    moved = cv2.warpAffine(first, placement, size, flags=cv2.INTER_LINEAR)
    a = cv2.GaussianBlur(moved, (0, 0), _BLUR)[inside].astype(np.float64)
    b = cv2.GaussianBlur(second, (0, 0), _BLUR)[inside].astype(np.float64)
    a, b = a - a.mean(), b - b.mean()
    length = float(np.sqrt((a @ a) * (b @ b)))
    return share, float(a @ b) / length if length > 0 else 0.0
