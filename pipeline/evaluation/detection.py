"""How well damage was found, and what was taken for damage that is none."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]  # (H, W)


def compare(found: Mask, truth: Mask) -> dict[str, float]:
    """Precision, recall and F1 of found pixels, and `f1_soft`: F1 with one pixel to each side forgiven."""
    near_truth, near_found = (_grown(mask) for mask in (truth, found))
    precision, recall = _share(found & truth, found), _share(found & truth, truth)
    soft = _harmonic(_share(found & near_truth, found), _share(truth & near_found, truth))
    return {"precision": precision, "recall": recall, "f1": _harmonic(precision, recall), "f1_soft": soft}


def _grown(mask: Mask) -> Mask:
    import cv2

    return np.asarray(cv2.dilate(mask.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0)


def _share(part: Mask, whole: Mask) -> float:
    return float(part.sum() / whole.sum()) if whole.any() else 0.0


def _harmonic(one: float, other: float) -> float:
    return 2 * one * other / (one + other) if one + other else 0.0
