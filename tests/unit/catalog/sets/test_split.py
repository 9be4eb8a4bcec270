from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.catalog.sets.split import SPLITS, GroupBy, leak_groups, split_groups

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


leaks = st.lists(st.tuples(st.integers(0, 12), st.sampled_from(["Ada", "Ben", "Cy", None])), max_size=30)


@settings(deadline=None)  # the first example imports scipy
@given(leaks, st.sampled_from(["work", "artist"]))
def test_groups_hold_all_that_must_stay_together(works: list[tuple[int, str | None]], by: GroupBy) -> None:
    near, artists = [n for n, _ in works], [a for _, a in works]
    groups = leak_groups(near, artists, by)
    for a in range(len(works)):
        for b in range(a):
            if near[a] == near[b]:
                assert groups[a] == groups[b]
            if by == "artist" and artists[a] is not None and artists[a] == artists[b]:
                assert groups[a] == groups[b]
            if by == "work":
                assert (groups[a] == groups[b]) == (near[a] == near[b])


def test_unknown_artists_stay_apart_and_a_shared_work_joins_two_artists() -> None:
    near = [0, 1, 2, 3, 3, 5]
    artists = [None, float("nan"), "Ada", "Ada", "Ben", "Ben"]
    assert leak_groups(near, artists, "artist").tolist() == [0, 1, 2, 2, 2, 2]  # type: ignore[arg-type]
    assert leak_groups(near, artists, "work").tolist() == [0, 1, 2, 3, 3, 5]  # type: ignore[arg-type]
