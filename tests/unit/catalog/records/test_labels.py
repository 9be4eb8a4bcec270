from __future__ import annotations

from unittest.mock import patch

import pandas as pd
import pytest

from pipeline.catalog.records import labels as module
from pipeline.catalog.records.dates import parse_date
from pipeline.catalog.records.labels import normalise, parse_school

TEXT = (
    "artist",
    "artist_qualifier",
    "artist_nationality",
    "school",
    "period",
    "date_precision",
    "medium_material",
    "medium_support",
)
WHOLE = ("artist_birth", "artist_death", "year", "date_earliest", "date_latest")


@pytest.mark.parametrize(
    ("nationality", "bio", "culture", "school"),
    [
        ("Dutch", None, None, "Dutch"),
        ("Chinese, Manchu", None, None, "Chinese"),
        ("atlantean, of the sea", None, None, "Atlantean"),
        ("undetermined", None, "China", "Chinese"),
        (None, "Italian, Florence 1450–1500", None, "Italian"),
        (None, None, "Eastern Tibet, Kham", "Tibetan"),
        (None, None, "India (Gujarat)", "Indian"),
        (None, None, "Italian, Rimini", "Italian"),
        (None, None, "Atlantis", None),
        (None, None, None, None),
    ],
)
def test_schools(nationality: str | None, bio: str | None, culture: str | None, school: str | None) -> None:
    assert parse_school(nationality, bio, culture) == school


def row(**fields: object) -> dict[str, object]:
    names = ("artist", "artist_bio", "nationality", "culture", "date", "year_begin", "year_end", "medium")
    return dict.fromkeys(names) | {"tags": []} | fields


def test_labels_carry_their_origin_and_gaps_stay_gaps() -> None:
    full = row(
        artist="El Greco (Domenikos Theotokopoulos)",
        nationality="Greek",
        date="ca. 1600",
        medium="Oil on canvas",
        artist_bio="Greek, Iráklion 1541–1614 Toledo",
        tags=["Men ", "Men", ""],
    )
    labels = normalise(pd.DataFrame([full, row()]))
    assert labels.loc[0, ["artist", "school", "year", "period"]].tolist() == [
        "El Greco",
        "Greek",
        1600,
        "16th century",
    ]
    assert labels.loc[0, ["date_earliest", "date_latest", "date_precision"]].tolist() == [1600, 1600, "circa"]
    assert labels.loc[0, ["artist_birth", "artist_death", "artist_nationality"]].tolist() == [
        1541,
        1614,
        "Greek",
    ]
    assert labels.loc[0, ["medium_material", "medium_support"]].tolist() == ["oil", "canvas"]
    assert labels["tags"].tolist() == [["Men"], []]
    assert labels.loc[0, "school_origin"] == "recorded"
    assert labels.loc[0, "school_confidence"] == 1.0
    assert labels.drop(columns="tags").loc[1].isna().all()


def test_types_hold_whatever_is_missing() -> None:
    for table in (
        pd.DataFrame([row()]),
        pd.DataFrame([row(artist="A B", date="1850")]),
        pd.DataFrame([row()])[:0],
    ):
        labels = normalise(table)
        assert {name: str(labels[name].dtype) for name in TEXT} == dict.fromkeys(TEXT, "string")
        assert {name: str(labels[name].dtype) for name in WHOLE} == dict.fromkeys(WHOLE, "Int64")


def test_a_column_that_is_not_there_is_a_gap() -> None:
    labels = normalise(pd.DataFrame({"date": ["1850", None]}, index=["a", "b"]))
    assert labels["year"].tolist() == [1850, pd.NA]
    assert labels.index.tolist() == ["a", "b"]
    assert labels["school"].isna().all()
    assert labels["tags"].tolist() == [[], []]


def test_the_artists_own_text_comes_before_the_biography() -> None:
    rows = [
        row(artist="Claude Monet (French, 1840–1926)"),
        row(artist="A B (born 1930)", artist_bio="1900–1980"),
        row(artist="A B", artist_bio="born 1930"),
        row(artist="unknown Dutch", culture="China"),
        row(artist="A B (French, 1840–1926)", nationality="Swiss"),
    ]
    labels = normalise(pd.DataFrame(rows))
    assert labels["artist_birth"].tolist() == [1840, 1930, 1930, pd.NA, 1840]
    assert labels["artist_death"].tolist() == [1926, pd.NA, pd.NA, pd.NA, 1926]
    assert labels["school"].tolist() == ["French", pd.NA, pd.NA, "Dutch", "Swiss"]
    assert labels["artist_nationality"].tolist() == ["French", pd.NA, pd.NA, "Dutch", "Swiss"]


def test_numbers_fill_in_as_parse_date_has_them() -> None:
    numbers = [
        (None, 1650, 1670),
        ("n.d.", 1650, None),
        ("n.d.", None, 1650),
        ("1700", 1650, 1670),
        (None, 0, 0),
        (None, 0, 1650),
        (None, 1670, 1650),
        (None, -30, 14),
        ("x", 1650, 1650),
        (None, None, None),
    ]
    labels = normalise(pd.DataFrame([row(date=d, year_begin=b, year_end=e) for d, b, e in numbers]))
    for n, case in enumerate(numbers):
        found = parse_date(*case)
        said = labels.loc[n, ["date_earliest", "date_latest", "date_precision"]].tolist()
        assert said == (list(found) if found else [pd.NA] * 3), case
        assert labels.loc[n, "year"] is (pd.NA) if found is None else labels.loc[n, "year"] == found.middle


def test_each_distinct_text_is_parsed_once() -> None:
    table = pd.DataFrame([row(date=f"c. {1800 + n % 3}") for n in range(300)])
    with patch.object(module, "parse_date", wraps=parse_date) as parse:
        normalise(table)
    assert parse.call_count == 3
