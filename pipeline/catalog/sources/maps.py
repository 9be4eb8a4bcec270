"""Ready column maps for the exports that museums publish.

- `tate`: artwork_data.csv or a later export of Tate's collection (github.com/tategallery/collection); with
  `artists`, artist_data.csv beside it, also the makers' years of birth and death.
- `cmoa`: cmoa.csv of Carnegie Museum of Art (github.com/cmoa/collection).
- `aic`: an index of pictures of the Art Institute of Chicago: file, artist_raw, title, date, medium.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.catalog.sources.base import text

Record = Mapping[str, Any]
# Of Carnegie's roles those that say how far a work is its maker's own; the others are trades.
_RELATIONS = frozenset(
    ("after", "attributed to", "copyist of", "manner of", "possibly by", "probably by", "school of",
     "workshop of")
)  # fmt: skip


def _nothing(record: Record, maker: Record) -> dict[str, str | None]:
    return {}


@dataclass(frozen=True)
class ColumnMap:
    """What a museum's columns mean: field to column, and fields that are made of several columns."""

    columns: dict[str, str]
    derive: Callable[[Record, Record], dict[str, str | None]] = _nothing  # of a record and its maker's
    maker: str | None = None  # the column that holds the id of the maker's record


def year(value: Any) -> int | None:
    """The year of a number, or of a date as ISO 8601 writes it; None when there is none.

    ISO counts the year before 1 as 0: "-0043-01-01" is 44 BCE, here -44.
    """
    written = text(value) or ""
    if date := re.match(r"([+-]?[0-9]{4,6})-[0-9]{2}-[0-9]{2}(?![0-9])", written):
        number = int(date[1])
        return number if number > 0 else number - 1
    number_only = re.match(r"(-?[0-9]{1,5})(?:\.0*)?$", written)
    return int(number_only[1]) if number_only else None


def _tate(record: Record, maker: Record) -> dict[str, str | None]:
    if (text(record.get("contributorCount")) or "1") not in ("1", "1.0"):
        return {}  # the years are those of the first of several makers
    born = year(record.get("artistBirthYear"))
    return {"artist_bio": text(maker.get("dates")) or (f"born {born}" if born else None)}


def _cmoa(record: Record, maker: Record) -> dict[str, str | None]:
    born, died = year(record.get("creator_birth_date")), year(record.get("creator_death_date"))
    if text(record.get("creator_party_type")) == "Organization":
        born = died = None  # a firm's years are no life
    parts = [f"{word} {number}" for word, number in (("born", born), ("died", died)) if number]
    role, name = (text(record.get("creator_role")) or "").lower(), text(record.get("creator_full_name"))
    derived: dict[str, str | None] = {"artist_bio": ", ".join(parts) or None}
    if name and role in _RELATIONS:
        derived["artist"] = f"{role} {name}"
    return derived


MAPS = {
    "tate": ColumnMap(
        {
            "id": "id", "title": "title", "artist": "all_artists", "date": "dateText",
            "year_begin": "dateStartYear", "year_end": "dateEndYear", "medium": "medium",
            "classification": "classification",
        },
        _tate,
        maker="artistId",
    ),
    "cmoa": ColumnMap(
        {
            "id": "id", "title": "title", "artist": "creator_full_name", "nationality": "creator_nationality",
            "date": "creation_date", "year_begin": "creation_date_earliest",
            "year_end": "creation_date_latest", "medium": "medium", "classification": "classification",
        },
        _cmoa,
    ),
    "aic": ColumnMap(
        {"file": "file", "title": "title", "artist": "artist_raw", "date": "date", "medium": "medium"}
    ),
}  # fmt: skip
