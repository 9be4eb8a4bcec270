"""A table of records (CSV, Parquet or JSON lines) and a folder of pictures."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from pydantic import Field

from pipeline.catalog.sources.base import FIELDS, Item, SourceSpec, base_folder, text, whole
from pipeline.errors import PentimentoError


class TableSpec(SourceSpec):
    """`kind: table`: `location` is the table, `pictures` the folder, `columns` the map.

    `columns` gives for each field the table's column: `file` (the picture, relative to `pictures`)
    is required, `id` and the catalog's fields (title, artist, date …) are optional. A `tags` cell
    is split at `tag_separator`.
    """

    kind: Literal["table"]
    pictures: str = Field(min_length=1)
    columns: dict[str, str]
    tag_separator: str = Field(default="|", min_length=1)

    def items(self, root: Path) -> Iterator[Item]:
        """One item per row that names a picture."""
        base_folder(self.pictures, root)
        table = _read(base_folder(self.location, root))
        self._check_columns(list(table.columns))
        for record in table.to_dict("records"):
            path = text(record[self.columns["file"]])
            if path is None:
                continue
            key = (text(record[self.columns["id"]]) if "id" in self.columns else None) or path
            raw = {str(name): value for name, value in record.items() if text(value) is not None}
            yield Item(f"{self.title}:{key}", self.title, self.pictures, path, raw, self._fields(record))

    def _check_columns(self, present: list[str]) -> None:
        known = {"file", "id", *FIELDS}
        if "file" not in self.columns:
            raise PentimentoError(
                f"{self.title}: columns must name the `file` column; the table has {present}"
            )
        for field, column in self.columns.items():
            if field not in known:
                raise PentimentoError(
                    f"{self.title}: columns maps unknown field '{field}'; known: {sorted(known)}"
                )
            if column not in present:
                hint = "; it must be separated by commas" if len(present) == 1 else ""
                raise PentimentoError(
                    f"{self.title}: the table has no column '{column}'; it has {present}{hint}"
                )

    def _fields(self, record: dict[Any, Any]) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        for field, column in self.columns.items():
            value = record[column]
            if field in ("year_begin", "year_end"):
                fields[field] = whole(value)
            elif field == "tags":
                fields[field] = [
                    t.strip() for t in (text(value) or "").split(self.tag_separator) if t.strip()
                ]
            elif field in FIELDS:
                fields[field] = text(value)
        return fields


def _read(file: Path) -> pd.DataFrame:
    suffix = file.suffix.lower()
    try:
        if suffix == ".csv":
            return _read_csv(file)
        if suffix == ".parquet":
            return pd.read_parquet(file)
        if suffix in (".jsonl", ".ndjson"):
            return pd.read_json(file, lines=True, dtype=False)
    except UnicodeError:
        raise PentimentoError(f"inventory.sources: {file} is not UTF-8; save it as UTF-8") from None
    except (ValueError, OSError, csv.Error) as error:
        raise PentimentoError(f"inventory.sources: {file} cannot be read: {error}") from None
    raise PentimentoError(f"inventory.sources: {file} must be .csv, .parquet, .jsonl or .ndjson")


def _read_csv(file: Path) -> pd.DataFrame:
    """Every cell as text; a line with more cells than the header is refused, since they would shift."""
    with file.open(encoding="utf-8-sig", newline="") as handle:
        reader = csv.DictReader(handle, strict=True)
        rows = []
        for row in reader:
            if None in row:
                raise ValueError(f"line {reader.line_num} has more cells than the header")
            rows.append(row)
    return pd.DataFrame(rows, columns=list(reader.fieldnames or []), dtype=str).fillna("")
