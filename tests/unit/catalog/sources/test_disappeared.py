"""What is gone from the sources is noted once, with its record, until it is back."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from pipeline import paths
from pipeline.catalog.sources.disappeared import disappeared, note_disappeared
from pipeline.errors import PentimentoError


def inventory(**works: str | None) -> pd.DataFrame:
    """Works by key (source_number) with their SHA-256."""
    rows = [
        {"id": key.replace("_", ":"), "source": key.partition("_")[0], "sha256": sha, "record": f"of {key}"}
        for key, sha in works.items()
    ]
    return pd.DataFrame(rows, columns=["id", "source", "sha256", "record"])


def test_what_is_gone_is_noted_once_with_its_record(tmp_path: Path) -> None:
    assert disappeared(tmp_path).empty
    assert note_disappeared(tmp_path, inventory(a_1="s", a_2="t"), ["a"], "monday").empty
    fresh = note_disappeared(tmp_path, inventory(a_1="s"), ["a"], "tuesday")
    assert fresh[["id", "gone_since", "record"]].values.tolist() == [["a:2", "tuesday", "of a_2"]]
    assert note_disappeared(tmp_path, inventory(a_1="s"), ["a"], "wednesday").empty
    assert disappeared(tmp_path)["gone_since"].tolist() == ["tuesday"]


def test_what_is_back_is_not_gone(tmp_path: Path) -> None:
    for works in (inventory(a_1="s", a_2=None), inventory(a_2=None), inventory(a_1="s", a_2=None)):
        note_disappeared(tmp_path, works, ["a"], "monday")
    assert disappeared(tmp_path).empty


def test_a_renamed_file_is_gone_and_its_new_name_is_said(tmp_path: Path) -> None:
    note_disappeared(tmp_path, inventory(a_old="s", a_2="t"), ["a"], "monday")
    fresh = note_disappeared(tmp_path, inventory(a_new="s", a_2="t"), ["a"], "tuesday")
    assert fresh[["id", "moved_to"]].values.tolist() == [["a:old", "a:new"]]


def test_sources_that_are_not_asked_are_not_gone_and_empty_ones_are(tmp_path: Path) -> None:
    note_disappeared(tmp_path, inventory(a_1="s", b_1="t"), ["a", "b"], "monday")
    assert note_disappeared(tmp_path, inventory(a_1="s"), ["a"], "tuesday").empty
    assert note_disappeared(tmp_path, inventory(a_1="s"), ["a", "b"], "wednesday")["id"].tolist() == ["b:1"]


def test_a_damaged_memory_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / paths.KNOWN).parent.mkdir()
    (tmp_path / paths.KNOWN).write_text("not parquet")
    with pytest.raises(PentimentoError, match="move it away"):
        note_disappeared(tmp_path, inventory(a_1="s"), ["a"], "monday")
