"""Parquet tables that stages hand to each other."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from pipeline.archive.atomic import atomic_path
from pipeline.errors import PentimentoError


def read_table(path: Path) -> pd.DataFrame:
    """The table in a Parquet file.

    Raises:
        PentimentoError: when the file is missing or damaged.
    """
    try:
        return pd.read_parquet(path)
    except (OSError, ValueError) as error:  # what pyarrow raises is one of the two
        reason = str(error).splitlines()[0]
        raise PentimentoError(f"{path} cannot be read ({reason}); `dvc repro` makes it again") from None


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Write a table as Parquet, without its index, atomically."""
    with atomic_path(path) as temporary:
        table.to_parquet(temporary, index=False)
