"""Class rebalancing of the training works.

Only training works are rebalanced. A method changes how often a work is drawn (oversample, undersample),
its weight in the loss (class_weights, effective_number), the loss itself (logit_adjustment), the
features (smote), or the pictures (augment).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.archive.atomic import write_json

Balance = Literal[
    "none",
    "oversample",
    "undersample",
    "class_weights",
    "effective_number",
    "logit_adjustment",
    "smote",
    "augment",
]
METHODS: tuple[str, ...] = get_args(Balance)
Rare = Literal["keep", "merge", "drop"]
OTHER = "Other"
FILE = "balance.json"  # of prepared works

BETA = 0.99  # of the effective number: beyond about 1 / (1 - BETA) works, further ones add little
_NEIGHBOURS = 5  # neighbours of SMOTE; fewer in a smaller class


@dataclass(frozen=True)
class Plan:
    """How the works of a training set are used; all arrays in the works' order."""

    repeat: NDArray[np.int64]  # (N,) draws per epoch
    weight: NDArray[np.float64]  # (N,) of the loss, of mean 1
    strength: NDArray[np.float64]  # (N,) of the augmentation, 0 = as in the policy, 1 = strongest


@dataclass(frozen=True)
class Balancing:
    """A method of rebalancing and its seed."""

    method: Balance
    seed: int

    def plan(self, classes: Sequence[str]) -> Plan:
        """How the method uses works of these classes; see `plan`."""
        return plan(classes, self.method, self.seed)

    def synthesise(
        self, features: NDArray[np.float32], classes: Sequence[str]
    ) -> tuple[NDArray[np.float32], list[str]]:
        """The synthetic rows that the method adds, only for `smote`; see `synthesise`."""
        if self.method != "smote":
            return features[:0], []
        return synthesise(features, classes, self.seed)

    def record(self, prepared: Path) -> None:
        """Write the method and its seed into a folder of prepared works, where trainings read them."""
        write_json(prepared / FILE, asdict(self))


def recorded(prepared: Path) -> Balancing:
    """The method that `record` wrote into a folder of prepared works."""
    return Balancing(**json.loads((prepared / FILE).read_text(encoding="utf-8")))


def plan(classes: Sequence[str], method: Balance, seed: int) -> Plan:
    """How a method uses N training works of these classes.

    - `oversample`, `undersample`: drawn at random, by seed, until every class is as large as the
      largest or the smallest.
    - `class_weights`: weights inversely proportional to the class's frequency.
    - `effective_number`: weights by the effective number of works, (1 - b) / (1 - b^n), b = 0.99
      (Cui et al. 2019): a milder correction for large classes.
    - `augment`: draws as `oversample`, spread evenly over a class's works, with stronger augmentation for
      rarer classes: strength 1 - n / n of the largest class.
    - `logit_adjustment`, `smote`: no change here. They act in the training, on the loss and on the
      features; see `ClassifierTask` and `synthesise`.
    """
    repeat = np.ones(len(classes), np.int64)
    weight = np.ones(len(classes), np.float64)
    strength = np.zeros(len(classes), np.float64)
    names, codes = np.unique(np.asarray(classes, dtype=str), return_inverse=True)
    if len(names) < 2:
        return Plan(repeat, weight, strength)
    sizes = np.bincount(codes)
    if method in ("oversample", "undersample"):
        sampler = _sampler(method, seed)
        sampler.fit_resample(np.arange(len(classes))[:, None], list(classes))
        repeat = np.bincount(sampler.sample_indices_, minlength=len(classes)).astype(np.int64)
    elif method == "class_weights":
        weight = _mean_one(1 / sizes[codes])
    elif method == "effective_number":
        weight = _mean_one((1 - BETA) / (1 - BETA ** sizes[codes].astype(np.float64)))
    elif method == "augment":
        repeat = _dealt(codes, sizes, seed)
        strength = np.round(1 - sizes[codes] / sizes.max(), 4)
    return Plan(repeat, weight, strength)


def synthesise(
    features: NDArray[np.float32], classes: Sequence[str], seed: int
) -> tuple[NDArray[np.float32], list[str]]:
    """Synthetic rows of features, up to the size of the largest class: SMOTE (Chawla et al. 2002).

    A row is interpolated between two works of a class. It has no picture, so it can train only a head on
    frozen features. The row of a class with a single work is repeated.

    Args:
        features: (N, D) of the training works only.
        classes: their N classes.
        seed: of the draws.

    Returns:
        The new rows (M, D) and their M classes, without the N works.
    """
    from imblearn.over_sampling import SMOTE, RandomOverSampler

    labels = pd.Series(list(classes), dtype="object")
    counts = labels.value_counts()
    if len(counts) < 2 or counts.min() == counts.max():
        return features[:0], []
    rows, names = [], []
    largest = int(counts.max())
    for name in sorted(counts.index):
        count = int(counts[name])
        if count == largest:
            continue
        # Each class is resampled against the largest alone, so that its number of neighbours can differ.
        pair = labels.isin([name, counts.idxmax()]).to_numpy()
        sampler: Any = RandomOverSampler(random_state=seed)
        if count > 1:
            sampler = SMOTE(k_neighbors=min(_NEIGHBOURS, count - 1), random_state=seed)
        grown, grown_labels = sampler.fit_resample(features[pair], labels[pair].tolist())
        rows.append(np.asarray(grown[pair.sum() :], np.float32))
        names += list(grown_labels[pair.sum() :])
    return np.concatenate(rows), [str(name) for name in names]


def handle_rare(
    classes: pd.Series[Any], least: int, rare: Rare, other: str = OTHER
) -> tuple[pd.Series[Any], list[str]]:
    """Keep the classes with fewer than `least` works, merge them into `other`, or drop them (NA).

    The merged class may be smaller than `least`.

    Returns:
        The new classes with the old index, and the sorted names of the rare ones.
    """
    sizes = classes.value_counts()
    names = sorted(str(name) for name, count in sizes.items() if count < least and name != other)
    if rare == "keep" or not names:
        return classes.copy(), names
    return classes.mask(classes.isin(names), other if rare == "merge" else None), names


def _mean_one(weight: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(weight / weight.mean(), np.float64)


def _dealt(codes: NDArray[np.int64], sizes: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """Draws (N,): each class sums to the size of the largest, and its works differ by 1 at most."""
    order = np.random.default_rng(seed)
    repeat = np.zeros(len(codes), np.int64)
    for code, size in enumerate(sizes):
        members = order.permutation(np.flatnonzero(codes == code))
        repeat[members] = sizes.max() // size
        repeat[members[: sizes.max() % size]] += 1
    return repeat


def _sampler(method: str, seed: int) -> Any:
    from imblearn.over_sampling import RandomOverSampler
    from imblearn.under_sampling import RandomUnderSampler

    return (RandomOverSampler if method == "oversample" else RandomUnderSampler)(random_state=seed)
