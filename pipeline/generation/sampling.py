"""Sampling: pictures from a saved generator, each a function of (model, seed, index, truncation).

The last bits of a network's output can change with the batch size. So pictures are always computed in
the same aligned groups of `GROUP`: picture 5 is the same in a request for 6 pictures, for 6,000, and in
an interrupted one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.models.generator import PictureGenerator

GROUP = 16


def sample(
    generator: PictureGenerator, seed: int, start: int, stop: int, truncation: float = 1.0
) -> NDArray[np.uint8]:
    """The pictures of indices start to stop: (stop - start, side, side, 3), 8-bit sRGB."""
    first = start - start % GROUP
    found = [generator.draw(seed, group, group + GROUP, truncation) for group in range(first, stop, GROUP)]
    if not found:
        return np.zeros((0, generator.side, generator.side, 3), np.uint8)
    return np.concatenate(found)[start - first : stop - first]
