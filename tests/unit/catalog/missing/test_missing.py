from __future__ import annotations

import warnings
from typing import Literal

import numpy as np
import pandas as pd
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from pipeline.catalog.missing import (
    complete,
    completed,
    keep_in_train,
    names,
    parse,
    recorded_only,
    shortest,
    spec,
)
from pipeline.catalog.missing.task import Answer, Task
from pipeline.errors import PentimentoError

METHODS = [name for name in names() if name not in ("leave", "drop")]
FOR_NAMES = [name for name in METHODS if not name.startswith(("interpolate", "iterative"))
             and name not in ("fill:mean", "fill:median", "fill:max")]  # fmt: skip


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


def related(size: int, seed: int, hidden: float = 0.3) -> tuple[pd.DataFrame, pd.Series, pd.Series]:
    """Works whose year follows from their width, and school from their medium; with what was hidden."""
    rng = np.random.default_rng(seed)
    width = rng.uniform(0, 10, size)
    medium = rng.choice(["oil", "ink", "gouache"], size)
    year = pd.Series(np.round(1500 + 30 * width + rng.normal(0, 5, size)), dtype="Int64")
    school = pd.Series(medium).map({"oil": "Dutch", "ink": "Chinese", "gouache": "Indian"}).astype("string")
    table = pd.DataFrame({"span": width, "medium": medium, "title": medium, "year": year, "school": school})
    gaps = rng.random(size) < hidden
    table.loc[gaps, ["year", "school"]] = None
    return table, year[gaps], school[gaps]


def test_nearest_follows_the_words_of_the_record() -> None:
    near = {"method": "nearest", "neighbours": 2}
    done = complete(works(), {"school": near, "year": near})
    assert done.loc[[11, 13], "school"].tolist() == ["Dutch", "French"]
    assert done.loc[[11, 13], "school_origin"].tolist() == ["nearest", "nearest"]
    assert done.loc[[11, 13], "school_confidence"].tolist() == [1.0, 1.0]
    assert done.loc[13, "year"] == 1785
    assert done.loc[13, "year_origin"] == "nearest"


def test_the_mode_counts_recorded_values_only() -> None:
    table = works()
    table.loc[7, "school"] = "Dutch"
    table.loc[11, ["school", "school_origin", "school_confidence"]] = ["French", "nearest", 0.6]
    done = complete(table, {"school": "fill:mode"})
    assert done.loc[13, "school"] == "Dutch"
    assert done.loc[13, "school_confidence"] == 0.75
    assert done.loc[11, ["school", "school_origin"]].tolist() == ["French", "nearest"]


@pytest.mark.parametrize(
    ("method", "year"),
    [("fill:mean", 1707), ("fill:median", 1660), ("fill:max", 1790), ("fill:mode", 1650),
     ({"method": "fill", "by": "constant", "value": 1700}, 1700)],
)  # fmt: skip
def test_fill_by_every_statistic(method: object, year: int) -> None:
    done = complete(works(), {"year": method})
    assert done.loc[13, "year"] == year
    assert done.loc[13, "year_origin"] == "fill"


def test_a_constant_name() -> None:
    done = complete(works(), {"school": {"method": "fill", "by": "constant", "value": "Unknown"}})
    assert done.loc[[11, 13], "school"].tolist() == ["Unknown", "Unknown"]
    assert done.loc[11, "school_confidence"] == 0


def test_leave_and_drop() -> None:
    left = complete(works(), {"school": "leave"})
    assert left["school"].isna().sum() == 2
    dropped = complete(works(), {"school": "drop"})
    assert dropped["dropped"].dropna().to_dict() == {11: "school is missing", 13: "school is missing"}


@pytest.mark.parametrize(("curve", "middle"), [("linear", 15.0), ("polynomial", 15.0), ("spline", 15.0)])
def test_interpolation_goes_along_the_order_and_not_beyond(curve: str, middle: float) -> None:
    order = [3.0, 1.0, 2.0, 5.0, 4.0, 6.0, 1.5, 9.0, None]
    table = pd.DataFrame({"order": order, "n": [10.0 * x if x else None for x in order[:6]] + [None] * 3})
    done = complete(table, {"n": {"method": "interpolate", "curve": curve, "order": "order"}})
    assert done.loc[6, "n"] == pytest.approx(middle, abs=0.1)
    assert done.loc[[7, 8], "n"].isna().all(), "nothing is extrapolated, or placed without an order"
    assert done.loc[[7, 8], "n_origin"].isna().all()


