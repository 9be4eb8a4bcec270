"""Whether two pictures show the same work: local features that agree on one placement, then the pixels.

A crop, another frame, another scan or a slight rotation is the first picture moved, scaled and turned.
SIFT keypoints (Lowe 2004) propose that placement, RANSAC (Fischler & Bolles 1981) keeps those that
agree, and between those the two pictures, laid over each other, must look alike. Frames and mounts lie
outside, so they may differ.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.archive.packs import Pack
from pipeline.catalog.checks.sketches import Sketch

RATIO = 0.8  # of the nearest to the second nearest descriptor's distance, at most
INLIERS = 10  # keypoints that agree on one placement, at least
TOLERANCE = 4.0  # pixels by which such a keypoint may be off
CORRELATION = 0.6  # of the overlaid greys, from -1 to 1, at least
SHARE = 0.15  # of the smaller picture that lies between agreeing keypoints: a stamp in a corner is no work
SCALES = (0.2, 5.0)  # of one sketch to the other
_BLUR = 2.0  # pixels: JPEG and resampling change what is finer


def compare(pair: tuple[str, str], sketches: Pack, places: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether the pictures of two files, given by SHA-256, show the same work.

    Args:
        pair: the two files.
        sketches: what holds their sketches.
        places: where each file's sketch lies in it.
    """
    first, second = (Sketch.unpack(sketches.read(places[digest])) for digest in pair)
    return same_work(first, second)


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
