"""How crops of pictures are drawn, for the tasks that learn from them."""

from __future__ import annotations

from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

_OWN_SIZE = 0.5  # share of what is shown at its own size where the rest is resized

Picture = TypeVar("Picture", NDArray[np.uint8], NDArray[np.float32])  # (H, W, 3)


def drawn(pictures: int, count: int, rng: np.random.Generator) -> list[int]:
    """Numbers of pictures, `count` of them; every picture is drawn once before any is drawn again."""
    rounds = -(-count // max(1, pictures))
    return [int(number) for _ in range(rounds) for number in rng.permutation(pictures)][:count]


def turned(picture: Picture, rng: np.random.Generator) -> Picture:
    """The picture in one of its eight orientations."""
    turned = np.rot90(picture, int(rng.integers(4)))
    return turned[:, ::-1] if rng.random() < 0.5 else turned


def at_least(picture: Picture, side: int) -> Picture:
    """The picture, mirrored outward at the bottom and the right where a side is shorter than `side`."""
    lacking = [max(0, side - length) for length in picture.shape[:2]]
    if not any(lacking):
        return picture
    return np.pad(picture, ((0, lacking[0]), (0, lacking[1]), (0, 0)), mode="symmetric")


def ratio(least: float, most: float, rng: np.random.Generator) -> float:
    """How much larger to show a picture: half of the time 1, else in [least, most], evenly by ratio.

    Where both are 1, no chance is used.
    """
    if least == most == 1.0 or rng.random() < _OWN_SIZE:
        return 1.0
    return float(np.exp(rng.uniform(np.log(least), np.log(most))))


def zoomed(picture: NDArray[np.uint8], most: float, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Half of the time the picture as it is, else a part of it, enlarged to the picture's size.

    So a finer scan looks: paint is smooth there, and damage no wider than in a coarse one.

    Args:
        picture: (H, W, 3), 8-bit sRGB.
        most: the part is enlarged by a ratio in [1, most], drawn evenly on a scale of ratios (bicubic);
            1 gives every picture as it is.
        rng: the source of randomness.
    """
    times = ratio(1.0, most, rng)
    if times == 1.0:
        return picture
    height, width = picture.shape[:2]
    inner = (max(1, round(height / times)), max(1, round(width / times)))
    top, left = rng.integers(height - inner[0] + 1), rng.integers(width - inner[1] + 1)
    window = np.ascontiguousarray(picture[top : top + inner[0], left : left + inner[1]])
    return np.asarray(cv2.resize(window, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)
