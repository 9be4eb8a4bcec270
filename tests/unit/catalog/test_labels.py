from __future__ import annotations

import pandas as pd
import pytest

from pipeline.catalog.labels import normalise, parse_artist, parse_school


@pytest.mark.parametrize(
    ("written", "name", "qualifier"),
    [
        ("Rembrandt (Rembrandt van Rijn)", "Rembrandt", None),
        ("Attributed to the Master of the View of Sainte Gudule",
         "the Master of the View of Sainte Gudule", "attributed to"),
        ("Painting attributed to Bichitr", "Bichitr", "attributed to"),
        ("Workshop of Hans Memling", "Hans Memling", "workshop of"),
        ("After Frans Hals", "Frans Hals", "after"),
        ("Unidentified artist", None, None),
        ("Unknown", None, None),
        ("", None, None),
        (None, None, None),
    ],
)  # fmt: skip
def test_artists(written: str | None, name: str | None, qualifier: str | None) -> None:
    assert parse_artist(written) == (name, qualifier)


@pytest.mark.parametrize(
    ("nationality", "bio", "culture", "school"),
    [
        ("Dutch", None, None, "Dutch"),
        ("Chinese, Manchu", None, None, "Chinese"),
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


def test_labels_carry_their_origin_and_gaps_stay_gaps() -> None:
    row = {"artist": "El Greco (Domenikos Theotokopoulos)", "artist_bio": None, "nationality": "Greek",
           "culture": None, "date": "ca. 1600", "year_begin": None,
           "year_end": None, "tags": ["Men ", "Men", ""]}  # fmt: skip
    gap = dict.fromkeys(row) | {"tags": []}
    labels = normalise(pd.DataFrame([row, gap]))
    assert labels.loc[0, ["artist", "school", "year", "period"]].tolist() == [
        "El Greco", "Greek", 1600, "16th century"]  # fmt: skip
    assert labels["tags"].tolist() == [["Men"], []]
    assert labels.loc[0, "school_origin"] == "recorded"
    assert labels.loc[0, "school_confidence"] == 1.0
    assert (
        labels.loc[1, ["artist", "school", "year", "period", "school_origin", "year_confidence"]].isna().all()
    )
