from __future__ import annotations

import pandas as pd
import pytest

from pipeline.catalog.missing import complete


def works() -> pd.DataFrame:
    table = pd.DataFrame(
        {
            "title": ["river landscape", "river landscape at dusk", "portrait of a lady", "portrait of a man",
                      "river landscape with cows", "portrait of a lady with a fan"],
            "medium": "Oil on canvas",
            "classification": "Paintings",
            "culture": None,
            "tags": [["Rivers"], ["Rivers"], ["Portraits"], ["Portraits"], ["Rivers"], ["Portraits"]],
            "school": pd.Series(["Dutch", "Dutch", "French", "French", None, None], dtype="string"),
            "year": pd.Series([1650, 1660, 1780, 1790, 1655, None], dtype="Int64"),
        }
    ).set_index(pd.Index([3, 5, 7, 9, 11, 13]))  # fmt: skip
    for label in ("school", "year"):
        known = table[label].notna()
        table[f"{label}_origin"] = pd.Series("recorded", index=table.index, dtype="string").where(known)
        table[f"{label}_confidence"] = known.astype("Float64").where(known)
    return table


def test_nearest_follows_the_words_of_the_record() -> None:
    done = complete(works(), {"school": "nearest", "year": "nearest"}, neighbours=2)
    assert done.loc[[11, 13], "school"].tolist() == ["Dutch", "French"]
    assert done.loc[[11, 13], "school_origin"].tolist() == ["nearest", "nearest"]
    assert done.loc[[11, 13], "school_confidence"].tolist() == [1.0, 1.0]
    assert done.loc[13, "year"] == 1785
    assert done.loc[13, "year_origin"] == "nearest"


def test_most_frequent_counts_recorded_values_only() -> None:
    table = works()
    table.loc[7, "school"] = "Dutch"
    done = complete(table, {"school": "most_frequent"}, neighbours=2)
    assert done.loc[[11, 13], "school"].tolist() == ["Dutch", "Dutch"]
    assert done.loc[11, "school_confidence"] == 0.75


def test_recorded_values_are_never_touched() -> None:
    before = works()
    for method in ("leave", "drop", "most_frequent", "nearest"):
        done = complete(before, {"school": method, "year": method}, neighbours=3)
        known = before["school"].notna()
        assert done.loc[known, "school"].tolist() == before.loc[known, "school"].tolist()
        assert (done.loc[known, "school_origin"] == "recorded").all()


def test_leave_and_drop() -> None:
    left = complete(works(), {"school": "leave"}, neighbours=2)
    assert left["school"].isna().sum() == 2
    dropped = complete(works(), {"school": "drop"}, neighbours=2)
    assert dropped["dropped"].dropna().to_dict() == {11: "school is missing", 13: "school is missing"}


@pytest.mark.parametrize("method", ["most_frequent", "nearest"])
def test_without_any_evidence_gaps_stay(method: str) -> None:
    table = works()
    table["school"] = pd.Series(None, index=table.index, dtype="string")
    assert complete(table, {"school": method}, neighbours=2)["school"].isna().all()