@pytest.mark.parametrize("method", ["regress:linear", "regress:support_vector", "regress:forest",
                                    "nearest:columns", "iterative"])  # fmt: skip
def test_a_planted_relation_of_numbers_is_found(method: str) -> None:
    table, truth, _ = related(120, seed=1)

    def error(how: str) -> float:
        done = complete(table, {"year": how})
        return float((done.loc[truth.index, "year"] - truth).abs().mean())

    assert error(method) < 0.4 * error("fill:median")


@pytest.mark.parametrize("method", ["regress:linear", "regress:support_vector", "regress:forest",
                                    "nearest:columns", "nearest:record"])  # fmt: skip
def test_a_planted_relation_of_names_is_found(method: str) -> None:
    table, _, truth = related(120, seed=1)
    done = complete(table, {"school": method})
    assert (done.loc[truth.index, "school"] == truth).mean() > 0.9
    assert (complete(table, {"school": "fill:mode"}).loc[truth.index, "school"] == truth).mean() < 0.6


def pictures(size: int, seed: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Works whose school and year show in the first numbers of their pictures' features."""
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, 2, size)
    features = rng.normal(0, 1, (size, 12)).astype(np.float32)
    features[:, 0] += 6 * kind
    table = pd.DataFrame({"school": np.array(["Dutch", "French"], object)[kind], "year": 1600 + 100.0 * kind})
    return table, features


def test_the_picture_tells_what_it_shows() -> None:
    table, features = pictures(80, seed=0)
    truth = table.copy()
    table.loc[60:, ["school", "year"]] = None
    done = complete(table, {"school": "picture", "year": "picture"}, features)
    there = done["school_origin"] == "picture"
    assert there.sum() > 15
    assert (done.loc[there, "school"] == truth.loc[there, "school"]).mean() > 0.9
    assert (done.loc[there, "school_confidence"] >= 0.5).all()
    assert (done.loc[60:, "year"] - truth.loc[60:, "year"]).abs().mean() < 20


def test_below_the_threshold_and_without_a_picture_gaps_stay() -> None:
    table, features = pictures(80, seed=0)
    table["school"] = np.random.default_rng(5).permutation(table["school"].to_numpy())  # nothing to see
    table.loc[60:, "school"] = None
    done = complete(table, {"school": {"method": "picture", "accept": 0.95}}, features)
    assert done["school"].isna().sum() == 20
    assert done.loc[60:, ["school_origin", "school_confidence"]].isna().all(axis=None)
    table, features = pictures(80, seed=0)
    table.loc[60:, "school"] = None
    features[70:] = np.nan
    for method in ("picture", "nearest:picture"):
        done = complete(table, {"school": method}, features)
        assert done.loc[70:, "school"].isna().all()
        assert done.loc[60:69, "school"].notna().any()


def test_rare_names_are_not_learnt() -> None:
    table, features = pictures(60, seed=0)
    table.loc[[0, 1], "school"] = "Tibetan"
    table.loc[40:, "school"] = None
    for method in ("picture", "regress:forest"):
        done = complete(table.assign(span=features[:, 0]), {"school": method}, features)
        assert "Tibetan" not in set(done.loc[40:, "school"].dropna())


def test_a_completed_column_is_no_evidence_for_another() -> None:
    table, _, _ = related(60, seed=2)
    both = complete(table, {"school": "fill:mode", "year": "regress:forest"})
    alone = complete(table, {"year": "regress:forest"})
    again = complete(complete(table, {"school": "fill:mode"}), {"year": "regress:forest"})
    pd.testing.assert_series_equal(both["year"], alone["year"])
    pd.testing.assert_series_equal(again["year"], alone["year"])


