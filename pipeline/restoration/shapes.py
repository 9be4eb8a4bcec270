"""The shape of holes: which method fills best depends on whether a hole is a line or a patch."""

from __future__ import annotations

import numpy as np

from pipeline.restoration.fill import Mask

SHAPES = ("thin", "wide")
THIN = 3.0  # pixels from the middle of a hole to its edge, at most, for it to count as thin


def by_shape(mask: Mask) -> dict[str, Mask]:
    """A mask (H, W) parted into its thin and its wide connected holes (8-neighbourhood)."""
    from scipy import ndimage

    labels, count = ndimage.label(mask, np.ones((3, 3)))
    # Beyond the picture's border there is nothing to fill from: it is no edge of a hole.
    depth = ndimage.distance_transform_edt(np.pad(mask, 1, mode="edge"))[1:-1, 1:-1]
    deepest = np.zeros(count + 1)
    if count:
        deepest[1:] = ndimage.maximum(depth, labels, np.arange(1, count + 1))
    thin = np.asarray(mask & (deepest <= THIN)[labels], np.bool_)
    return {"thin": thin, "wide": mask & ~thin}
