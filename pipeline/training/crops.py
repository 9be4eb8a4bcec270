"""How crops of pictures are drawn, for the tasks that learn from them."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

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
