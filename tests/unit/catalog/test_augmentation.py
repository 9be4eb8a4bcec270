from __future__ import annotations

import numpy as np
import pytest

from pipeline.catalog.augmentation import build
from pipeline.errors import PentimentoError
from tests.conftest import painting

POLICY = [{"HorizontalFlip": {"p": 0.5}}, {"RandomBrightnessContrast": {"p": 1.0}}]


def test_the_seed_decides() -> None:
    picture = painting(0)
    first, second, other = (build(POLICY, seed) for seed in (1, 1, 2))
    ours = [first(picture) for _ in range(4)]
    assert all(np.array_equal(a, second(picture)) for a in ours)
    assert not all(np.array_equal(a, other(picture)) for a in ours)
    assert not np.array_equal(ours[0], picture)


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        ([{"HorizontalFlop": {}}], "no transform 'HorizontalFlop'; did you mean 'HorizontalFlip'"),
        ([{"HorizontalFlip": {"q": 1}}], "HorizontalFlip takes no argument 'q'; it takes p"),
        ([{"Compose": {}}], "no transform 'Compose'"),
    ],
)
def test_a_fault_in_the_policy_is_named(policy: list[dict[str, dict[str, object]]], message: str) -> None:
    with pytest.raises(PentimentoError, match=message):
        build(policy, 0)
