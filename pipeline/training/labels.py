"""Labels of the works that a classifier learns from, and how rare schools are made to count in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Descriptions = NDArray[np.float32]
Ints = NDArray[np.int64]
Floats = NDArray[np.float32]

NO_SCHOOL = -1


class SamplingPlan(Protocol):
    """How N works are used, each of shape (N,); see `Plan` in catalog/sets/balance.py."""

    @property
    def repeat(self) -> Ints:
        """Draws per epoch."""

    @property
    def weight(self) -> NDArray[np.float64]:
        """Of the loss, of mean 1."""

    @property
    def strength(self) -> NDArray[np.float64]:
        """Of the augmentation beyond the policy's, 0 to 1."""


class Balancing(Protocol):
    """By which method rare schools are made to count; see `Balancing` in catalog/sets/balance.py."""

    @property
    def method(self) -> str:
        """The method's name in params."""

    def plan(self, classes: Sequence[str]) -> SamplingPlan:
        """How works of these classes are used."""

    def synthesise(self, features: Descriptions, classes: Sequence[str]) -> tuple[Descriptions, list[str]]:
        """Rows (M, D) to be added to those of N works (N, D), and their M classes."""


@dataclass(frozen=True)
class Labels:
    """Labels of N works, each field of shape (N,) but `tags`."""

    school: Ints  # class numbers, or NO_SCHOOL
    tags: Floats  # (N, T) of 0 and 1
    weight: Floats  # of the school's loss
    tag_weight: Floats  # of the tags' loss
    repeat: Ints  # draws per epoch
    strength: NDArray[np.float64]  # of the augmentation beyond the policy's, 0 to 1

    def __getitem__(self, rows: Any) -> Labels:
        return Labels(*(getattr(self, field.name)[rows] for field in fields(self)))

    def __len__(self) -> int:
        return len(self.school)

    def drawn_once(self) -> Labels:
        """The same labels without rebalancing: known schools weigh 1, every work is drawn once."""
        return plain_labels(self.school, self.tags)


def plain_labels(school: Ints, tags: Floats) -> Labels:
    """Labels of N works that count alike, from class numbers (N,) and tags (N, T)."""
    size = len(school)
    weight = (school != NO_SCHOOL).astype(np.float32)
    return Labels(
        school, tags, weight, np.ones(size, np.float32), np.ones(size, np.int64), np.zeros(size, np.float64)
    )


def read_labels(index: pd.DataFrame, classes: dict[str, list[str]], completed_weight: float) -> Labels:
    """The labels in an index of prepared works, used as its `repeat`, `weight` and `strength` say.

    A school that was not recorded but completed counts `completed_weight` times as much; a missing
    one, or one that is not among the classes, has no part in the school's loss.
    """
    numbers = {name: number for number, name in enumerate(classes["school"])}
    school = np.array(
        [NO_SCHOOL if pd.isna(name) else numbers.get(name, NO_SCHOOL) for name in index["school"]],
        np.int64,
    )
    held = [set(tags) for tags in index["tags"]]
    tags = np.array([[tag in own for tag in classes["tags"]] for own in held], np.float32)
    weight = index["weight"].to_numpy(np.float32).copy()
    weight[(index["school_origin"] != "recorded").to_numpy(bool, na_value=True)] *= completed_weight
    weight[school == NO_SCHOOL] = 0
    school[weight == 0] = NO_SCHOOL
    plain = plain_labels(school, tags.reshape(len(index), len(classes["tags"])))
    repeat, strength = index["repeat"].to_numpy(np.int64), index["strength"].to_numpy(np.float64)
    return replace(plain, weight=weight, repeat=repeat, strength=strength)


def rebalanced(labels: Labels, balancing: Balancing | None) -> Labels:
    """The same labels, those with a school used as the method plans for just these works.

    For works whose plan was made for another set: a fold's, say. Weights are multiplied, and so are
    draws.
    """
    known = np.flatnonzero(labels.school != NO_SCHOOL)
    if balancing is None or not len(known):
        return labels
    use = balancing.plan([str(number) for number in labels.school[known]])
    weight, repeat, strength = labels.weight.copy(), labels.repeat.copy(), labels.strength.copy()
    weight[known] *= use.weight.astype(np.float32)
    repeat[known] *= use.repeat
    strength[known] = use.strength
    return replace(labels, weight=weight, repeat=repeat, strength=strength)


def with_synthetic(views: Descriptions, labels: Labels, balancing: Balancing) -> tuple[Descriptions, Labels]:
    """Works and, behind them, synthetic ones of the rare schools (SMOTE), on all views alike.

    A synthetic work lies between two works of a school: its plain view between their plain ones, its
    mirrored view between their mirrored ones. Neighbours are found where every feature has the same
    spread, as the head sees them. It weighs what the works of its school do in the mean, and no tag is
    known of it: the tags' loss leaves it out, and is as large as without it.

    Args:
        views: (N, V, D) descriptions.
        labels: of the N works.
        balancing: what synthesises.

    Returns:
        Views (N + M, V, D) and labels of N + M works.
    """
    known = np.flatnonzero(labels.school != NO_SCHOOL)
    scale = (views.reshape(-1, views.shape[2]).std(axis=0) + 1e-3).astype(np.float32)
    flat = (views[known] / scale).reshape(len(known), -1)
    rows, names = balancing.synthesise(flat, [str(number) for number in labels.school[known]])
    if not names:
        return views, labels
    school = np.array([int(name) for name in names], np.int64)
    mass, size = np.bincount(labels.school[known], labels.weight[known]), np.bincount(labels.school[known])
    new = plain_labels(school, np.zeros((len(school), labels.tags.shape[1]), np.float32))
    new = replace(
        new, weight=(mass / np.maximum(size, 1))[school].astype(np.float32), tag_weight=0 * new.tag_weight
    )
    grown = len(labels) + len(new)
    old = replace(labels, tag_weight=labels.tag_weight * np.float32(grown / len(labels)))
    joined = [np.concatenate([getattr(old, f.name), getattr(new, f.name)]) for f in fields(old)]
    synthetic = rows.reshape(len(school), *views.shape[1:]) * scale
    return np.concatenate([views, synthetic.astype(np.float32)]), Labels(*joined)


def school_mass(labels: Labels, schools: int) -> NDArray[np.float64]:
    """How much each of the schools (S,) counts in an epoch: draws times weights."""
    known = labels.school != NO_SCHOOL
    drawn = labels.repeat * labels.weight
    return np.bincount(labels.school[known], drawn[known], minlength=schools).astype(np.float64)
