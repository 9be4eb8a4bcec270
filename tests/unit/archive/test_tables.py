from __future__ import annotations

import csv
from pathlib import Path

import pandas as pd
import pytest

from pipeline.archive.tables import read_table, write_csv, write_table
from pipeline.errors import PentimentoError


def rows(file: Path) -> list[list[str]]:
    with file.open(encoding="utf-8", newline="") as handle:
        return list(csv.reader(handle))


@pytest.mark.parametrize(
    "cell", ["=cmd|' /C calc'!A0", "+1+cmd", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1+1"]
)
def test_what_a_spreadsheet_would_run_is_escaped(tmp_path: Path, cell: str) -> None:
    write_csv(tmp_path / "t.csv", pd.DataFrame({"=title": [cell, "plain = text"]}))
    assert rows(tmp_path / "t.csv") == [["'=title"], [f"'{cell}"], ["plain = text"]]


def test_numbers_and_gaps_stay_as_they_are(tmp_path: Path) -> None:
    table = pd.DataFrame({"a": [-44, 1], "b": [-0.5, None], "c": ["-44", "+3.1e4"], "d": ["-", None],
                          "e": pd.Categorical(["=x", "y"])})  # fmt: skip
    write_csv(tmp_path / "t.csv", table)
    assert rows(tmp_path / "t.csv")[1:] == [["-44", "-0.5", "-44", "'-", "'=x"], ["1", "", "+3.1e4", "", "y"]]


def test_cells_with_commas_quotes_and_lines_are_read_back(tmp_path: Path) -> None:
    cells = ['a, "b"', "two\nlines", "Größe", ""]
    write_csv(tmp_path / "t.csv", pd.DataFrame({"x": cells, "y": ["1"] * 4}))
    assert [row[0] for row in rows(tmp_path / "t.csv")[1:]] == cells


def test_two_columns_of_one_name_are_both_written(tmp_path: Path) -> None:
    write_csv(tmp_path / "t.csv", pd.DataFrame([["=a", 2]], columns=["x", "x"]))
    assert rows(tmp_path / "t.csv") == [["x", "x"], ["'=a", "2"]]


def test_a_failed_write_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    write_csv(tmp_path / "t.csv", pd.DataFrame({"x": [1]}))
    with pytest.raises(UnicodeError):
        write_csv(tmp_path / "t.csv", pd.DataFrame({"x": ["\udcff"]}))
    assert rows(tmp_path / "t.csv") == [["x"], ["1"]]
    assert [file.name for file in tmp_path.iterdir()] == ["t.csv"]


def test_a_damaged_table_is_named(tmp_path: Path) -> None:
    write_table(tmp_path / "t.parquet", pd.DataFrame({"x": [1]}))
    assert read_table(tmp_path / "t.parquet")["x"].tolist() == [1]
    (tmp_path / "t.parquet").write_bytes(b"no table")
    with pytest.raises(PentimentoError, match="cannot be read"):
        read_table(tmp_path / "t.parquet")
