"""Decides whether two pictures show the same work: matched keypoints first, then pixels.

A crop, another frame, another scan or a slight rotation is a similarity transform of the first picture.
SIFT keypoints (Lowe 2004) propose the transform and RANSAC (Fischler & Bolles 1981) keeps the keypoints
that agree on it. Within their convex hull the two pictures must correlate. Frames and mounts lie outside
the hull, so they may differ.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.archive.packs import Pack
from pipeline.catalog.checks.sketches import Sketch

RATIO = 0.8  # ratio test: largest quotient of the nearest and the second nearest distance
INLIERS = 10  # fewest keypoints that agree on one transform
TOLERANCE = 4.0  # pixels: largest error of an agreeing keypoint
CORRELATION = 0.6  # smallest correlation of the overlaid greys, from -1 to 1
SHARE = 0.15  # smallest share of the smaller picture within the hull: a shared stamp does not count
SCALES = (0.2, 5.0)  # scale from one sketch to the other
_BLUR = 2.0  # pixels of blur: JPEG and resampling change finer details


def compare(pair: tuple[str, str], sketches: Pack, places: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether the pictures of two files show the same work.

    Args:
        pair: SHA-256 of the two files.
        sketches: the pack that holds their sketches.
        places: SHA-256 -> where the file's sketch lies in the pack.
    """
    first, second = (Sketch.unpack(sketches.read(places[digest])) for digest in pair)
    return same_work(first, second)


def same_work(first: Sketch, second: Sketch) -> bool:
    """Whether one picture is the other one cropped, framed, scaled, slightly rotated or scanned again."""
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
    """The similarity transform (2, 3) from the first picture to the second, and the positions (N, 2) in the
    second of the keypoints that agree on it; None when too few agree.
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
    # Several keypoints at one position count once.
    if len(np.unique(np.round(places / TOLERANCE), axis=0)) < INLIERS:
        return None
    return np.asarray(matrix, np.float64), places


def _agreeing(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Pairs (M, 2) of descriptors that are mutual nearest neighbours and pass the ratio test."""
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
    """RootSIFT (Arandjelovic & Zisserman 2012): rows of length 1, whose dot product is their similarity."""
    raw = descriptors.astype(np.float32)
    return np.asarray(np.sqrt(raw / np.maximum(raw.sum(axis=1, keepdims=True), 1e-6)), np.float32)


def _overlay(
    first: NDArray[np.uint8],
    second: NDArray[np.uint8],
    placement: NDArray[np.float64],
    places: NDArray[np.float32],
) -> tuple[float, float]:
    """The share of the smaller picture that the hull covers, and the correlation within the hull."""
    size = (second.shape[1], second.shape[0])
    hull = cv2.convexHull(places).round().astype(np.int32)
    inside = cv2.fillConvexPoly(np.zeros_like(second), hull, 1).astype(bool)
    area = first.size * abs(
        float(np.linalg.det(placement[:, :2]))
    )  # corners of the first picture, in pixels of the second
    share = float(inside.sum()) / max(1.0, min(area, float(second.size)))
    moved = cv2.warpAffine(first, placement, size, flags=cv2.INTER_LINEAR)
    a = cv2.GaussianBlur(moved, (0, 0), _BLUR)[inside].astype(np.float64)
    b = cv2.GaussianBlur(second, (0, 0), _BLUR)[inside].astype(np.float64)
    a, b = a - a.mean(), b - b.mean()
    length = float(np.sqrt((a @ a) * (b @ b)))
    return share, float(a @ b) / length if length > 0 else 0.0
