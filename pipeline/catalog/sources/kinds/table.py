"""A table of records (CSV, Parquet or JSON lines), with or without a folder of pictures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from pipeline.catalog.location import NO_PICTURE, base_folder
from pipeline.catalog.sources.base import FIELDS, Item, SourceSpec, text
from pipeline.catalog.sources.maps import MAPS, ColumnMap, year
from pipeline.catalog.sources.registry import SOURCES
from pipeline.catalog.sources.rows import Row, Table, read_rows
from pipeline.errors import PentimentoError

_NO_IDS = frozenset(("nan", "none", "null", "n/a", "#n/a"))


@dataclass(frozen=True)
class Rejected:
    """A row that is no record, and why."""

    line: int
    kind: str  # "cells", "duplicate id", "no id"
    reason: str


@dataclass
class Reading:
    """What became of a table's rows: every one is an item or is rejected, none is lost."""

    rows: int  # in the table, the header and empty lines not counted
    items: list[Item] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    control_characters: int = 0  # taken out of the cells
    misread_characters: int = 0  # quotes and dashes of Windows-1252, put right

    @property
    def without_picture(self) -> int:
        """Items that are records alone."""
        return sum(item.problem == NO_PICTURE for item in self.items)

    @property
    def kinds(self) -> dict[str, int]:
        """Rejected rows by the kind of their fault."""
        return dict(sorted(Counter(row.kind for row in self.rejected).items()))


@SOURCES.register("table")
class TableSpec(SourceSpec):
    """`kind: table`: `location` is the table, `pictures` the folder, `columns` the map.

    `columns` is the name of a ready map (tate, cmoa, aic), or gives for each field the table's column:
    `file` (the picture, relative to `pictures`), `id`, and the catalog's fields (title, artist, date …);
    `file` or `id` is required. A `tags` cell is split at `tag_separator`. A record that names no picture
    stays, with that as its `problem`; without `pictures` all do. `encoding` is for a CSV that is not
    UTF-8; the delimiter is found. `artists` is a second table of makers, for maps that know one.
    """

    pictures: str | None = Field(default=None, min_length=1)
    columns: Literal["tate", "cmoa", "aic"] | dict[str, str]
    tag_separator: str = Field(default="|", min_length=1)
    encoding: str | None = Field(default=None, min_length=1)
    artists: str | None = Field(default=None, min_length=1)

    def items(self, root: Path) -> Iterator[Item]:
        """One item per row; a row that is no record keeps its place, with the reason as its problem."""
        reading = self.read(root)
        yield from reading.items
        for row in reading.rejected:
            key = f"{Path(self.location).name}, line {row.line}"
            yield Item(f"{self.title}:{key}", self.title, self._folder, "", problem=row.reason)

    def read(self, root: Path) -> Reading:
        """The rows of the table, told apart.

        Raises:
            PentimentoError: when the table cannot be read, or the map does not fit it.
        """
        if self.pictures is not None:
            base_folder(self.pictures, root)
        known = MAPS[self.columns] if isinstance(self.columns, str) else ColumnMap(self.columns)
        table = read_rows(base_folder(self.location, root), self.encoding, list(known.columns.values()))
        self._check_columns(known.columns, table.columns)
        makers = self._makers(known, root)
        reading = Reading(len(table.rows))
        reading.control_characters = table.control_characters
        reading.misread_characters = table.misread_characters
        first: dict[str, int] = {}
        for row in table.rows:
            self._take(row, known, makers, first, reading)
        return reading

    @property
    def _folder(self) -> str:
        return self.pictures or self.location

    def _take(
        self,
        row: Row,
        known: ColumnMap,
        makers: Mapping[str, dict[str, Any]],
        first: dict[str, int],
        reading: Reading,
    ) -> None:
        if row.fault is not None:
            reading.rejected.append(Rejected(row.line, "cells", row.fault))
            return
        record = row.cells
        path = text(record.get(known.columns["file"])) if "file" in known.columns else None
        key = (_id(record.get(known.columns["id"])) if "id" in known.columns else None) or path
        if key is None:
            reason = f"line {row.line} has no id and names no picture"
            reading.rejected.append(Rejected(row.line, "no id", reason))
            return
        if first.setdefault(key, row.line) != row.line:
            reason = f"line {row.line}: '{key}' is the id of line {first[key]}"
            reading.rejected.append(Rejected(row.line, "duplicate id", reason))
            return
        maker = makers.get(_id(record.get(known.maker)) or "", {}) if known.maker else {}
        fields = self._fields(record, known.columns) | known.derive(record, maker)
        raw = {name: value for name, value in record.items() if text(value) is not None}
        problem = NO_PICTURE if path is None or self.pictures is None else None
        reading.items.append(
            Item(f"{self.title}:{key}", self.title, self._folder, path or "", raw, fields, problem)
        )

    def _check_columns(self, columns: dict[str, str], present: list[str]) -> None:
        known = {"file", "id", *FIELDS}
        if "file" not in columns and (self.pictures is not None or "id" not in columns):
            raise PentimentoError(
                f"{self.title}: columns must name the `file` column or, without `pictures`, the `id` column; "
                f"the table has {present}"
            )
        for name, column in columns.items():
            if name not in known:
                raise PentimentoError(
                    f"{self.title}: columns maps unknown field '{name}'; known: {sorted(known)}"
                )
            if column not in present:
                raise PentimentoError(f"{self.title}: the table has no column '{column}'; it has {present}")

    def _makers(self, known: ColumnMap, root: Path) -> dict[str, dict[str, Any]]:
        """The records of makers, by id."""
        if self.artists is None:
            return {}
        if known.maker is None:
            raise PentimentoError(f"{self.title}: `artists` goes with `columns: tate`; this map has none")
        table: Table = read_rows(base_folder(self.artists, root), self.encoding, ["id"])
        if "id" not in table.columns:
            raise PentimentoError(
                f"{self.title}: the table of artists has no column 'id'; it has {table.columns}"
            )
        return {key: row.cells for row in table.rows if (key := _id(row.cells.get("id")))}

    def _fields(self, record: dict[str, Any], columns: dict[str, str]) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        for name, column in columns.items():
            value = record.get(column)
            if name in ("year_begin", "year_end"):
                fields[name] = year(value)
            elif name == "tags":
                fields[name] = [t.strip() for t in (text(value) or "").split(self.tag_separator) if t.strip()]
            elif name in FIELDS:
                fields[name] = text(value)
        return fields


def _id(value: Any) -> str | None:
    """A written id; a cell that says "NaN" has none."""
    key = text(value)
    return None if key is None or key.lower() in _NO_IDS else key
