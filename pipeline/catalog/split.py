"""Train, validation and test: stratified, and never with near-duplicates on both sides."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

SPLITS = ("train", "val", "test")


def split_groups(
    groups: Sequence[int], classes: Sequence[str], shares: tuple[float, float, float], seed: int
) -> list[str]:
    """The split of each work: all works of a group go to one, each class is spread by the shares.

    Groups of a class are shuffled by seed and dealt, largest first, to the split that is furthest
    behind its share of that class.
    """
    table = pd.DataFrame({"group": groups, "class": classes})
    order = np.random.default_rng(seed)
    home: dict[int, str] = {}
    majority = table.groupby("group")["class"].agg(lambda names: min(names.mode())).to_dict()
    sizes = table["group"].value_counts()
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
