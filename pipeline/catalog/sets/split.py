"""Splits train, validation and test: stratified by class, near-duplicates always in one split."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.catalog.checks.duplicates import group_pairs

SPLITS = ("train", "val", "test")
GroupBy = Literal["work", "artist"]


def leak_groups(near: Sequence[int], artists: Sequence[str | None], group_by: GroupBy) -> NDArray[np.int64]:
    """Groups (N,) that stay in one split: near-duplicates, and optionally all works of an artist.

    Grouped by work, a model is evaluated on new works of artists that it may know; grouped by artist, on
    artists that it has never seen, which is harder. A work of an unknown artist is grouped only with its
    near-duplicates. Near-duplicates under two artists' names put both artists in one group.

    Args:
        near: (N,) near-duplicates share a number.
        artists: (N,) names; None or NaN for an unknown artist.
        group_by: work or artist.

    Returns:
        Group of each work: the position of the group's first work.
    """
    table = pd.DataFrame({"near": list(near), "artist": pd.Series(list(artists), dtype="object")})
    position = np.arange(len(table))
    keys = ["near", "artist"] if group_by == "artist" else ["near"]
    links = []
    for key in keys:
        known = position[table[key].notna().to_numpy()]
        first = table.iloc[known].reset_index(names="row").groupby(key)["row"].transform("first")
        links.append(np.stack([first.to_numpy(np.int64), known], axis=1))
    return group_pairs(len(table), np.concatenate(links))


def split_groups(
    groups: Sequence[int], classes: Sequence[str], shares: tuple[float, float, float], seed: int
) -> list[str]:
    """The split of each work: a group stays in one split, each class is divided by the shares.

    The groups of a class are shuffled by the seed and assigned, largest first, to the split that lacks most
    of its share of that class.
    """
    table = pd.DataFrame({"group": groups, "class": classes})
    order = np.random.default_rng(seed)
    home: dict[int, str] = {}
    # The most frequent class of each group; ties are broken by name.
    counts = table.value_counts().reset_index(name="count")
    counts = counts.sort_values(["count", "class"], ascending=[False, True]).drop_duplicates("group")
    majority = dict(zip(counts["group"], counts["class"], strict=True))
    sizes = table["group"].value_counts().to_dict()
    for name in sorted(set(majority.values())):
        members = [group for group in sorted(majority) if majority[group] == name]
        order.shuffle(members)
        members.sort(key=lambda group: -sizes[group])
        dealt = dict.fromkeys(SPLITS, 0)
        total = int(sum(sizes[group] for group in members))
        for group in members:
            behind = {s: share * total - dealt[s] for s, share in zip(SPLITS, shares, strict=True)}
            chosen = max(SPLITS, key=lambda s: behind[s])
            home[group] = chosen
            dealt[chosen] += int(sizes[group])
    return [home[group] for group in groups]
