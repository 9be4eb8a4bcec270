"""Find damage without a trained model: thin lines and flat losses, and only clear cases.

It finds cracks and scratches that are clearly darker or brighter than both their sides, at most `WIDTH`
pixels wide and long for their width. It also finds losses that show as one flat patch of clipped white or
black with a hard edge. It does not find stains, fading, abrasion, faint or branching craquelure, losses of a
middle tone, or anything wider. It cannot tell a crack from a painted line of the same look (a rope, a bare
branch, lettering). Its thresholds are therefore high: it misses most damage of old paintings rather than
paint over one brush stroke. Where that matters, give masks that a conservator drew.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.restoration.methods.interface import Mask, Pixels, Position
from pipeline.restoration.methods.registry import CLASSICAL, Opening, method

WIDTH = 5  # pixels: largest width of a crack or scratch
CONTRAST = 100.0  # of 255: least contrast of a line to both its sides
BUSY = 8.0  # least ratio of a line's response to the mean response around it
LENGTH = 40  # pixels: least length of a line
SLIMNESS = 20.0  # least ratio of a line's length to its width
MARGIN = 0.03  # of the shorter side: border that is not searched, because edges of panels look like lines
FRAME = 0.12  # of a side: lines along the border within this distance are edges of a panel or frame
CLIPPED = 3  # of 255: largest distance of a flat loss from pure white or black
PATCH = (24, 0.005)  # a flat loss: least number of pixels, and largest share of the picture
EDGE = 70.0  # of 255: least step in luminance around a flat loss


REACH = 256  # pixels of context: the visible part of a longer line is enough to recognise it


@dataclass(frozen=True)
class ClassicalDetector:
    """Finds lines and flat losses that are clear cases."""

    name = "classical"

    def context(self, height: int, width: int) -> int:
        """See Detector."""
        return REACH

    def __call__(self, pixels: Pixels, place: Position) -> Mask:
        """See Detector; 1 (grey), 3 (RGB) or 4 (CMYK) channels."""
        import cv2

        colour = as_rgb(pixels)
        grey = colour.mean(axis=2, dtype=np.float32)
        shortest = min(place.height, place.width)
        if shortest < 6 * WIDTH:
            return np.zeros(grey.shape, np.bool_)  # the picture is too small to decide
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * WIDTH + 1, 2 * WIDTH + 1))
        found = _flat_losses(colour, grey, place.height * place.width)
        for operation in (cv2.MORPH_BLACKHAT, cv2.MORPH_TOPHAT):
            found |= _lines(np.asarray(cv2.morphologyEx(grey, operation, kernel), np.float32), place)
        margin = max(2 * WIDTH, round(MARGIN * shortest))
        rows = place.top + np.arange(grey.shape[0])
        columns = place.left + np.arange(grey.shape[1])
        found &= ((rows >= margin) & (rows < place.height - margin))[:, None]
        found &= ((columns >= margin) & (columns < place.width - margin))[None, :]
        # Grow by one pixel: the rim of a line mixes damage and paint.
        return np.asarray(cv2.dilate(found.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0)


def as_rgb(pixels: Pixels) -> NDArray[np.float32]:
    """Convert grey, RGB or CMYK (H, W, C) in [0, 1] to RGB (H, W, 3) in [0, 255]."""
    values = pixels * np.float32(255.0)
    if values.shape[2] == 4:  # CMYK: 0 is paper
        values = (255.0 - values[..., :3]) * (255.0 - values[..., 3:]) / np.float32(255.0)
    return np.asarray(np.broadcast_to(values, (*values.shape[:2], 3)), np.float32)


def _lines(response: NDArray[np.float32], place: Position) -> NDArray[np.bool_]:
    """The mask (H, W) of the long, slim components of a top-hat response (H, W), 0 to 255."""
    import cv2

    # A busy texture responds everywhere: a line must also stand out from the responses around it.
    around = cv2.blur(response, (65, 65))
    strong = (response > np.maximum(CONTRAST, BUSY * around)).astype(np.uint8)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(strong, connectivity=8)
    length = np.hypot(stats[:, cv2.CC_STAT_WIDTH], stats[:, cv2.CC_STAT_HEIGHT])
    width = stats[:, cv2.CC_STAT_AREA] / length
    keep = (length >= LENGTH) & (width <= WIDTH) & (width * SLIMNESS <= length)
    keep &= ~_frames(stats, place)
    keep[0] = False  # the background
    return np.asarray(keep[labels])


def _frames(stats: NDArray[Any], place: Position) -> NDArray[np.bool_]:
    """Which components lie along a side of the picture and close to it."""
    x, y, width, height = stats[:, :4].T
    x, y = x + place.left, y + place.top
    near_x = (x + width < FRAME * place.width) | (x > (1 - FRAME) * place.width)
    near_y = (y + height < FRAME * place.height) | (y > (1 - FRAME) * place.height)
    return np.asarray(((width <= 3 * WIDTH) & near_x) | ((height <= 3 * WIDTH) & near_y))


def _flat_losses(colour: NDArray[np.float32], grey: NDArray[np.float32], whole: int) -> NDArray[np.bool_]:
    """The mask (H, W) of patches of clipped white or black with a hard edge all around.

    colour: (H, W, 3), 0 to 255. grey: (H, W). whole: number of pixels of the whole picture.
    """
    import cv2

    found = np.zeros(grey.shape, np.bool_)
    ring_kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (7, 7))
    least, share = PATCH
    for clipped in ((colour >= 255 - CLIPPED).all(axis=2), (colour <= CLIPPED).all(axis=2)):
        _, labels, stats, _ = cv2.connectedComponentsWithStats(np.asarray(clipped, np.uint8), connectivity=8)
        area = stats[:, cv2.CC_STAT_AREA]
        for label in np.flatnonzero((area >= least) & (area <= share * whole)):
            if label == 0:  # the background
                continue
            x, y, width, height = (int(value) for value in stats[label][:4])
            window = np.s_[max(0, y - 6) : y + height + 6, max(0, x - 6) : x + width + 6]
            patch = labels[window] == label
            near = np.asarray(cv2.dilate(patch.astype(np.uint8), ring_kernel))
            ring = cv2.dilate(near, ring_kernel) > near  # a ring outside the blurred rim
            step = np.abs(grey[window][ring] - grey[window][patch].mean())
            if ring.any() and np.quantile(step, 0.02) >= EDGE:
                found[window] |= near.astype(bool)
    return found


@method("detect", CLASSICAL)
def _classical(opening: Opening) -> ClassicalDetector:
    del opening
    return ClassicalDetector()
