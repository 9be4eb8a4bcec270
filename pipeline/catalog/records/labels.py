"""Normalises the labels of records to one vocabulary; nothing is guessed.

Each distinct string is parsed once, however many rows hold it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pandas as pd

from pipeline.catalog.records.artists import life_years, parse_artist
from pipeline.catalog.records.dates import Date, century, parse_date
from pipeline.catalog.records.media import parse_medium
from pipeline.catalog.records.vocabulary import country_or_adjective, nationality

_NONE = re.compile(r"(?:undetermined|unknown|unidentified|anonymous|not known|n/?a|none)\b", re.IGNORECASE)


def normalise(catalog: pd.DataFrame) -> pd.DataFrame:
    """The label columns of a catalog (N rows, the columns of FIELDS; a missing column counts as empty).

    Returns:
        A table of N rows, with the same index: artist, artist_qualifier, artist_nationality,
        artist_birth, artist_death, school, year, period, date_earliest, date_latest, date_precision,
        medium_material, medium_support, tags. Years are Int64, negative before the common era; text is
        `string`; a value that no record states is missing. Each of school, year and period has
        `<label>_origin` ('recorded' or missing) and `<label>_confidence` (1.0 or missing).
    """
    artists = _parsed(catalog, "artist", parse_artist, ("name", "qualifier", "nationality", "birth", "death"))
    lives = _parsed(catalog, "artist_bio", life_years, ("birth", "death"))
    origins = _parsed(catalog, "nationality", _origins, ("known", "written"))
    places = pd.DataFrame(
        {name: _parsed(catalog, name, _place, (name,))[name] for name in ("artist_bio", "culture")}
    )
    media = _parsed(catalog, "medium", parse_medium, ("material", "support"))
    dates = _dates(catalog)
    year = _middle(dates)

    labels = pd.DataFrame(index=catalog.index)
    labels["artist"] = artists["name"]
    labels["artist_qualifier"] = artists["qualifier"]
    labels["artist_nationality"] = _first(origins["known"], artists["nationality"], places["artist_bio"])
    # Years of birth and death from the artist's text are not mixed with those from the biography.
    unsaid = artists["birth"].isna() & artists["death"].isna()
    for name in ("birth", "death"):
        labels[f"artist_{name}"] = artists[name].mask(unsaid, lives[name]).astype("Int64")
    labels["school"] = _first(
        origins["written"], artists["nationality"], places["artist_bio"], places["culture"]
    )
    labels["year"] = year
    labels["period"] = _parsed(labels, "year", lambda value: (century(int(value)),), ("period",))["period"]
    for name in ("earliest", "latest", "precision"):
        labels[f"date_{name}"] = dates[name]
    labels["medium_material"], labels["medium_support"] = media["material"], media["support"]
    labels["tags"] = pd.Series(_tags(catalog), index=catalog.index, dtype=object)
    for name in ("school", "year", "period"):
        recorded = labels[name].notna()
        labels[f"{name}_origin"] = pd.Series("recorded", index=labels.index, dtype="string").where(recorded)
        labels[f"{name}_confidence"] = recorded.astype("Float64").where(recorded)
    return labels


def parse_school(nationality: str | None, bio: str | None, culture: str | None) -> str | None:
    """The school of a work: its maker's nationality, else the one in the biography or the culture.

    A nationality that is not in the vocabulary stays as it is written.
    """
    return (_origins(nationality or "")[1] or _place(bio or "")[0]) or _place(culture or "")[0]


def _origins(written: str) -> tuple[str | None, str | None]:
    """A nationality in the vocabulary, and the same or, if it is unknown there, its first word."""
    known = nationality(written)
    if known or _NONE.match(written.strip()):
        return known, known
    first = re.split(r"[,;/]| or |\?", written)[0].strip()
    return None, (first[:1].upper() + first[1:]) or None


def _place(written: str) -> tuple[str | None]:
    return (country_or_adjective(written),)


_WHOLE = frozenset(("birth", "death", "earliest", "latest"))


def _parsed(
    catalog: pd.DataFrame, column: str, parse: Callable[[Any], Iterable[Any]], names: tuple[str, ...]
) -> pd.DataFrame:
    """The parsed values of a column, one column per name; each distinct value is parsed once."""
    if column in catalog:
        codes, values = pd.factorize(catalog[column])
    else:
        codes, values = np.full(len(catalog), -1), pd.Index([])
    parts = zip(*(parse(value) for value in values), strict=True) if len(values) else ((),) * len(names)
    return pd.DataFrame(
        {
            name: pd.array(list(part), dtype="Int64" if name in _WHOLE else "string").take(
                codes, allow_fill=True
            )
            for name, part in zip(names, parts, strict=True)
        },
        index=catalog.index,
    )


def _date(written: str) -> Date | tuple[None, None, None]:
    return parse_date(written) or (None, None, None)


def _dates(catalog: pd.DataFrame) -> pd.DataFrame:
    """Parsed dates; the record's own numbers are used if the text has no year (see `parse_date`)."""
    dates = _parsed(catalog, "date", _date, ("earliest", "latest", "precision"))
    begin, end = (_years(catalog, name) for name in ("year_begin", "year_end"))
    gaps = dates["earliest"].isna() & (begin.notna() | end.notna())
    if gaps.any():
        ordered = (begin < end).fillna(False)
        first = begin.fillna(end)
        dates.loc[gaps, "earliest"] = first[gaps]
        dates.loc[gaps, "latest"] = end.where(ordered, first)[gaps]
        dates.loc[gaps, "precision"] = pd.Series("year", index=dates.index).mask(ordered, "range")[gaps]
    return dates


def _years(catalog: pd.DataFrame, column: str) -> pd.Series[Any]:
    """A column of years; some records write 0 for a missing year."""
    if column not in catalog:
        return pd.Series(pd.NA, index=catalog.index, dtype="Int64")
    years = pd.to_numeric(catalog[column]).astype("Int64")
    return years.mask((years == 0).fillna(False))


def _middle(dates: pd.DataFrame) -> pd.Series[Any]:
    middle = (dates["earliest"] + dates["latest"]) // 2
    return middle.mask((middle == 0).fillna(False), 1)  # there is no year 0


def _first(*columns: pd.Series[Any]) -> pd.Series[Any]:
    """The first value that is not missing among several columns."""
    first, *others = columns
    for other in others:
        first = first.fillna(other)
    return first


def _tags(catalog: pd.DataFrame) -> list[list[str]]:
    if "tags" not in catalog:
        return [[] for _ in range(len(catalog))]
    return [sorted({tag.strip() for tag in tags if tag.strip()}) for tags in catalog["tags"]]
