"""The rows of a table file, one by one, each with its line and, where it is bad, the reason.

CSV is read as RFC 4180 has it, separated by a comma, semicolon, tab or bar; JSON lines and Parquet too. A
bad row never stops the reading; what makes all rows unreadable does.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import PentimentoError

DELIMITERS = (",", ";", "\t", "|")
MAX_CELL = 1 << 24  # characters
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")  # all but tab and line ends
# Windows-1252 that was once read as Latin-1 leaves its quotes and dashes among the control characters
# U+0080 to U+009F; they mean what WHATWG's Encoding Standard has them mean.
_MISREAD = {chr(code): bytes([code]).decode("cp1252", "ignore") for code in range(0x80, 0xA0)}
# The longer marks first, since one of UTF-32 begins with one of UTF-16.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"),
)  # fmt: skip


@dataclass(frozen=True)
class Row:
    """One row: its cells by column, or why there are none."""

    line: int  # where the row begins, from 1; in a Parquet file the number of the row
    cells: dict[str, Any]
    fault: str | None = None


@dataclass
class Table:
    """The columns of a table, its rows in their order, and what was taken out of them."""

    columns: list[str]
    rows: list[Row]
    control_characters: int = 0  # taken out
    misread_characters: int = 0  # quotes and dashes of Windows-1252, put right


def read_rows(file: Path, encoding: str | None = None, expected: Sequence[str] = ()) -> Table:
    """All rows of a .csv, .tsv, .txt, .jsonl, .ndjson or .parquet file.

    Control characters are taken out of the cells and counted, and so are quotes of Windows-1252 that
    were misread as such, which are put right. `encoding` is needed for a CSV that is
    neither UTF-8 nor begins with a byte order mark. Of the delimiters the one is taken by which the
    header has most of the `expected` columns, then most columns.

    Raises:
        PentimentoError: when the file cannot be read, is empty, has no rows, is in another encoding than
            is declared, or when a quote is never closed.
    """
    suffix = file.suffix.lower()
    try:
        if suffix == ".parquet":
            table = _parquet(file)
        elif suffix in (".csv", ".tsv", ".txt"):
            table = _csv(_decoded(file, encoding), file, expected)
        elif suffix in (".jsonl", ".ndjson"):
            table = _json_lines(_decoded(file, encoding))
        else:
            raise PentimentoError(
                f"inventory.sources: {file} must be .csv, .tsv, .txt, .parquet, .jsonl or .ndjson"
            )
    except OSError as error:
        reason = error.strerror or str(error).splitlines()[0]
        raise PentimentoError(f"inventory.sources: {file} cannot be read: {reason}") from None
    if not table.rows:
        raise PentimentoError(f"inventory.sources: {file} has columns {table.columns} but no row")
    return table


def _decoded(file: Path, encoding: str | None) -> str:
    content = file.read_bytes()
    marked = next((name for mark, name in _MARKS if content.startswith(mark)), None)
    try:
        text = content.decode(marked or encoding or "utf-8")
    except LookupError:
        raise PentimentoError(
            f"inventory.sources: {file}: there is no encoding '{encoding}'; try cp1252, latin-1 or utf-16"
        ) from None
    except UnicodeError as error:
        name = marked or encoding or "UTF-8"
        start = getattr(error, "start", 0)
        line = content.count(b"\n", 0, start) + 1
        raise PentimentoError(
            f"inventory.sources: {file} is not {name} (line {line}); save it as UTF-8, or say what it is "
            "with `encoding:`, as in `encoding: cp1252`"
        ) from None
    if not text.strip():
        raise PentimentoError(f"inventory.sources: {file} is empty")
    return text


def _csv(text: str, file: Path, expected: Sequence[str]) -> Table:
    text, removed, misread = _cleaned(text)
    delimiter, columns = _sniffed(text, file, expected)
    rows: list[Row] = []
    limit = csv.field_size_limit(MAX_CELL)
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        next(reader)
        for row in _csv_rows(reader, columns, file):
            rows.append(row)
    finally:
        csv.field_size_limit(limit)
    return Table(columns, rows, removed, misread)


def _csv_rows(reader: Any, columns: list[str], file: Path) -> Iterator[Row]:
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            if "unexpected end" in str(error):
                raise PentimentoError(
                    f"inventory.sources: {file} cannot be read: a quote opened on line {line} is never closed"
                ) from None
            yield Row(line, {}, f"line {line} cannot be read: {error}")
            continue
        if not cells:
            continue  # an empty line
        if len(cells) != len(columns):
            yield Row(line, {}, f"line {line} has {len(cells)} cells, the header has {len(columns)}")
        else:
            yield Row(line, dict(zip(columns, cells, strict=True)))


def _sniffed(text: str, file: Path, expected: Sequence[str]) -> tuple[str, list[str]]:
    """The delimiter, and the columns that the header names by it."""
    best: tuple[tuple[int, int], str, list[str]] | None = None
    for delimiter in DELIMITERS:
        try:
            header = next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
        except (csv.Error, StopIteration):
            continue
        columns = _named([name.strip() for name in header])
        score = (len(set(expected) & set(columns)), len(columns))
        if columns and (best is None or score > best[0]):
            best = score, delimiter, columns
    if best is None:
        raise PentimentoError(f"inventory.sources: {file} cannot be read: its first line names no columns")
    return best[1], best[2]


def _named(header: list[str]) -> list[str]:
    """Columns with a name of their own each: a second "notes" is "notes (2)"."""
    names: list[str] = []
    for position, name in enumerate(header, 1):
        unique, number = name or f"column {position}", 1
        while unique in names:
            number += 1
            unique = f"{name} ({number})"
        names.append(unique)
    return names


def _json_lines(text: str) -> Table:
    rows: list[Row] = []
    columns: dict[str, None] = {}
    for line, written in enumerate(text.split("\n"), 1):
        if not written.strip():
            continue
        try:
            record = json.loads(written)
        except (ValueError, RecursionError) as error:
            rows.append(Row(line, {}, f"line {line} is no JSON: {str(error).splitlines()[0]}"))
            continue
        if isinstance(record, dict):
            columns |= dict.fromkeys(record)
            rows.append(Row(line, record))
        else:
            rows.append(Row(line, {}, f"line {line} is no JSON object"))
    return _stripped(Table(list(columns), rows))


def _parquet(file: Path) -> Table:
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.read_table(file)
    except (ValueError, NotImplementedError) as error:  # what pyarrow raises of a damaged file is the first
        reason = str(error).splitlines()[0]
        raise PentimentoError(f"inventory.sources: {file} cannot be read: {reason}") from None
    columns = _named([str(name) for name in table.column_names])
    cells = zip(*(column.to_pylist() for column in table.columns), strict=True)
    rows = [Row(line, dict(zip(columns, values, strict=True))) for line, values in enumerate(cells, 1)]
    return _stripped(Table(columns, rows))


def _stripped(table: Table) -> Table:
    """The table without control characters in its texts, which are counted."""
    for row in table.rows:
        for name, value in row.cells.items():
            if isinstance(value, str) and _CONTROL.search(value):
                row.cells[name], removed, misread = _cleaned(value)
                table.control_characters += removed
                table.misread_characters += misread
    return table


def _cleaned(text: str) -> tuple[str, int, int]:
    """A text without control characters, how many were taken out, and how many were put right."""
    found = _CONTROL.findall(text)
    misread = sum(bool(_MISREAD.get(character)) for character in found)
    clean = _CONTROL.sub(lambda match: _MISREAD.get(match[0], ""), text) if found else text
    return clean, len(found) - misread, misread
