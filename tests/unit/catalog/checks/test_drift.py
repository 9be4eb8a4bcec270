"""Drift: silent where nothing differs, loud where something does, and never at a loss."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.archive.tables import write_table
from pipeline.catalog.checks.drift import MAX_PICTURES, described, drift, holm, turnover
from pipeline.catalog.features import FEATURES, pack


def works(count: int, seed: int) -> pd.DataFrame:
    """A table of works with numbers, classes, tags, gaps and names."""
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "id": [f"met:{seed}-{n}" for n in range(count)],
            "sha256": [f"{seed:08x}{n:056x}" for n in range(count)],
            "title": [f"Landscape {n}" for n in rng.integers(0, 10**9, count)],
            "year": pd.array(rng.normal(1700, 100, count).astype(int), "Int64"),
            "width": rng.integers(300, 900, count),
            "bit_depth": np.full(count, 8),
            "mode": rng.choice(["RGB", "L"], count, p=[0.9, 0.1]),
            "school": rng.choice(["French", "Dutch", "Italian", "Spanish"], count, p=[0.4, 0.3, 0.2, 0.1]),
            "artist": [f"Painter {n}" for n in rng.zipf(1.6, count) % 500],
            "icc": rng.random(count) < 0.5,
            "tags": [
                sorted(rng.choice(["Men", "Women", "Trees", "Dogs"], 2, replace=False)) for _ in range(count)
            ],
        }
    )
    table["year"] = table["year"].mask(rng.random(count) < 0.1)
    table["school"] = table["school"].astype("string").mask(rng.random(count) < 0.05)
    return table


def vectors(count: int, seed: int, shift: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.normal(0, 1, (count, 32)) + shift * (np.arange(32) < 4)).astype(np.float32)


def alarms(table: pd.DataFrame) -> set[tuple[str, str]]:
    return {(row["column"], row["kind"]) for row in table[table["alarming"]].to_dict("records")}


def test_the_same_works_do_not_differ_at_all() -> None:
    table = drift(works(200, 0), works(200, 0), vectors(200, 0), vectors(200, 0), seed=0)
    assert not table["alarming"].any()
    assert (table["effect"].dropna() == 0).all()
    assert (table["p"].dropna() == 1).all()


@pytest.mark.slow
def test_two_halves_at_random_raise_no_alarm() -> None:
    table, found, shown = works(300, 1), vectors(300, 1), 0
    for seed in range(20):
        order = np.random.default_rng(seed).permutation(300)
        a, b = order[:150], order[150:]
        shown += len(alarms(drift(table.iloc[a], table.iloc[b], found[a], found[b], seed=seed)))
    assert shown == 0


def older(table: pd.DataFrame) -> None:
    table["year"] -= 80


def grey(table: pd.DataFrame) -> None:
    table.loc[: len(table) // 4, "mode"] = "L"


def without_years(table: pd.DataFrame) -> None:
    table.loc[: len(table) // 3, "year"] = pd.NA


def another_school(table: pd.DataFrame) -> None:
    table.loc[: len(table) // 5, "school"] = "Chinese"


def deeper(table: pd.DataFrame) -> None:
    table.loc[: len(table) // 5, "bit_depth"] = 16


def without_dogs(table: pd.DataFrame) -> None:
    table["tags"] = table["tags"].map(lambda tags: [tag for tag in tags if tag != "Dogs"])


def nameless(table: pd.DataFrame) -> None:
    table.loc[: len(table) // 4, "title"] = None


@pytest.mark.parametrize(
    ("plant", "expected"),
    [
        (older, ("year", "number")),
        (grey, ("mode", "classes")),
        (without_years, ("year", "gaps")),
        (another_school, ("school", "classes")),
        (deeper, ("bit_depth", "classes")),
        (without_dogs, ("tags", "tags")),
        (nameless, ("title", "classes")),
    ],
)
def test_a_planted_shift_alarms_in_its_column_alone(plant: Any, expected: tuple[str, str]) -> None:
    now = works(300, 3)
    plant(now)
    assert alarms(drift(works(300, 2), now, seed=0)) == {expected}


def test_other_pictures_alarm_even_where_the_records_are_alike() -> None:
    table = drift(works(150, 4), works(150, 5), vectors(150, 4), vectors(150, 5, shift=1.5), seed=0)
    assert alarms(table) == {("pictures", "pictures")}


def test_many_works_that_differ_little_are_significant_and_do_not_alarm() -> None:
    rng = np.random.default_rng(0)
    before = pd.DataFrame({"mode": rng.choice(["RGB", "L"], 100_000, p=[0.90, 0.10])})
    now = pd.DataFrame({"mode": rng.choice(["RGB", "L"], 100_000, p=[0.88, 0.12])})
    row = drift(before, now, seed=0).iloc[0]
    assert row["p"] < 0.001
    assert row["effect"] == pytest.approx(0.02, abs=0.005)
    assert not row["alarming"]


def test_few_works_are_not_judged() -> None:
    now = works(5, 7).assign(year=1200, mode="CMYK")
    table = drift(works(200, 6), now, vectors(200, 6), vectors(5, 7, shift=9), seed=0)
    assert table["p"].isna().all()
    assert not table["alarming"].any()
    assert (table["detail"] == "too few to judge").all()


def test_a_dozen_works_of_another_kind_alarm() -> None:
    table = drift(works(200, 6), works(12, 7).assign(mode="CMYK"), seed=0)
    assert ("mode", "classes") in alarms(table)


def test_one_more_column_changes_no_other_result() -> None:
    before, now = works(100, 8), works(100, 9)
    plain = drift(before, now, seed=0)
    wider = drift(before.assign(extra=1), now.assign(extra=1), seed=0)
    pd.testing.assert_frame_equal(wider[wider["column"] != "extra"].reset_index(drop=True), plain)


def test_columns_that_came_went_or_changed_their_type_are_told() -> None:
    before = works(50, 1).assign(old=1).astype({"year": "string"})
    table = drift(before, works(50, 1).assign(fresh=1), seed=0).set_index("column")
    assert table.loc["fresh", "detail"] == "there only now"
    assert table.loc["old", "detail"] == "there only before"
    assert table.loc["year", "kind"] == "classes"
    assert table.loc["year", "effect"] == 0
    assert not table["alarming"].any()


def test_holm_steps_down() -> None:
    adjusted = holm(np.array([0.01, np.nan, 0.04, 0.03, 0.6]))
    assert adjusted.tolist()[0] == pytest.approx(0.04)
    assert np.isnan(adjusted[1])
    assert adjusted[[2, 3, 4]].tolist() == pytest.approx([0.09, 0.09, 0.6])


def test_turnover_tells_new_gone_other_pictures_and_other_records() -> None:
    before = works(6, 0)
    now = before.drop(index=0).reset_index(drop=True)
    now.loc[0, "sha256"] = "f" * 64
    now.loc[1, "school"] = "Chinese"
    now.at[2, "tags"] = ["Cats"]
    now.loc[3, "school"] = pd.NA
    now = pd.concat([now, works(1, 1)], ignore_index=True)
    found = turnover(before, now)
    assert found.new == ("met:1-0",)
    assert found.gone == ("met:0-0",)
    assert found.pictures == ("met:0-1",)
    assert found.records == ("met:0-2", "met:0-3", "met:0-4")
    assert found.arrived == ("met:0-1", "met:1-0")
    assert not any(turnover(before, before))


def test_two_tables_that_share_works_are_described_by_the_same_of_them(tmp_path: Path) -> None:
    count = MAX_PICTURES + 50
    table = works(count, 0)
    table["sha256"] = [f"{hash((n, 1)) % 16**12:012x}{n:052x}" for n in range(count)]
    rows = np.zeros((count, FEATURES), np.float32)
    rows[:, 0] = np.arange(count) / 4096
    features = pd.DataFrame({"sha256": table["sha256"], "features": [pack(row) for row in rows]})
    write_table(tmp_path / "features.parquet", features.iloc[10:])
    every = described(table, tmp_path / "features.parquet")
    fewer = described(table.iloc[5:-5], tmp_path / "features.parquet")
    assert every.shape == (MAX_PICTURES, FEATURES)
    assert len(np.intersect1d(every[:, 0], fewer[:, 0])) > MAX_PICTURES - 20
    assert described(table.iloc[:5], tmp_path / "features.parquet").shape == (0, FEATURES)


values = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**40), 2**40), st.floats(-1e12, 1e12), st.text(max_size=8),
    st.lists(st.text(max_size=3), max_size=3),
)  # fmt: skip
columns = st.one_of(
    st.lists(st.one_of(st.none(), st.integers(0, 50)), min_size=9, max_size=24),
    st.lists(st.one_of(st.none(), st.floats(-1e9, 1e9)), min_size=9, max_size=24),
    st.lists(st.one_of(st.none(), st.text(max_size=4)), min_size=9, max_size=24),
    st.lists(st.one_of(st.none(), st.lists(st.sampled_from("abc"), max_size=3)), max_size=24),
    st.lists(values, max_size=24),
)


@settings(max_examples=60, deadline=None)
@given(before=columns, now=columns)
def test_any_two_columns_can_be_compared(before: list[Any], now: list[Any]) -> None:
    table = drift(pd.DataFrame({"x": before}), pd.DataFrame({"x": now}), seed=0)
    assert len(table) >= 1
    assert table["effect"].dropna().between(0, 1).all()
    assert table["p"].dropna().between(0, 1).all()
    assert set(table.loc[table["p"].isna(), "alarming"]) <= {False}
