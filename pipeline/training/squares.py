"""Square views of pictures: what generators learn from and are compared with."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray


def views(
    picture: NDArray[np.uint8], side: int, count: int, rng: np.random.Generator
) -> list[NDArray[np.uint8]]:
    """Square views of a picture: first its largest central square, then random crops, squeezed a little.

    Args:
        picture: (H, W, 3), 8 bit.
        side: pixels a side of a view.
        count: how many views.
        rng: source of the random crops.

    Returns:
        `count` arrays of shape (side, side, 3).
    """
    height, width = picture.shape[:2]
    short = min(height, width)
    found = []
    for number in range(count):
        h = w = short
        if number:
            share = rng.uniform(0.75, 1.0)
            stretch = rng.uniform(1.0, 1.25)  # at most a quarter more of the longer side, squeezed
            h = w = max(1, int(short * share))
            if height >= width:
                h = min(height, int(h * stretch))
            else:
                w = min(width, int(w * stretch))
        spare = height - h, width - w
        top, left = (
            (int(rng.integers(0, spare[0] + 1)), int(rng.integers(0, spare[1] + 1)))
            if number
            else (spare[0] // 2, spare[1] // 2)
        )
        crop = picture[top : top + h, left : left + w]
        found.append(cv2.resize(crop, (side, side), interpolation=cv2.INTER_AREA).astype(np.uint8))
    return found