def test_what_writes_down_the_same_fact_is_no_predictor() -> None:
    table, truth, _ = related(120, seed=3)
    leaky = table.assign(year_begin=table["year"].fillna(truth))
    pd.testing.assert_series_equal(
        complete(leaky, {"year": "regress:forest"})["year"],
        complete(table, {"year": "regress:forest"})["year"],
    )


def test_the_order_of_columns_changes_nothing() -> None:
    table, _, _ = related(60, seed=2)
    one = complete(table, {"year": "regress:forest"})["year"]
    other = complete(table[sorted(table.columns, reverse=True)], {"year": "regress:forest"})["year"]
    pd.testing.assert_series_equal(one, other)


def test_at_most_so_much_evidence_is_learnt_from() -> None:
    table, truth, _ = related(200, seed=4)
    few = {"method": "nearest", "by": "columns", "neighbours": 1, "max_evidence": 5}
    done = complete(table, {"year": few})
    assert done["year"].notna().all()
    assert done.loc[truth.index, "year"].nunique() <= 5


NUMBERS = st.one_of(
    st.none(), st.sampled_from([float("nan"), float("inf"), -float("inf"), -0.0, 1e300, 5.0]),
    st.floats(-1e6, 1e6, width=32),
)  # fmt: skip
ROWS = st.lists(
    st.tuples(NUMBERS, NUMBERS, st.one_of(st.none(), st.sampled_from(["a", "b", "cc", "ü"]))),
    min_size=1, max_size=14,
)  # fmt: skip


@pytest.mark.slow
@settings(max_examples=25, deadline=None, derandomize=True, phases=[Phase.explicit, Phase.generate])
@given(rows=ROWS, method=st.sampled_from(METHODS), seed=st.integers(0, 3))
def test_any_pattern_of_gaps(rows: list[tuple[object, ...]], method: str, seed: int) -> None:
    table = pd.DataFrame(rows, columns=["n", "year", "name"])
    table["n"], table["year"] = table["n"].astype("float64"), table["year"].astype("float64")
    table["name"] = table["name"].astype("string")
    table["title"] = "a title"
    features = (np.nan_to_num(table[["year"]].to_numpy()).clip(-9, 9) + 0.5).astype(np.float32)
    for column in ("n", "name") if method in FOR_NAMES else ("n",):
        before = table.copy()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            done = complete(table, {column: method}, features, seed)
            again = complete(table, {column: method}, features, seed)
        pd.testing.assert_frame_equal(table, before)
        pd.testing.assert_frame_equal(done, again)
        known = before[column].notna()
        if column == "n":
            assert (
                done.loc[known, column].to_numpy().tobytes() == before.loc[known, column].to_numpy().tobytes()
            )
            new = done.loc[~known & done[column].notna(), column]
            finite = before.loc[known & np.isfinite(before[column]) & (before[column].abs() < 1e100), column]
            assert np.isfinite(new).all()
            assert new.empty or (finite.min() - 1e-6 <= new.min() and new.max() <= finite.max() + 1e-6)
        else:
            assert done.loc[known, column].tolist() == before.loc[known, column].tolist()
            assert set(done[column].dropna()) <= set(before[column].dropna())
        assert (done.loc[known, f"{column}_origin"] == "recorded").all()
        filled = ~known & done[column].notna()
        assert (done.loc[filled, f"{column}_origin"] == method.split(":", maxsplit=1)[0]).all()
        assert done.loc[filled, f"{column}_confidence"].between(0, 1).all()
        assert (
            done.loc[done[column].isna(), [f"{column}_origin", f"{column}_confidence"]].isna().all(axis=None)
        )


@pytest.mark.parametrize("method", METHODS)
def test_without_any_evidence_gaps_stay(method: str) -> None:
    table, _, _ = related(12, seed=0)
    table["n"] = np.nan
    done = complete(table, {"n": method}, np.ones((12, 3), np.float32))
    assert done["n"].isna().all()


@pytest.mark.parametrize("method", METHODS)
def test_without_any_gap_nothing_changes(method: str) -> None:
    table, _, _ = related(12, seed=0, hidden=0)
    table["n"] = np.arange(12.0)
    done = complete(table, {"n": method}, np.ones((12, 3), np.float32))
    pd.testing.assert_frame_equal(done[table.columns], table)


