from __future__ import annotations

import numpy as np
import pytest

from pipeline.catalog.sets.augmentation import Policy, build
from pipeline.catalog.sets.presets import PRESETS, PresetName, objections, preset_policy
from pipeline.errors import PentimentoError


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_keeps_to_its_own_rules(name: PresetName) -> None:
    assert objections(preset_policy(name), name) == []
    assert objections(preset_policy(name, writing=True), name, writing=True) == []


@pytest.mark.parametrize("name", ["school", "artist", "tags"])
def test_no_painting_is_hung_upside_down(name: PresetName) -> None:
    # Bright above, dark below: so it stays, whatever is drawn.
    picture = np.zeros((200, 160, 3), np.uint8)
    picture[:100] = 220
    augment = build(preset_policy(name), 0)
    for _ in range(20):
        altered = augment(picture).astype(float)
        assert altered[:20].mean() > altered[-20:].mean()


def test_an_artist_s_picture_is_not_mirrored_and_its_hue_stays() -> None:
    picture = np.zeros((200, 160, 3), np.uint8)
    picture[..., 0] = np.linspace(60, 230, 160)  # red alone, brighter to the right
    augment = build(preset_policy("artist"), 0)
    for _ in range(20):
        altered = augment(picture).astype(float)
        assert altered[:, -20:, 0].mean() > altered[:, :20, 0].mean()
        assert altered[..., 0].mean() > 3 * altered[..., 1:].mean()


def test_where_writing_counts_nothing_is_mirrored() -> None:
    assert any("HorizontalFlip" in step for step in preset_policy("tags"))
    assert not any("HorizontalFlip" in step for step in preset_policy("tags", writing=True))
    assert objections([{"HorizontalFlip": {}}], "tags", writing=True) == [
        "HorizontalFlip: it mirrors writing"
    ]
    assert objections([{"HorizontalFlip": {}}], "tags") == []


@pytest.mark.parametrize(
    ("policy", "name", "offence"),
    [
        ([{"VerticalFlip": {"p": 0.5}}], "tags", "VerticalFlip"),
        ([{"VerticalFlip": {}}], "restoration", None),
        ([{"VerticalFlip": {"p": 0}}], "tags", None),
        ([{"HueSaturationValue": {"hue_shift_limit": 5}}], "artist", "HueSaturationValue"),
        ([{"HueSaturationValue": {"hue_shift_limit": 0}}], "artist", None),
        ([{"HueSaturationValue": None}], "artist", "HueSaturationValue"),
        ([{"GaussNoise": {}}], "restoration", "GaussNoise"),
        ([{"GaussNoise": {}}], "school", None),
    ],
)
def test_what_a_task_forbids_is_named(policy: Policy, name: PresetName, offence: str | None) -> None:
    found = objections(policy, name)
    assert [text.split(":")[0] for text in found] == ([offence] if offence else [])


def test_an_unknown_preset_is_named() -> None:
    with pytest.raises(PentimentoError, match="there is no preset 'sculpture'; there are school, artist"):
        preset_policy("sculpture")  # type: ignore[arg-type]
