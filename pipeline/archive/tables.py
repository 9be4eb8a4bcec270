"""Tables: Parquet that stages hand to each other, CSV for people."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.archive.atomic import atomic_path
from pipeline.errors import PentimentoError


def read_table(path: Path, columns: list[str] | None = None) -> pd.DataFrame:
    """The table in a Parquet file, or some of its columns.

    Raises:
        PentimentoError: when the file is missing or damaged.
    """
    try:
        return pd.read_parquet(path, columns=columns)
    except (OSError, ValueError) as error:  # what pyarrow raises is one of the two
        reason = str(error).splitlines()[0]
        raise PentimentoError(f"{path} cannot be read ({reason}); `dvc repro` makes it again") from None


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Write a table as Parquet, without its index, atomically."""
    with atomic_path(path) as temporary:
        table.to_parquet(temporary, index=False)


# How a cell begins that a spreadsheet may take for a formula (OWASP, CSV Injection), full-width signs too.
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
        # Every text in quotes: a bare carriage return would end its row and begin another.
        quoting = csv.QUOTE_NONNUMERIC
        safe.to_csv(temporary, index=False, encoding="utf-8", lineterminator="\n", quoting=quoting)


def _safe(value: Any) -> Any:
    if isinstance(value, str) and _FORMULA.match(value) and not _NUMBER.match(value):
        return f"'{value}"
    return value
