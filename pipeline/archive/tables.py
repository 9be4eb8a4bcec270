"""Tables: Parquet between stages, CSV for people."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.archive.atomic import atomic_path
from pipeline.archive.versions import KEY, check_version
from pipeline.errors import PentimentoError

VERSION = 1  # of the tables' columns; a table of version 1 states none


def read_table(path: Path, columns: list[str] | None = None) -> pd.DataFrame:
    """The table in a Parquet file, or some of its columns.

    Raises:
        PentimentoError: when the file is missing or damaged, or of a version that is not known.
    """
    from pyarrow.parquet import read_schema

    try:
        stated = (read_schema(path).metadata or {}).get(KEY.encode())
        check_version(path, "table", _number(stated), VERSION, "delete it: `dvc repro` makes it again")
        return pd.read_parquet(path, columns=columns)
    except (OSError, ValueError) as error:  # what pyarrow raises is one of the two
        reason = str(error).splitlines()[0]
        raise PentimentoError(f"{path} cannot be read ({reason}); `dvc repro` makes it again") from None


def _number(stated: bytes | None) -> int | str | None:
    """A version as Parquet metadata hold it."""
    text = None if stated is None else stated.decode(errors="replace")
    return int(text) if text and text.isdecimal() else text


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Write a table as Parquet, without its index, atomically."""
    with atomic_path(path) as temporary:
        table.to_parquet(temporary, index=False)


# First characters of cells that a spreadsheet may read as a formula (OWASP, CSV Injection).
_FORMULA = re.compile(r"[=+\-@\t\r\n＝＋－＠]")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$", re.ASCII)


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """Write a table as CSV (UTF-8, comma, without its index), atomically, safe to open in a spreadsheet.

    A text that begins like a formula gets a leading apostrophe, column names too; numbers, also
    written ones ("-44"), stay as they are.
    """
    safe = pd.DataFrame(
        {
            position: column if pd.api.types.is_numeric_dtype(column) else column.astype(object).map(_safe)
            for position, (_, column) in enumerate(table.items())
        },
        index=table.index,
    )
    safe.columns = pd.Index([_safe(name) for name in table.columns], dtype=object)
    with atomic_path(path) as temporary:
        # Quote every text: a bare carriage return would end the row.
        quoting = csv.QUOTE_NONNUMERIC
        safe.to_csv(temporary, index=False, encoding="utf-8", lineterminator="\n", quoting=quoting)


def _safe(value: Any) -> Any:
    if isinstance(value, str) and _FORMULA.match(value) and not _NUMBER.match(value):
        return f"'{value}"
    return value
