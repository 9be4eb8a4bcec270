"""Labels normalised: what records write, as one vocabulary; nothing here is guessed."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import pandas as pd

from pipeline.catalog.dates import century, parse_years

_QUALIFIERS = (
    "painting attributed to", "attributed to", "workshop of", "studio of", "circle of", "follower of",
    "school of", "style of", "manner of", "imitator of", "copy after", "after",
)  # fmt: skip
_UNKNOWN = re.compile(r"^(unidentified|unknown|anonymous)( artist| painter| master)?\.?$", re.IGNORECASE)
# A country or region of origin, for works whose maker's nationality is not recorded.
_CULTURES = {
    "china": "Chinese", "japan": "Japanese", "korea": "Korean", "india": "Indian", "italy": "Italian",
    "france": "French", "germany": "German", "spain": "Spanish", "tibet": "Tibetan", "iran": "Iranian",
}  # fmt: skip


class Artist(NamedTuple):
    """A maker's name and how the work relates to it."""

    name: str | None
    qualifier: str | None  # 'attributed to', 'workshop of' … as normalised; None when by the artist


def normalise(catalog: pd.DataFrame) -> pd.DataFrame:
    """The label columns of a catalog: artist, artist_qualifier, school, year, period, tags.

    Each of school, year and period has `<label>_origin` ('recorded' or missing) and
    `<label>_confidence` (1.0 or missing).
    """
    rows = [_labels(row) for row in catalog.to_dict("records")]
    labels = pd.DataFrame(rows, index=catalog.index)
    labels = labels.astype({"artist": "string", "artist_qualifier": "string", "school": "string",
                            "period": "string", "year": "Int64"})  # fmt: skip
    for name in ("school", "year", "period"):
        recorded = labels[name].notna()
        labels[f"{name}_origin"] = pd.Series("recorded", index=labels.index, dtype="string").where(recorded)
        labels[f"{name}_confidence"] = recorded.astype("Float64").where(recorded)
    return labels


def parse_artist(written: str | None) -> Artist:
    """A maker as written: qualifiers split off, explanations in brackets cut, the unknown as None."""
    if not written:
        return Artist(None, None)
    name = re.sub(r"\s*\([^)]*\)", "", written).strip(" ,;")
    qualifier = next((q for q in _QUALIFIERS if name.lower().startswith(q + " ")), None)
    if qualifier:
        name = name[len(qualifier) :].strip()
        qualifier = qualifier.removeprefix("painting ")
    if not name or _UNKNOWN.match(name):
        return Artist(None, qualifier)
    return Artist(name, qualifier)


def parse_school(nationality: str | None, bio: str | None, culture: str | None) -> str | None:
    """The school of a work: its maker's nationality, else what the biography or the culture names."""
    if nationality:
        first: str = re.split(r"[,;/]| or |\?", nationality)[0].strip()
        if first:
            return first[:1].upper() + first[1:]
    known: set[str] = set(_CULTURES.values())
    for written in (bio, culture):
        for word in (str(found) for found in re.findall(r"[^\W\d_]+", written or "")):
            if word.lower() in _CULTURES:
                return _CULTURES[word.lower()]
            if word in known:
                return word
    return None


def _labels(row: dict[Any, Any]) -> dict[str, Any]:
    def get(name: str) -> Any:
        return None if pd.api.types.is_scalar(row[name]) and pd.isna(row[name]) else row[name]

    artist = parse_artist(get("artist"))
    years = parse_years(get("date"), get("year_begin"), get("year_end"))
    return {
        "artist": artist.name,
        "artist_qualifier": artist.qualifier,
        "school": parse_school(get("nationality"), get("artist_bio"), get("culture")),
        "year": years.middle if years else None,
        "period": century(years.middle) if years else None,
        "tags": sorted({tag.strip() for tag in row["tags"] if tag.strip()}),
    }
