"""Reads a table, and the columns on which methods are compared."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.archive.tables import read_table
from pipeline.errors import PentimentoError

_COLUMN = re.compile(r"^(?:(?P<name>[^=:]+)=)?(?P<source>[^=:]+)(?::(?P<read>[^=:]*))?$")
_YEAR = re.compile(r"(^\s*-\d{3,4}|(?<!\d)\d{3,4})(?!\d)")  # of an ISO date, too: -1350-01-01 is 1350 BCE
_READ = ("as_is", "year", "number", "name")


@dataclass(frozen=True)
class TableColumn:
    """A column of a table, its name in the comparison, and how its cells are read."""

    name: str
    source: str
    read: str  # as_is; year: the first year of a date; number; name: as text


def parse_columns(written: str) -> list[TableColumn]:
    """`birth=creator_birth_date:year, nationality` as columns.

    Raises:
        PentimentoError: when the text does not have this form.
    """
    columns = []
    for part in filter(None, (one.strip() for one in written.split(","))):
        match = _COLUMN.match(part)
        if not match or (match["read"] or "as_is") not in _READ:
            raise PentimentoError(
                f"the column '{part}' is not understood: write COLUMN, NAME=COLUMN or NAME=COLUMN:READ, "
                f"where READ is one of {', '.join(_READ[1:])}"
            )
        source = match["source"].strip()
        columns.append(TableColumn((match["name"] or source).strip(), source, match["read"] or "as_is"))
    if not columns:
        raise PentimentoError("no column is named")
    if twice := [one.name for n, one in enumerate(columns) if one.name in {c.name for c in columns[:n]}]:
        raise PentimentoError(f"two columns are called '{twice[0]}'")
    return columns


def load(file: Path) -> pd.DataFrame:
    """A table in a Parquet or CSV file (UTF-8, with or without a BOM).

    Raises:
        PentimentoError: when it is missing, damaged, empty or of another kind.
    """
    if not file.is_file():
        raise PentimentoError(f"there is no file {file}")
    if file.suffix.lower() == ".parquet":
        table = read_table(file)
    elif file.suffix.lower() in (".csv", ".tsv"):
        try:
            separator = "\t" if file.suffix.lower() == ".tsv" else ","
            table = pd.read_csv(file, sep=separator, encoding="utf-8-sig", low_memory=False)
        except (ValueError, OSError) as error:  # pandas' own errors are ValueErrors
            raise PentimentoError(f"{file} is not a table: {str(error).splitlines()[0]}") from None
    else:
        raise PentimentoError(f"{file}: a table is a .parquet, .csv or .tsv file")
    if not len(table):
        raise PentimentoError(f"{file} has no rows")
    return table


def take(table: pd.DataFrame, columns: Sequence[TableColumn]) -> pd.DataFrame:
    """The table with these columns read and renamed; all others stay as they are.

    Raises:
        PentimentoError: when a column is missing; the message lists the columns.
    """
    for one in columns:
        if one.source not in table:
            known = ", ".join(str(name) for name in table.columns)
            raise PentimentoError(f"there is no column '{one.source}'; there are: {known}")
    read = {one.name: _read(table[one.source], one.read) for one in columns}
    taken = table.drop(columns=[one.source for one in columns if one.source != one.name])
    return taken.assign(**read)


def _read(cells: pd.Series[Any], how: str) -> pd.Series[Any]:
    if how == "year":
        if pd.api.types.is_numeric_dtype(cells):
            return cells.round().astype("Int64")
        found = cells.astype("string").str.extract(_YEAR, expand=False)
        return pd.to_numeric(found).astype("Int64")
    if how == "number":
        return pd.to_numeric(cells, errors="coerce")
    if how == "name":
        return cells.astype("string")
    return cells
