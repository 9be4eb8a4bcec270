"""The numbers of the data report: every row is accounted for, and every count is right."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd

from pipeline.catalog.checks.profile import (
    MAX_BINS,
    MAX_NAMES,
    OTHERS,
    Tables,
    near_duplicates,
    profile,
    suspect_works,
    unaccounted,
)
from pipeline.catalog.sources.base import FIELDS


def tables(count: int = 10, aside: int = 2) -> Tables:
    """Pictures, the last ones in quarantine; every third lacks its year, every fifth its school."""
    ids = [f"{'met' if n % 2 else 'folder'}:{n}" for n in range(count)]
    inventory = pd.DataFrame({"id": ids, "source": [one.split(":")[0] for one in ids]})
    catalog = inventory.assign(
        size=1000,
        format=["jpeg"] * (count - 1) + [None],
        mode="RGB",
        bit_depth=pd.array([8] * count, "Int64"),
        width=pd.array([2000] * (count - 1) + [None], "Int64"),
        height=pd.array([1000] * (count - 1) + [None], "Int64"),
        **{name: pd.Series(["written"] * count, dtype="string") for name in FIELDS if name != "tags"},
        tags=[[] if n == 0 else ["Men"] for n in range(count)],
    )
    catalog["artist"] = catalog["artist"].mask(catalog.index == 1)
    works = catalog.iloc[: count - aside].drop(columns=["period"]).copy()
    kept = np.arange(len(works))
    year = pd.Series(1600 + 10 * kept, dtype="Int64")
    origin = pd.Series(np.where(kept % 3, "recorded", "nearest"), dtype="string")
    works = works.assign(
        year=year, year_origin=origin,
        year_confidence=pd.Series(np.where(kept % 3, 1.0, 0.55), dtype="Float64"),
        school=pd.Series("French", index=kept, dtype="string").mask(kept % 5 == 0),
        school_origin=pd.Series("recorded", index=kept, dtype="string").mask(kept % 5 == 0),
        school_confidence=pd.Series(1.0, index=kept, dtype="Float64").mask(kept % 5 == 0),
        group=[0, 0, *range(2, len(works))],
    )  # fmt: skip
    quarantine = catalog.iloc[count - aside :][["id", "source"]].assign(
        reason=["the same file as met:1", "has only 8 x 9 pixels, less than clean.min_side = 64"][:aside]
    )
    index = works[["id", "school", "school_origin", "group"]].assign(
        split=["test" if n == 3 else "train" for n in kept], repeat=2, weight=0.5
    )
    return Tables(inventory, catalog, works, quarantine, index)


def test_rows_in_are_rows_kept_and_quarantined() -> None:
    rows = profile(tables(), {})["rows"]
    assert (rows["in"], rows["kept"], rows["quarantined"], rows["unaccounted"]) == (10, 8, 2, 0)
    assert rows["sources"] == {
        "folder": {"in": 5, "kept": 4, "quarantined": 1},
        "met": {"in": 5, "kept": 4, "quarantined": 1},
    }


def test_a_lost_row_is_told() -> None:
    whole = tables()
    lost = Tables(whole.inventory, whole.catalog, whole.works.iloc[1:], whole.quarantine, whole.index)
    assert unaccounted(lost) == ["folder:0"]
    assert profile(lost, {})["rows"]["unaccounted"] == 1


def test_gaps_are_counted_in_records_once_read_and_after_completion() -> None:
    gaps = profile(tables(), {})["gaps"]
    assert gaps["artist"] == {"works": 8, "in_records": 1, "after": 1, "before": 1}
    assert gaps["tags"] == {"works": 8, "in_records": 1, "after": 1, "before": 1}
    assert gaps["year"] == {"works": 8, "after": 0, "before": 3}
    assert gaps["school"] == {"works": 8, "after": 2, "before": 2}
    assert gaps["period"] == {"works": 8, "in_records": 0}


def test_labels_tell_their_origin_and_how_sure_it_is() -> None:
    year = profile(tables(), {})["labels"]["year"]
    assert year["origins"] == {"recorded": 5, "nearest": 3}
    assert year["confidence"] == {"nearest": [0, 0, 0, 0, 0, 3, 0, 0, 0, 0]}
    assert profile(tables(), {})["labels"]["school"]["origins"] == {"recorded": 6, "missing": 2}


def test_completed_labels_of_held_out_works_are_told() -> None:
    given = tables()
    assert profile(given, {})["held_out_completed"] == {"school": 0}
    given.index.loc[3, "school_origin"] = "nearest"
    assert profile(given, {})["held_out_completed"] == {"school": 1}


def test_classes_are_counted_before_and_after_rebalancing() -> None:
    given = tables()
    given.index.loc[1, ["school", "repeat"]] = ["Dutch", 10]
    assert profile(given, {})["classes"]["school"] == {
        "French": {"works": 4, "after": 4.0},
        "Dutch": {"works": 1, "after": 5.0},
    }
    filled = profile(given, {}, "smote")["classes"]["school"]
    assert {name: row["after"] for name, row in filled.items()} == {"French": 4.0, "Dutch": 4.0}


def test_years_fit_into_the_chart_however_far_apart() -> None:
    given = tables()
    years = profile(given, {})["years"]
    assert sum(row["recorded"] for row in years["bins"].values()) == 5
    assert sum(row["completed"] for row in years["bins"].values()) == 3
    given.works["year"] = pd.array([-40_000, *range(1, 8)], "Int64")
    wide = profile(given, {})["years"]
    assert len(wide["bins"]) <= MAX_BINS
    assert "-40000" in wide["bins"]
    given.works["year"] = pd.array([None] * 8, "Int64")
    assert profile(given, {})["years"]["bins"] == {}


def test_files_and_duplicates() -> None:
    numbers = profile(tables(), {})
    assert numbers["files"]["formats"] == {"jpeg": 9}
    assert numbers["files"]["modes"] == {"RGB, 8 bit": 9}
    assert numbers["files"]["megapixels"]["1 to 3"] == 9
    assert numbers["files"]["median_sides"] == [1000, 2000]
    assert numbers["duplicates"] == {
        "groups": 1, "works": 2, "largest": 2, "straddling": 0, "identical_files": 1,
    }  # fmt: skip
    assert [group["id"].tolist() for group in near_duplicates(tables().works)] == [["folder:0", "met:1"]]


def test_a_group_on_both_sides_of_the_split_is_told() -> None:
    given = tables()
    given.index.loc[0, "split"] = "test"
    assert profile(given, {})["duplicates"]["straddling"] == 1


def test_reasons_are_counted_by_kind() -> None:
    assert profile(tables(), {})["quarantine"] == {
        "has only … x … pixels, less than clean.min_side = …": 1,
        "the same file as …": 1,
    }


def test_suspects_are_counted_and_ordered() -> None:
    given = tables()
    table = pd.DataFrame(
        {
            "id": given.works["id"],
            "given": "French",
            "suggested": ["Dutch"] * 7 + [None],
            "score": [0.1, 0.9, 0.2, 0.95, 0.3, 0.3, 0.1, None],
            "suspect": [False, True, False, True, False, False, False, False],
        }
    )
    judged = Tables(given.inventory, given.catalog, given.works, given.quarantine, given.index, table)
    assert profile(judged, {})["suspects"] == {
        "judged": 7, "suspect": 2, "pairs": {"French → Dutch": 2}, "not_told_apart": {},
    }  # fmt: skip
    assert suspect_works(table)["id"].tolist() == ["met:3", "met:1"]
    assert len(suspect_works(table.drop(columns="suspect"))) == 8  # a table of suspects alone
    assert suspect_works(None).empty


def test_many_names_are_counted_together() -> None:
    given = tables(200)
    given.catalog["format"] = [f"format{n % 90:02d}" for n in range(200)]
    formats = profile(given, {})["files"]["formats"]
    assert len(formats) == MAX_NAMES + 1
    assert sum(formats.values()) == 199
    assert formats[OTHERS] > 0


def test_numbers_are_ready_for_json_and_empty_tables_are_no_trouble() -> None:
    given = tables()
    broken = {"clean": {"year: must lie in -40000 to 2100": 3}}
    assert json.loads(json.dumps(profile(given, broken)))["broken_rules"] == broken
    names = ("inventory", "catalog", "works", "quarantine", "index")
    empty = Tables(**{name: getattr(given, name).iloc[:0] for name in names})
    numbers = json.loads(json.dumps(profile(empty, {})))
    assert numbers["rows"]["in"] == numbers["duplicates"]["groups"] == 0
