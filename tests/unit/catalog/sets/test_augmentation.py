from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.catalog.sets.augmentation import build, preview, strengthen
from pipeline.catalog.sets.presets import PRESETS, PresetName, preset_policy
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


def test_no_strength_leaves_a_policy_as_it_is() -> None:
    assert strengthen(POLICY, 0) == POLICY


def test_strength_doubles_limits_and_raises_probabilities() -> None:
    policy = [
        {"RandomResizedCrop": {"size": [64, 64], "scale": [0.5, 1.0], "p": 1.0}},
        {"Rotate": {"limit": 4, "p": 0.5}},
        {"RandomBrightnessContrast": {"brightness_limit": [-0.1, 0.2], "contrast_limit": 0.1}},
        {"ImageCompression": {"quality_range": [50, 95], "p": 0.2}},
        {"GaussNoise": {"std_range": [0.01, 0.04]}},
        {"HueSaturationValue": {"hue_shift_limit": 8, "p": 0.0}},
    ]
    assert strengthen(policy, 1) == [
        {"RandomResizedCrop": {"size": [64, 64], "scale": [0.25, 1.0], "p": 1.0}},
        {"Rotate": {"limit": 8, "p": 0.75}},
        {"RandomBrightnessContrast": {"brightness_limit": [-0.2, 0.4], "contrast_limit": 0.2}},
        {"ImageCompression": {"quality_range": [25, 95], "p": 0.36}},
        {"GaussNoise": {"std_range": [0.01, 0.08]}},
        {"HueSaturationValue": {"hue_shift_limit": 8, "p": 0.0}},  # no hue shift is ever made larger
    ]


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("strength", [0, 0.3, 1])
def test_a_strengthened_preset_is_still_a_policy(name: PresetName, strength: float) -> None:
    picture = painting(0)
    plain = build(preset_policy(name), 3)
    strong = build(strengthen(preset_policy(name), strength), 3)
    altered = [strong(picture) for _ in range(3)]
    assert all(a.dtype == np.uint8 and a.ndim == 3 for a in altered)
    if strength == 0:
        assert all(np.array_equal(a, plain(picture)) for a in altered)


def test_the_preview_follows_the_seed(tmp_path: Path) -> None:
    pictures = [painting(0), painting(1)]
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        preview(tmp_path / f"{name}.png", pictures, preset_policy("school"), seed, draws=2, side=40)
    first, again, other = ((tmp_path / f"{name}.png").read_bytes() for name in "abc")
    assert first == again != other
    with Image.open(tmp_path / "a.png") as sheet:
        assert sheet.width == 3 * 44 + 4
