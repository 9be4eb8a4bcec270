"""What the detector of damage sees of a picture: its colours, and what stands out in them.

Black-hat and top-hat say how far a place lies below and above the brightness around it: what cracks,
scratches, hairs and dust have in common. They are made here and not in the network, since morphology costs
OpenCV a hundredth of what pooling costs an engine. No torch is needed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

HATS = (5, 11)  # pixels: widths of the squares in which a place is compared with its surroundings
CHANNELS = 3 + 2 * len(HATS)
HATS_REACH = 2 * (max(HATS) // 2)  # pixels to each side that black-hat and top-hat look at
SMALL = 768  # pixels: a picture of no longer a side is looked at as it is and enlarged twice
_STRENGTH = 4.0  # of both hats, whose values are small


def described(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """A picture (H, W, 3) in [0, 1] as the network takes it: (CHANNELS, H, W).

    What lies beyond the picture's border does not count.
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

    In a small picture damage is a pixel or two wide; enlarged, the network has four times as many features
    for each of its pixels.
    """
    import cv2

    height, width = pixels.shape[:2]
    large = cv2.resize(pixels, (2 * width, 2 * height), interpolation=cv2.INTER_CUBIC)
    return np.clip(np.asarray(large, np.float32), 0, 1)
