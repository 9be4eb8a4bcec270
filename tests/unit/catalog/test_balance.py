from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from pipeline.catalog.balance import rebalance

CLASSES = ["A"] * 12 + ["B"] * 4 + ["C"] * 2


def drawn(repeat: np.ndarray) -> Counter[str]:
    return Counter(name for name, times in zip(CLASSES, repeat, strict=True) for _ in range(times))


def test_oversampling_lifts_every_class_to_the_largest() -> None:
    repeat, weight = rebalance(CLASSES, "oversample", 0)
    assert drawn(repeat) == {"A": 12, "B": 12, "C": 12}
    assert (repeat >= 1).all()
    assert (weight == 1).all()


def test_undersampling_cuts_every_class_to_the_smallest() -> None:
    repeat, _ = rebalance(CLASSES, "undersample", 0)
    assert drawn(repeat) == {"A": 2, "B": 2, "C": 2}


def test_class_weights_give_every_class_the_same_mass() -> None:
    repeat, weight = rebalance(CLASSES, "class_weights", 0)
    assert (repeat == 1).all()
    mass = {name: sum(w for w, c in zip(weight, CLASSES, strict=True) if c == name) for name in "ABC"}
    assert mass == pytest.approx({"A": 6, "B": 6, "C": 6})


@pytest.mark.parametrize("method", ["none", "oversample", "undersample", "class_weights"])
def test_one_class_needs_no_balance(method: str) -> None:
    repeat, weight = rebalance(["A"] * 5, method, 0)  # type: ignore[arg-type]
    assert (repeat == 1).all()
    assert (weight == 1).all()
