from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.catalog.checks.faults import Limits, confident_faults, suspects
from pipeline.errors import PentimentoError


def archive(
    count: int, seed: int = 0, classes: str = "ABC", spread: float = 0.6
) -> tuple[list[str], np.ndarray]:
    """Works whose features lie around their class's own direction, each of length 1."""
    rng = np.random.default_rng(seed)
    labels = [classes[n % len(classes)] for n in range(count)]
    centres = {name: rng.normal(size=24) for name in classes}
    rows = np.stack([centres[name] + spread * rng.normal(size=24) for name in labels])
    return labels, (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_wrong_labels_are_found_and_the_right_ones_suggested() -> None:
    true, features = archive(90)
    given_labels = true.copy()
    wrong = [4, 31, 50, 77, 80]
    for n in wrong:
        given_labels[n] = "ABC"[("ABC".index(true[n]) + 1) % 3]
    table = suspects(given_labels, features, list(range(90)), folds=5, seed=0)
    assert table.index[table["suspect"]].tolist() == wrong
    assert table.loc[wrong, "suggested"].tolist() == [true[n] for n in wrong]
    assert table["given"].tolist() == given_labels
    assert table.loc[wrong, "score"].min() > table.drop(index=wrong)["score"].max()


def test_sound_labels_are_left_alone() -> None:
    labels, features = archive(90)
    assert not suspects(labels, features, list(range(90)), folds=5, seed=0)["suspect"].any()


def test_what_cannot_be_judged_is_not_suspect() -> None:
    labels, features = archive(60)
    sparse: list[str | None] = [*labels]
    sparse[7], sparse[8], sparse[9] = None, "Rare", "Rare"
    table = suspects(sparse, features, list(range(60)), folds=5, seed=0)
    assert not table["suspect"].any()
    assert table.index[table["score"].isna()].tolist() == [7, 8, 9]
    assert table.loc[[7, 8, 9], "suggested"].isna().all()
    assert pd.isna(table.loc[7, "given"])
    assert "Rare" not in set(table["suggested"].dropna())


def test_a_class_of_copies_of_one_work_is_not_judged() -> None:
    labels, features = archive(60)
    groups = [n if labels[n] != "C" else 0 for n in range(60)]
    table = suspects(labels, features, groups, folds=5, seed=0)
    assert table["score"].isna().tolist() == [name == "C" for name in labels]


def with_noise_class(count: int) -> tuple[list[str], np.ndarray]:
    """Three classes that can be told apart, and a small fourth whose works look like those of the first."""
    labels, features = archive(count)
    for n in range(0, 24, 3):
        labels[n] = "Unclear"
    return labels, features


def test_a_class_that_no_model_tells_apart_is_named_and_not_listed() -> None:
    labels, features = with_noise_class(120)
    unclear = [name == "Unclear" for name in labels]
    all_of_it = suspects(labels, features, list(range(120)), 5, 0, Limits(told_apart=1.0))
    assert all_of_it.loc[unclear, "suspect"].mean() > 0.5
    table = suspects(labels, features, list(range(120)), 5, 0)
    assert not table.loc[unclear, "suspect"].any()
    assert (table["told_apart"] == ~np.array(unclear)).all()
    assert table.loc[unclear, "score"].notna().all()
    assert table["suspect"].sum() < all_of_it["suspect"].sum()


def test_a_class_below_the_least_size_is_neither_judged_nor_suggested() -> None:
    labels, features = with_noise_class(120)
    table = suspects(labels, features, list(range(120)), 5, 0, Limits(least_works=9))
    small = table["given"] == "Unclear"
    assert table.loc[small, "score"].isna().all()
    assert "Unclear" not in set(table["suggested"].dropna())
    with pytest.raises(PentimentoError, match="0 classes have at least 41 works"):
        suspects(labels, features, list(range(120)), 5, 0, Limits(least_works=41))


def test_a_suggestion_must_lead_by_the_margin() -> None:
    labels, features = archive(90, spread=1.6)
    doubtful = suspects(labels, features, list(range(90)), 5, 0)
    table = suspects(labels, features, list(range(90)), 5, 0, Limits(margin=0.6))
    lead = table["confidence"] - (1 - table["score"])
    assert 0 < table["suspect"].sum() < doubtful["suspect"].sum()
    assert (table["suspect"] == (doubtful["suspect"] & (lead >= 0.6))).all()


def test_of_many_the_most_doubtful_are_kept() -> None:
    labels, features = archive(90, spread=1.6)
    doubtful = suspects(labels, features, list(range(90)), 5, 0)
    table = suspects(labels, features, list(range(90)), 5, 0, Limits(most=0.05))
    assert table["suspect"].sum() == 4 < doubtful["suspect"].sum()
    left = doubtful["suspect"] & ~table["suspect"]
    assert table.loc[table["suspect"], "score"].min() >= table.loc[left, "score"].max()


def test_near_duplicates_do_not_vouch_for_each_other() -> None:
    labels, features = archive(60)
    labels[0], labels[3] = "B", "B"
    features[3] = features[0]
    own = list(range(60))
    apart = suspects(labels, features, own, folds=5, seed=0)
    together = suspects(labels, features, [own[0], 1, 2, own[0], *own[4:]], folds=5, seed=0)
    assert together.loc[[0, 3], "score"].min() > apart.loc[[0, 3], "score"].max()


def test_the_seed_decides() -> None:
    labels, features = archive(60, spread=1.5)
    first, again, other = (suspects(labels, features, list(range(60)), 5, seed) for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(first, again)
    assert (first["score"] != other["score"]).any()


def test_two_classes_suffice_one_does_not() -> None:
    labels, features = archive(40, classes="AB")
    labels[6] = "B"
    assert suspects(labels, features, list(range(40)), 4, 0).query("suspect").index.tolist() == [6]
    with pytest.raises(PentimentoError, match="1 classes have at least 4 works, two are needed"):
        suspects(["A"] * 40, features, list(range(40)), 4, 0)


small = st.lists(st.tuples(st.sampled_from(["A", "B", "C", None]), st.integers(0, 9)), max_size=16)


@given(small, st.integers(2, 3), st.integers(0, 3))
@settings(max_examples=15, deadline=None)
def test_small_archives_are_judged_or_refused(
    works: list[tuple[str | None, int]], folds: int, seed: int
) -> None:
    labels, groups = [name for name, _ in works], [group for _, group in works]
    features = np.random.default_rng(seed).normal(size=(len(works), 4)).astype(np.float32)
    sizes = pd.DataFrame(works, columns=["name", "group"]).groupby("name")["group"].nunique()
    if (sizes >= folds).sum() < 2:
        with pytest.raises(PentimentoError, match="two are needed"):
            suspects(labels, features, groups, folds, seed)
        return
    table = suspects(labels, features, groups, folds, seed)
    judged = table["given"].isin(sizes.index[sizes >= folds])
    assert len(table) == len(works)
    assert (table["score"].notna() == judged).all()
    assert table.loc[judged, ["score", "confidence"]].stack().between(0, 1).all()
    assert (table.loc[judged, "suggested"] != table.loc[judged, "given"]).all()
    assert not table.loc[~judged, "suspect"].any()


chances = st.integers(2, 5).flatmap(
    lambda classes: st.lists(
        st.tuples(
            st.integers(0, classes - 1), st.lists(st.floats(0.01, 1), min_size=classes, max_size=classes)
        ),
        min_size=classes,
        max_size=30,
    )
)


@given(chances)
@settings(max_examples=60)
def test_only_labels_that_another_class_beats_are_faults(rows: list[tuple[int, list[float]]]) -> None:
    classes = len(rows[0][1])
    codes = np.array([*range(classes), *(code for code, _ in rows[classes:])], np.int64)
    chance = np.array([values for _, values in rows])
    chance /= chance.sum(axis=1, keepdims=True)
    found = confident_faults(codes, chance)
    own = chance[np.arange(len(codes)), codes]
    assert (own[found] < chance[found].max(axis=1)).all()
    if found.any():  # what is left over is likelier than what was taken, or is its class's own best
        left = ~found & (own < chance.max(axis=1))
        assert own[found].max() <= own[left].min(initial=1)
