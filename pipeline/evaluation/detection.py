"""How well damage was found: hits, misses and false alarms."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]  # (H, W)
Pixels = NDArray[np.float32]  # (H, W, 3), values in [0, 1]

NOTICEABLE = 2.3  # CIE delta-E 1976: a difference that is just noticed (Mahy et al. 1994)


def compare(found: Mask, truth: Mask) -> dict[str, float]:
    """Precision, recall and F1 of found pixels, and `f1_soft`: F1 with one pixel to each side forgiven."""
    near_truth, near_found = (_grown(mask) for mask in (truth, found))
    precision, recall = _share(found & truth, found), _share(found & truth, truth)
    soft = _harmonic(_share(found & near_truth, found), _share(truth & near_found, truth))
    return {"precision": precision, "recall": recall, "f1": _harmonic(precision, recall), "f1_soft": soft}


def noticeable(before: Pixels, after: Pixels) -> Mask:
    """Where two pictures (H, W, 3), sRGB in [0, 1], differ visibly: a mask (H, W)."""
    import cv2

    first, second = (cv2.cvtColor(picture, cv2.COLOR_RGB2LAB) for picture in (before, after))
    return np.asarray(np.linalg.norm(first - second, axis=2) >= NOTICEABLE, np.bool_)


def _grown(mask: Mask) -> Mask:
    import cv2

    return np.asarray(cv2.dilate(mask.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0)


def _share(part: Mask, whole: Mask) -> float:
    return float(part.sum() / whole.sum()) if whole.any() else 0.0


def _harmonic(one: float, other: float) -> float:
    return 2 * one * other / (one + other) if one + other else 0.0
