from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pipeline.catalog.checks import duplicates
from pipeline.catalog.checks.duplicates import group_pairs, near_groups
from pipeline.catalog.describing import centre
from pipeline.catalog.reading import perceptual_hash
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
    assert near_groups([], distance=1).tolist() == []


@given(st.lists(st.tuples(st.integers(0, 19), st.integers(0, 19)), max_size=30))
def test_groups_are_what_the_pairs_link(pairs: list[tuple[int, int]]) -> None:
    groups = group_pairs(20, np.array(pairs, np.int64).reshape(-1, 2))
    assert all(groups[a] == groups[b] for a, b in pairs)
    for group in set(groups.tolist()):
        members = set(np.flatnonzero(groups == group).tolist())
        assert group == min(members)
        # No smaller set is closed under the pairs: whoever is reached from the first is the group.
        reached, edge = {group}, {group}
        while edge:
            edge = {b for a, b in [*pairs, *((b, a) for a, b in pairs)] if a in edge} - reached
            reached |= edge
        assert reached == members


@given(st.lists(st.integers(0, 2**64 - 1), max_size=12), st.integers(0, 16))
def test_groups_by_hash_do_not_depend_on_the_block(values: list[int], distance: int) -> None:
    hashes = [f"{value ^ (n % 3):016x}" for n, value in enumerate([*values, *values])]
    groups = near_groups(hashes, distance)
    for n, own in enumerate(hashes):
        for m, other in enumerate(hashes):
            if (int(own, 16) ^ int(other, 16)).bit_count() <= distance:
                assert groups[n] == groups[m]


def test_blocks_change_nothing(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    rng = np.random.default_rng(1)
    hashes = [f"{v:016x}" for v in rng.integers(0, 2**63, 50)]
    groups = near_groups(hashes, 22)
    monkeypatch.setattr(duplicates, "_BLOCK", 7)
    assert (near_groups(hashes, 22) == groups).all()


def test_the_centre_is_what_is_left_without_a_frame() -> None:
    assert centre(np.zeros((100, 50, 3), np.uint8)).shape == (80, 40, 3)
    assert centre(np.zeros((1, 9, 3), np.uint8)).shape == (1, 9, 3)