@pytest.mark.parametrize(
    ("column", "method", "said"),
    [
        ("school", "fill:mean", "it holds names; fill:mode and fill:constant do"),
        ("school", "iterative", "it completes numbers, the column holds names"),
        ("school", "interpolate:linear", "it completes numbers"),
        ("year", "interpolate:linear", "`order` must name another column of numbers"),
        ("year", "picture", "which are not given"),
        ("school", "nearest:picture", "which are not given"),
        ("tags", "fill:mode", "no method completes it"),
        ("schol", "fill:mode", "there is no column 'schol'"),
        ("year", {"method": "fill", "by": "constant", "value": "x"}, "does not suit 'year'"),
        ("school", {"method": "regress", "predictors": ["nosuch"]}, "cannot be predicted from 'nosuch'"),
        ("school", "regres:forest", "did you mean 'regress:forest'?"),
        ("school", "most_frequent", "there is no such method"),
        ("school", "picture:x", "there is no such method"),
        ("school", {"method": "regress", "modl": "forest"}, "modl: Extra inputs are not permitted"),
        ("school", {"method": "nearest", "neighbours": 0}, "neighbours: Input should be greater than"),
        ("school", {"method": "fill", "value": "x"}, "`value` goes with `by: constant`"),
        ("school", "nearest:words", "by: Input should be 'record', 'columns' or 'picture'"),
    ],
)
def test_what_cannot_be_done_is_said(column: str, method: object, said: str) -> None:
    with pytest.raises(PentimentoError) as error:
        complete(works(), {column: method})
    assert said in str(error.value)


def test_features_must_be_of_the_same_works() -> None:
    with pytest.raises(PentimentoError, match="3 descriptions of pictures were given for 6 works"):
        complete(works(), {"school": "picture"}, np.ones((3, 4), np.float32))


@pytest.mark.parametrize("name", names())
def test_a_name_stands_for_its_method(name: str) -> None:
    assert shortest(parse(name)) in (name, name.split(":", maxsplit=1)[0])
    assert parse(shortest(parse(name))) == parse(name)


def test_a_mapping_is_written_with_what_differs() -> None:
    picture = parse({"method": "picture", "accept": 0.7})
    assert shortest(picture) == {"method": "picture", "accept": 0.7}
    own = {"method": "regress", "model": "linear", "predictors": ["medium"]}
    assert shortest(parse(own)) == own


def test_completed_values_judge_nothing() -> None:
    table = works()
    table.loc[11, ["school", "school_origin", "school_confidence"]] = ["Dutch", "nearest", 0.6]
    assert completed(table).tolist() == [False, False, False, False, True, False]
    assert recorded_only(table).index.tolist() == [3, 5, 7, 9, 13]
    assert completed(table, ("year",)).sum() == 0


def test_a_completed_work_goes_to_train_and_its_group_with_it() -> None:
    splits = ["test", "test", "val", "train", "val"]
    must = np.array([False, True, False, False, False])
    assert keep_in_train(splits, [1, 1, 2, 3, 4], must) == ["train", "train", "val", "train", "val"]


def test_a_function_with_the_decorator_is_a_method_with_checked_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spec, "METHODS", {})

    @spec.method("same", variant="way", accept=0.5)
    def same(task: Task, *, way: Literal["sure", "unsure"] = "sure", value: str) -> Answer:
        """One name everywhere."""
        return task.same(value, 0.9 if way == "sure" else 0.1)

    toy = spec.METHODS["same"]
    sure = toy.model_validate({"value": "Dutch"})
    assert sure.name == "same:sure"
    done = complete(works(), {"school": sure})
    assert done.loc[[11, 13], "school"].tolist() == ["Dutch", "Dutch"]
    assert done.loc[[11, 13], "school_origin"].tolist() == ["same", "same"]
    unsure = toy.model_validate({"value": "Dutch", "way": "unsure"})
    assert complete(works(), {"school": unsure})["school"].isna().sum() == 2, "less than `accept`"
    for wrong in ({}, {"value": 3}, {"value": "Dutch", "way": "other"}, {"value": "Dutch", "extra": 1}):
        with pytest.raises(ValidationError):
            toy.model_validate(wrong)
