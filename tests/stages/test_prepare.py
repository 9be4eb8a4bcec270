"""What the stage prepare decides for a training: the augmentation, and how rare schools are made to count."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from PIL import Image

from pipeline import paths
from pipeline.archive.shards import Shards
from pipeline.catalog.sets import augmentation, balance
from pipeline.catalog.sets.presets import PRESETS, preset_policy
from pipeline.errors import PentimentoError
from tests.stages.data_project import run, settle

pytestmark = pytest.mark.usefixtures("quick_features")

OWN = [{"HorizontalFlip": {"p": 0.5}}]


@pytest.fixture
def prepare(project: Path, make_archive: Callable[..., Path]) -> Callable[..., dict[str, Any]]:
    """Prepares 20 Dutch and 10 French works with changes to the section; its metrics."""
    archive = make_archive(30, ("Dutch", "Dutch", "French"))

    def call(**changes: Any) -> dict[str, Any]:
        settle(project, archive, **{f"prepare__{key}": value for key, value in changes.items()})
        metrics: dict[str, Any] = run(project)["prepare"]
        return metrics

    return call


def histogram(project: Path) -> dict[str, dict[str, float]]:
    """By school what is drawn, weighs and is made up, from the table that the report draws."""
    table = pd.read_csv(project / paths.plots("prepare") / "balance.csv", index_col="school")
    return {str(name): row.to_dict() for name, row in table.iterrows()}


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_written_down_with_all_its_steps(project: Path, prepare: Any, name: str) -> None:
    prepare(augmentation=name)
    written = json.loads((project / paths.PREPARED / "augmentation.json").read_text())
    assert written == {"preset": name, "seed": 0, "policy": list(preset_policy(name))}
    assert augmentation.recorded(project / paths.PREPARED) == written["policy"]


def test_a_policy_of_one_s_own_is_written_down_with_its_seed(project: Path, prepare: Any) -> None:
    prepare(augmentation=OWN, seed=5)
    written = json.loads((project / paths.PREPARED / "augmentation.json").read_text())
    assert written == {"preset": None, "seed": 5, "policy": OWN}


def test_the_sheet_says_what_was_done_to_its_pictures(project: Path, prepare: Any) -> None:
    sizes = {}
    for policy in (OWN, OWN * 3):
        prepare(augmentation=policy)
        with Image.open(project / paths.plots("prepare") / "augmentation.webp") as sheet:
            sizes[len(policy)] = sheet.size
    assert sizes[3][1] - sizes[1][1] == 2 * 14, "a line for each step"
    assert sizes[3][0] == sizes[1][0]


def test_an_unknown_preset_and_a_faulty_step_are_named(prepare: Any) -> None:
    with pytest.raises(PentimentoError, match=r"prepare\.augmentation.*'sculpture'.*'school', 'artist'"):
        prepare(augmentation="sculpture")
    with pytest.raises(PentimentoError, match="no transform 'HorizontalFlop'; did you mean 'HorizontalFlip'"):
        prepare(augmentation=[{"HorizontalFlop": {}}])


def test_what_art_forbids_is_said_and_done(prepare: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        prepare(augmentation=[{"VerticalFlip": {"p": 0.5}}])
    assert "prepare.augmentation: VerticalFlip: no painting hangs on its head" in caplog.text


@pytest.mark.parametrize("method", balance.METHODS)
def test_the_method_is_written_down_for_the_training(project: Path, prepare: Any, method: str) -> None:
    assert prepare(balance=method)["balance"] == method
    written = json.loads((project / paths.PREPARED / "balance.json").read_text())
    assert written == {"method": method, "seed": 0}


def test_augmentation_draws_rare_works_more_often_and_says_how_strongly(project: Path, prepare: Any) -> None:
    prepare(balance="augment", augmentation="school")
    shown = histogram(project)
    assert shown["Dutch"]["drawn"] == shown["French"]["drawn"] == shown["Dutch"]["works"]
    index = Shards(project / paths.PREPARED).index
    french = index[(index["split"] == "train") & (index["school"] == "French")]
    expected = 1 - shown["French"]["works"] / shown["Dutch"]["works"]
    assert french["strength"].tolist() == pytest.approx([expected] * len(french), abs=1e-4)
    others = index.drop(french.index)
    assert (others["strength"] == 0).all()
    assert (others.loc[others["split"] != "train", "repeat"] == 1).all()


def test_nothing_to_augment_by_is_said(prepare: Any) -> None:
    with pytest.raises(PentimentoError, match=r"balance is augment, and .* holds no transform"):
        prepare(balance="augment", augmentation=[])


def test_synthetic_works_are_in_the_histogram_and_not_among_the_works(project: Path, prepare: Any) -> None:
    prepare(balance="smote")
    shown = histogram(project)
    assert shown["French"]["works"] + shown["French"]["synthetic"] == shown["Dutch"]["works"]
    assert shown["Dutch"]["synthetic"] == 0
    assert len(Shards(project / paths.PREPARED).index) == 30
