"""NeighbourGraph: who is near by what, and that a kept state changes nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.catalog.checks import neighbours as module
from pipeline.catalog.checks.neighbours import COUNT, NeighbourGraph, candidate_pairs, neighbours


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_candidates_are_near_by_hash_or_features_or_one_s_centre() -> None:
    rng = np.random.default_rng(0)
    features, hashes = unit(rng.normal(size=(8, 256))), [f"{v:016x}" for v in rng.integers(0, 2**63, 8)]
    features[1] = unit(features[:1] + 0.05 * rng.normal(size=(1, 256)))[0]
    hashes[3] = f"{int(hashes[2], 16) ^ 0b111:016x}"
    centres = unit(rng.normal(size=(8, 256)))
    centres[5] = features[4]
    found = candidate_pairs(hashes, features, centres)
    assert found.tolist() == [[0, 1], [2, 3], [4, 5]]


def test_an_archive_of_lookalikes_gives_a_bounded_number_of_pairs() -> None:
    features = unit(np.ones((40, 8)))
    found = candidate_pairs(["0" * 16] * 40, features, features)
    assert len(found) <= 2 * 40 * COUNT
    assert (found[:, 0] < found[:, 1]).all()
    assert len(np.unique(found, axis=0)) == len(found)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_works_have_few_neighbours(count: int) -> None:
    features = unit(np.ones((count, 8)))
    assert len(candidate_pairs(["0" * 16] * count, features, features)) == count // 2


# Few different hashes and coarse features: many works are equally like.
Archive = st.lists(st.integers(0, 39), min_size=0, max_size=40, unique=True).map(sorted)


@settings(max_examples=60, deadline=None)
@given(Archive, Archive, st.integers(1, 400))
def test_what_was_kept_from_another_archive_changes_nothing(
    first: list[int], second: list[int], cells: int
) -> None:
    rng = np.random.default_rng(7)
    hashes = [f"{1 << int(v):016x}" for v in rng.integers(0, 5, 40)]
    features, centres = (unit(rng.integers(0, 3, (40, 6)) + 0.01) for _ in range(2))

    def found(archive: list[int], before: NeighbourGraph | None) -> NeighbourGraph:
        names = [f"work {n}" for n in archive]
        return neighbours(names, [hashes[n] for n in archive], features[archive], centres[archive], before)

    cold = found(second, None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_CELLS", cells)
        warm = found(second, found(first, None))
    assert (warm.near == cold.near).all()
    assert (warm.score == cold.score).all()


def test_another_order_and_other_features_of_the_same_files_are_noticed() -> None:
    rng = np.random.default_rng(3)
    hashes, names = ["0" * 16] * 30, [str(n) for n in range(30)]
    features = unit(rng.normal(size=(30, 4)))
    before = neighbours(names, hashes, features, features)
    order = np.arange(30)[::-1]
    turned = neighbours([names[n] for n in order], hashes, features[order], features[order], before)
    assert (turned.near == neighbours(names, hashes, features[order], features[order]).near).all()
    changed = np.roll(features, 1, axis=0)
    again = neighbours(names, hashes, changed, changed, before)
    assert (again.near == neighbours(names, hashes, changed, changed).near).all()


def test_what_was_saved_comes_back_and_a_damaged_file_counts_as_none(tmp_path: Path) -> None:
    features = unit(np.random.default_rng(0).normal(size=(9, 4)))
    made = neighbours(map(str, range(9)), ["0" * 16] * 9, features, features)
    made.save(tmp_path / "kept.npz")
    read = NeighbourGraph.load(tmp_path / "kept.npz")
    assert read is not None
    assert (read.keys == made.keys).all()
    assert (read.near == made.near).all()
    (tmp_path / "kept.npz").write_bytes((tmp_path / "kept.npz").read_bytes()[:100])
    assert NeighbourGraph.load(tmp_path / "kept.npz") is None
    assert NeighbourGraph.load(tmp_path / "missing.npz") is None
