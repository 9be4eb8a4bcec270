"""The same picture in several sources is one work: which value wins, what is kept, what is listed."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.catalog.records.merge import CONFLICT_COLUMNS, merge
from pipeline.catalog.sources.base import FIELDS
from pipeline.errors import PentimentoError

WHOLE = ("year_begin", "year_end")
TYPES = {name: "Int64" if name in WHOLE else "string" for name in FIELDS if name != "tags"}


def row(key: str, sha256: str | None, **fields: Any) -> dict[str, Any]:
    source = key.partition(":")[0]
    empty = {name: [] if name == "tags" else None for name in FIELDS}
    place = {"id": key, "source": source, "location": f"/{source}", "path": "x.jpg", "sha256": sha256}
    return place | {"problem": None} | empty | fields | {"record": json.dumps({"of": key})}


def catalog(*rows: dict[str, Any]) -> pd.DataFrame:
    return pd.DataFrame(rows).astype(TYPES | {"sha256": "string", "problem": "string"})


def test_field_by_field_the_first_source_that_has_a_value_wins() -> None:
    table = catalog(
        row("b:1", "s", title="From b", artist="Hals", tags=["men"]),
        row("a:1", "s", title="From a", medium="oil"),
        row("c:1", "s", culture="Dutch", artist="Frans Hals", tags=["dogs"]),
        row("a:2", "t", title="Alone"),
    )
    merged, conflicts = merge(table, ["a", "b", "c"])
    assert list(merged["id"]) == ["a:1", "a:2"]
    work = merged.iloc[0]
    assert (work["title"], work["artist"], work["medium"], work["culture"]) == (
        "From a",
        "Hals",
        "oil",
        "Dutch",
    )
    assert list(work["tags"]) == ["men"]
    others = json.loads(work["other_records"])
    assert [(one["id"], one["source"], one["record"]) for one in others] == [
        ("b:1", "b", '{"of": "b:1"}'),
        ("c:1", "c", '{"of": "c:1"}'),
    ]
    assert others[0]["fields"] == {"title": "From b", "artist": "Hals", "tags": ["men"]}
    assert merged.iloc[1]["other_records"] == "[]"
    assert conflicts[["field", "source", "value", "other_source", "other_value"]].values.tolist() == [
        ["title", "a", '"From a"', "b", '"From b"'],
        ["artist", "b", '"Hals"', "c", '"Frans Hals"'],
        ["tags", "b", '["men"]', "c", '["dogs"]'],
    ]
    assert set(conflicts["id"]) == {"a:1"}


def test_the_order_of_the_sources_decides() -> None:
    table = catalog(row("a:1", "s", title="A"), row("b:1", "s", title="B"))
    for order, title in ((["a", "b"], "A"), (["b", "a"], "B")):
        merged, _ = merge(table, order)
        assert merged["title"].tolist() == [title]
        assert merged["source"].tolist() == order[:1]


def test_case_spaces_and_the_order_of_tags_are_no_conflict() -> None:
    table = catalog(
        row("a:1", "s", artist="Frans  Hals", year_begin=1650, tags=["b", "a"]),
        row("b:1", "s", artist="frans hals", year_begin=1650, tags=["a", "b"]),
    )
    merged, conflicts = merge(table, ["a", "b"])
    assert conflicts.empty
    assert list(conflicts.columns) == list(CONFLICT_COLUMNS)
    assert merged["artist"].tolist() == ["Frans  Hals"]


def test_years_are_not_taken_from_a_record_with_another_date() -> None:
    table = catalog(
        row("a:1", "s", date="1650"),
        row("b:1", "s", date="about 1700", year_begin=1695, year_end=1705),
        row("c:1", "s", year_begin=1649, year_end=1651),
    )
    merged, conflicts = merge(table, ["a", "b", "c"])
    assert (merged.iloc[0]["year_begin"], merged.iloc[0]["year_end"]) == (1649, 1651)
    assert conflicts["field"].tolist() == ["date"]


def test_copies_within_a_source_and_unreadable_files_are_left_alone() -> None:
    table = catalog(
        row("a:1", "s"),
        row("a:2", "s"),
        row("b:1", "s"),
        row("a:3", None),
        row("b:3", None),
        row("b:4", "t"),
        row("b:5", "t"),
    )
    merged, _ = merge(table, ["a", "b"])
    assert merged["id"].tolist() == ["a:1", "a:2", "a:3", "b:3", "b:4", "b:5"]


def test_types_and_index_stay() -> None:
    table = catalog(row("a:1", "s", title="A"), row("b:1", "s", year_begin=1650), row("b:2", "t"))
    table = table.set_index("id", drop=False)
    merged, _ = merge(table, ["a", "b"])
    assert merged.drop(columns="other_records").dtypes.to_dict() == table.dtypes.to_dict()
    assert merged.index.tolist() == ["a:1", "b:2"]
    assert merged.loc["a:1", "year_begin"] == 1650
    assert table.loc["b:1", "title"] is pd.NA, "the table that was given is not changed"


def test_a_source_that_the_order_does_not_name_is_an_error() -> None:
    with pytest.raises(PentimentoError, match=r"names no source 'b'; it has \['a'\]"):
        merge(catalog(row("a:1", "s"), row("b:1", "s")), ["a"])


ROWS = st.lists(
    st.tuples(
        st.sampled_from("abc"),
        st.sampled_from(["s", "t", "u", None]),
        st.sampled_from(["", "X", "Y", None]),
        st.sampled_from([1600, None]),
        st.lists(st.sampled_from(["p", "q"]), max_size=2),
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=60, deadline=None)
@given(ROWS, st.permutations("abc"))
def test_no_record_is_lost_and_the_first_source_is_kept(drawn: list[Any], order: list[str]) -> None:
    rows = [
        row(f"{source}:{number}", sha, title=title, year_begin=year, tags=tags)
        for number, (source, sha, title, year, tags) in enumerate(drawn)
    ]
    merged, conflicts = merge(catalog(*rows), order)
    others = [one for text in merged["other_records"] for one in json.loads(text)]
    assert sorted([*merged["id"], *(one["id"] for one in others)]) == sorted(one["id"] for one in rows)
    assert set(conflicts["id"]) <= set(merged["id"])
    assert set(conflicts["other_id"]) <= {one["id"] for one in others}
    for work in merged[merged["other_records"] != "[]"].to_dict("records"):
        ranks = [order.index(one["source"]) for one in json.loads(work["other_records"])]
        assert order.index(work["source"]) < min(ranks)
        assert ranks == sorted(set(ranks)), "one record of each source"
