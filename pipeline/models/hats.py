"""The input of the detector: a picture's colours, with their black-hat and top-hat.

Black-hat and top-hat measure how far a pixel is below and above the brightness around it. Cracks, scratches,
hairs and dust have this in common. OpenCV computes them here, outside the network, because morphology costs
OpenCV a hundredth of what pooling costs an engine. No torch is needed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

HATS = (5, 11)  # pixels: widths of the squares that a pixel is compared with
CHANNELS = 3 + 2 * len(HATS)
HATS_REACH = 2 * (max(HATS) // 2)  # pixels to each side that black-hat and top-hat look at
SMALL = 768  # pixels: a picture up to this side is processed at its own size and enlarged twice
_STRENGTH = 4.0  # scale of both hats, whose values are small


def described(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """The network's input for a picture (H, W, 3) in [0, 1]: (CHANNELS, H, W).

    Pixels outside the picture do not count.
    """
    import cv2

    red, green, blue = np.moveaxis(pixels, 2, 0)
    grey = (red + green + blue) / np.float32(3)  # mean(axis=2) takes ten times as long
    found = np.empty((CHANNELS, *grey.shape), np.float32)
    found[:3] = pixels.transpose(2, 0, 1) - np.float32(0.5)
    for number, width in enumerate(HATS):
        square = np.ones((width, width), np.uint8)
        for side, operation in enumerate((cv2.MORPH_BLACKHAT, cv2.MORPH_TOPHAT)):
            hat = np.asarray(cv2.morphologyEx(grey, operation, square), np.float32)
            found[3 + 2 * number + side] = hat * np.float32(_STRENGTH)
    return found


def doubled(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """A picture (H, W, 3) in [0, 1] enlarged twice, bicubic: (2 H, 2 W, 3).

    In a small picture, damage is one or two pixels wide. In the enlarged picture the network has four times
    as many features for each of these pixels.
    """
    import cv2

    height, width = pixels.shape[:2]
    large = cv2.resize(pixels, (2 * width, 2 * height), interpolation=cv2.INTER_CUBIC)
    return np.clip(np.asarray(large, np.float32), 0, 1)
