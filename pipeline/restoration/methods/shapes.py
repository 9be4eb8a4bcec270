"""The shape of holes: the best method depends on whether a hole is a line or a patch.

The rule is local: it depends only on pixels within `REACH`. A picture in tiles is therefore judged like the
whole picture, and a patch does not make a net of cracks that it touches wide.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.restoration.methods.interface import Mask

SHAPES = ("thin", "wide")
THIN = 3.0  # pixels: a hole is thin where no pixel lies farther from its edge
_DISC = int(THIN)
_RIM = 8  # pixels around the middle of a patch that also belong to the patch
REACH = 16


def by_shape(mask: Mask) -> dict[str, Mask]:
    """Split a mask (H, W) into its thin and its wide part: 'thin' and 'wide', each (H, W)."""
    import cv2

    # A pixel lies farther than THIN from the edge where a disc of that radius fits into the hole.
    disc = np.hypot(*np.mgrid[-_DISC : _DISC + 1, -_DISC : _DISC + 1]) <= THIN
    padded = np.pad(mask.astype(np.uint8), _DISC, mode="edge")
    middle = np.asarray(cv2.erode(padded, disc.astype(np.uint8)))[_DISC:-_DISC, _DISC:-_DISC]
    if not middle.any():
        return {"thin": mask.copy(), "wide": np.zeros_like(mask)}
    rim = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * _RIM + 1, 2 * _RIM + 1))
    wide = mask & (cv2.dilate(middle, rim) > 0)
    return {"thin": mask & ~wide, "wide": wide}


def farther(mask: Mask, distance: float) -> Mask:
    """The masked pixels (H, W) that lie farther than `distance` pixels from any unmasked pixel."""
    # A disc of this radius contains a whole block of the grid. No block is fully masked: no pixel is so deep.
    block = int(distance / np.sqrt(2))
    ends = [(0, -size % block) for size in mask.shape]
    whole = np.pad(mask, ends, constant_values=True)
    rows, columns = (size // block for size in whole.shape)
    if not whole.reshape(rows, block, columns, block).all(axis=(1, 3)).any():
        return np.zeros_like(mask)
    return np.asarray(depth(mask) > distance, np.bool_)


def depth(mask: Mask) -> NDArray[np.float32]:
    """The distance (H, W) of each masked pixel from the nearest unmasked one, in pixels; 0 outside the mask.

    The picture's border does not count as an edge of a hole, because there are no pixels beyond it to fill
    from. The distance is infinite where every pixel is masked.
    """
    import cv2

    if mask.all():
        return np.full(mask.shape, np.inf, np.float32)
    padded = np.pad(mask.astype(np.uint8), 1, mode="edge")
    distance = cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.asarray(distance[1:-1, 1:-1], np.float32)
