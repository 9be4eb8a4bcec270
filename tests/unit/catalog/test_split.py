from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline.catalog.split import SPLITS, split_groups

SHARES = (0.7, 0.15, 0.15)
archives = st.lists(st.tuples(st.integers(0, 40), st.sampled_from("ABC")), min_size=1, max_size=80)


@given(archives, st.integers(0, 5))
def test_a_group_never_straddles_a_split(works: list[tuple[int, str]], seed: int) -> None:
    groups, classes = [g for g, _ in works], [c for _, c in works]
    splits = split_groups(groups, classes, SHARES, seed)
    home: dict[int, str] = {}
    for group, split in zip(groups, splits, strict=True):
        assert split in SPLITS
        assert home.setdefault(group, split) == split


def test_every_class_is_spread_by_the_shares() -> None:
    classes = ["A"] * 100 + ["B"] * 20 + ["C"] * 7
    splits = split_groups(list(range(127)), classes, SHARES, seed=1)
    for name, expected in (("A", (70, 15, 15)), ("B", (14, 3, 3)), ("C", (5, 1, 1))):
        found = [s for s, c in zip(splits, classes, strict=True) if c == name]
        assert tuple(found.count(s) for s in SPLITS) == expected


def test_the_seed_decides() -> None:
    classes = ["A"] * 40
    first = split_groups(list(range(40)), classes, SHARES, seed=1)
    assert first == split_groups(list(range(40)), classes, SHARES, seed=1)
    assert first != split_groups(list(range(40)), classes, SHARES, seed=2)
