from __future__ import annotations

import numpy as np
from PIL import Image

from pipeline.catalog.duplicates import near_groups, perceptual_hash
from tests.conftest import painting


def test_a_resized_and_recoloured_scan_joins_its_original() -> None:
    pictures = [painting(n) for n in range(8)]
    twin = np.asarray(Image.fromarray(pictures[2]).resize((90, 70))).astype(float) * 0.92 + 5
    hashes = [perceptual_hash(p) for p in [*pictures, twin.astype(np.uint8)]]
    groups = near_groups(hashes, distance=4)
    assert groups[8] == groups[2] == 2
    assert len(set(groups)) == 8


def test_links_are_followed_through() -> None:
    chain = ["0000000000000000", "0000000000000003", "000000000000000f", "ffffffffffffffff"]
    assert near_groups(chain, distance=2).tolist() == [0, 0, 0, 3]
    assert near_groups(chain, distance=1).tolist() == [0, 1, 2, 3]
