"""What tables must hold: a broken rule is named with its column and its rows."""

from __future__ import annotations

import logging

import pandas as pd
import pytest

from pipeline.catalog.checks.schemas import validate
from pipeline.errors import PentimentoError

LOG = logging.getLogger("test")


def works(rows: int = 4) -> pd.DataFrame:
    numbers = range(rows)
    table = pd.DataFrame(
        {
            "id": [f"met:{n}" for n in numbers],
            "source": "met",
            "location": "archive",
            "path": [f"{n}.jpg" for n in numbers],
            "sha256": [f"{n:064x}" for n in numbers],
            "width": 100,
            "height": 80,
            "year_begin": 1800,
            "year_end": 1810,
            "phash": "0123456789abcdef",
            "school": "French",
            "year": 1805,
            "period": "19th century",
        }
    )
    for label in ("school", "year", "period"):
        table[f"{label}_origin"], table[f"{label}_confidence"] = "recorded", 1.0
    whole = ["width", "height", "year_begin", "year_end", "year"]
    real = dict.fromkeys(("school_confidence", "year_confidence", "period_confidence"), "Float64")
    return table.astype(dict.fromkeys(whole, "Int64") | real)


def index() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "id": ["a", "b", "c"], "split": ["train", "val", "test"], "group": [0, 1, 2],
            "repeat": [2, 1, 1], "weight": [1.0, 1.0, 1.0], "shard": 0, "offset": [0, 10, 20],
        }
    )  # fmt: skip


def test_a_sound_table_breaks_no_rule():
    assert validate(works(), "works", "stop", LOG) == {}
    assert validate(works().iloc[:0], "works", "stop", LOG) == {}
    assert validate(index(), "index", "stop", LOG) == {}


@pytest.mark.parametrize(
    ("column", "value", "rule"),
    [
        ("year", 9999, "must lie in -40000 to 2100"),
        ("sha256", "abc", "must be a SHA-256"),
        ("path", "../secret.jpg", "must stay below its folder"),
        ("path", "/etc/passwd", "must stay below its folder"),
        ("phash", None, "must not be empty"),
        ("id", "met:0", "must hold each value once"),
        ("id", "no source", "must be 'source:key'"),
        ("width", 0, "must lie in 1 to 1e+06"),
        ("school_confidence", 1.5, "must lie in 0 to 1"),
        ("year_origin", None, "must be there where year is, and only there"),
        ("period_confidence", None, "must be there where period is, and only there"),
    ],
)
def test_a_broken_rule_is_named_with_its_column_and_its_rows(column, value, rule):
    table = works()
    table.loc[2, column] = value
    with pytest.raises(PentimentoError) as error:
        validate(table, "works", "stop", LOG)
    said = str(error.value)
    assert "the table 'works' breaks 1 of its rules" in said
    assert rule in said
    assert "'period_origin'" in said if column == "period_confidence" else f"column '{column}'" in said
    assert ("met:0 (met:0)" if value == "met:0" else str(table.loc[2, "id"])) in said
    assert "1 of 4 rows" in said or value == "met:0"


def test_rows_are_told_by_place_whatever_the_index():
    table = works()
    table.loc[2, "year"] = 9999
    table = table.set_index("id", drop=False)
    with pytest.raises(PentimentoError, match="met:2"):
        validate(table, "works", "stop", LOG)


def test_a_missing_column_and_a_wrong_type_are_told():
    table = works().drop(columns="phash").astype({"width": str})
    with pytest.raises(PentimentoError) as error:
        validate(table, "works", "stop", LOG)
    assert "column 'phash' is missing" in str(error.value)
    assert "column 'width' must be of type" in str(error.value)


def test_a_warning_names_every_rule_and_goes_on(caplog):
    table = works()
    table.loc[[0, 1, 2, 3], "year"] = 9999
    table.loc[1, "sha256"] = "abc"
    with caplog.at_level(logging.WARNING):
        broken = validate(table, "works", "warn", LOG)
    assert broken == {"sha256: must be a SHA-256": 1, "year: must lie in -40000 to 2100": 4}
    assert "met:0 (9999), met:1 (9999), met:2 (9999) and 1 more" in caplog.text


def test_a_group_in_two_splits_and_a_held_out_work_drawn_twice_are_found():
    table = index()
    table.loc[1, "group"], table.loc[2, "repeat"] = 0, 3
    broken = validate(table, "index", "warn", LOG)
    assert broken == {
        "repeat: must be 1 for works that are held out": 1,
        "split: must be the same for all works of a group": 2,
    }
