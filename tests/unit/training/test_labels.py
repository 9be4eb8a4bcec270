from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from pipeline.catalog.sets.balance import METHODS, Balance, Balancing
from pipeline.training.labels import (
    NO_SCHOOL,
    Labels,
    plain_labels,
    rebalanced,
    school_mass,
    with_synthetic,
)

SCHOOLS = [0] * 8 + [1] * 4 + [2] * 2 + [NO_SCHOOL] * 2
SMOTE = Balancing("smote", 0)


def labels(schools: list[int] = SCHOOLS) -> Labels:
    held = np.arange(len(schools))[:, None] % np.array([2, 3]) == 0
    return plain_labels(np.array(schools, np.int64), held.astype(np.float32))


def views(count: int = len(SCHOOLS), seed: int = 0) -> np.ndarray:
    """Two views of each work; in the second every number is larger by 100."""
    rows = np.random.default_rng(seed).normal(size=(count, 1, 6)).astype(np.float32)
    return np.concatenate([rows, rows + 100], axis=1)


@pytest.mark.parametrize("method", METHODS)
def test_works_without_a_school_are_never_rebalanced(method: Balance) -> None:
    found = rebalanced(labels(), Balancing(method, 0))
    assert found.weight[-2:].tolist() == [0, 0]
    assert found.repeat[-2:].tolist() == [1, 1]
    assert found.strength[-2:].tolist() == [0, 0]


@pytest.mark.parametrize("method", ["oversample", "undersample", "class_weights", "augment"])
def test_every_school_counts_the_same_afterwards(method: Balance) -> None:
    mass = school_mass(rebalanced(labels(), Balancing(method, 0)), 3)
    assert mass.max() == pytest.approx(mass.min())


@pytest.mark.parametrize("method", ["none", "logit_adjustment", "smote"])
def test_what_acts_in_the_training_leaves_draws_and_weights_alone(method: Balance) -> None:
    assert school_mass(rebalanced(labels(), Balancing(method, 0)), 4).tolist() == [8, 4, 2, 0]


def test_a_work_that_counts_less_still_does_after_rebalancing() -> None:
    given = replace(
        labels(), weight=labels().weight * np.where(np.arange(16) == 12, 0.5, 1).astype(np.float32)
    )
    found = rebalanced(given, Balancing("class_weights", 0))
    assert found.weight[12] == pytest.approx(found.weight[13] / 2)


def test_nothing_known_or_nothing_asked_changes_nothing() -> None:
    unknown = labels([NO_SCHOOL] * 3)
    assert rebalanced(unknown, Balancing("oversample", 0)) is unknown
    assert rebalanced(labels(), None).repeat.tolist() == [1] * 16


def test_synthetic_works_fill_rare_schools_in_every_view_alike() -> None:
    grown, found = with_synthetic(views(), labels(), SMOTE)
    assert Counter(found.school.tolist()) == {0: 8, 1: 8, 2: 8, NO_SCHOOL: 2}
    assert len(grown) == len(found) == 26
    np.testing.assert_array_equal(grown[:16], views())
    np.testing.assert_allclose(grown[:, 1], grown[:, 0] + 100, atol=1e-3)
    assert grown.dtype == np.float32
    two = grown[found.school == 2][2:, 0]  # between the two works that there are
    ends = views()[12:14, 0]
    for row in two:
        gaps = np.linalg.norm(row - ends[0]) + np.linalg.norm(row - ends[1])
        assert gaps == pytest.approx(np.linalg.norm(ends[0] - ends[1]), rel=1e-4)


def test_no_tag_is_learnt_from_what_no_one_has_seen() -> None:
    _, found = with_synthetic(views(), labels(), SMOTE)
    assert found.tag_weight[16:].tolist() == [0] * 10
    assert found.tag_weight.mean() == pytest.approx(1), "the tags' loss is as large as without them"
    assert found.repeat[16:].tolist() == [1] * 10


def test_a_synthetic_work_weighs_what_its_school_does() -> None:
    given = replace(
        labels(), weight=np.where(np.array(SCHOOLS) == 1, 0.5, labels().weight).astype(np.float32)
    )
    _, found = with_synthetic(views(), given, SMOTE)
    new = found[16:]
    assert set(new.weight[new.school == 1].tolist()) == {0.5}
    assert set(new.weight[new.school == 2].tolist()) == {1.0}


def test_a_wide_feature_does_not_choose_the_neighbours_alone() -> None:
    # Two pairs that are close in every feature but one, whose numbers are a thousand times larger.
    school = [0] * 12 + [1] * 4
    rows = np.random.default_rng(0).normal(size=(16, 1, 8)).astype(np.float32)
    rows[:12] += 5
    wide = rows * np.array([1000] + [1] * 7, np.float32)
    plain, _ = with_synthetic(rows, labels(school), SMOTE)
    scaled, _ = with_synthetic(wide, labels(school), SMOTE)
    np.testing.assert_allclose(scaled[16:, 0, 1:], plain[16:, 0, 1:], atol=1e-2)


def test_where_all_schools_are_alike_nothing_is_added() -> None:
    grown, found = with_synthetic(views(4), labels([0, 0, 1, 1]), SMOTE)
    assert len(grown) == len(found) == 4
