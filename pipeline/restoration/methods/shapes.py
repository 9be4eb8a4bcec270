"""The shape of holes: the best method depends on whether a hole is a line or a patch.

The rule is local: it depends only on pixels within `REACH`. A picture in tiles is therefore judged like the
whole picture, and a patch does not make a net of cracks that it touches wide.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.restoration.methods.interface import Mask

SHAPES = ("thin", "wide")
THIN = 3.0  # pixels from the middle of a hole to its edge, at most, for it to count as thin
_DISC = int(THIN)
_RIM = 8  # pixels around the middle of a patch that belong to it
REACH = 16


def by_shape(mask: Mask) -> dict[str, Mask]:
    """A mask (H, W) parted into what is thin in it and what is wide."""
    import cv2

    # What is farther from the edge than THIN is what a disc of that radius fits around.
    disc = np.hypot(*np.mgrid[-_DISC : _DISC + 1, -_DISC : _DISC + 1]) <= THIN
    padded = np.pad(mask.astype(np.uint8), _DISC, mode="edge")
    middle = np.asarray(cv2.erode(padded, disc.astype(np.uint8)))[_DISC:-_DISC, _DISC:-_DISC]
    if not middle.any():
        return {"thin": mask.copy(), "wide": np.zeros_like(mask)}
    rim = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * _RIM + 1, 2 * _RIM + 1))
    wide = mask & (cv2.dilate(middle, rim) > 0)
    return {"thin": mask & ~wide, "wide": wide}


def farther(mask: Mask, distance: float) -> Mask:
    """The masked pixels that lie farther than a distance from the nearest one that is not masked."""
    # A disc so large holds a whole block of a raster: where there is none, there is nothing to measure.
    block = int(distance / np.sqrt(2))
    ends = [(0, -size % block) for size in mask.shape]
    whole = np.pad(mask, ends, constant_values=True)
    rows, columns = (size // block for size in whole.shape)
    if not whole.reshape(rows, block, columns, block).all(axis=(1, 3)).any():
        return np.zeros_like(mask)
    return np.asarray(depth(mask) > distance, np.bool_)


def depth(mask: Mask) -> NDArray[np.float32]:
    """How far each masked pixel is from the nearest one that is not, in pixels; 0 outside the mask.

    Beyond the picture's border there is nothing to fill from: it is no edge of a hole.
    """
    import cv2

    if mask.all():
        return np.full(mask.shape, np.inf, np.float32)
    padded = np.pad(mask.astype(np.uint8), 1, mode="edge")
    distance = cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.asarray(distance[1:-1, 1:-1], np.float32)
