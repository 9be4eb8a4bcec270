from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from pipeline.catalog.location import NO_PICTURE
from pipeline.catalog.records.labels import normalise
from pipeline.catalog.sources.kinds.table import Reading, TableSpec
from pipeline.catalog.sources.maps import MAPS, year
from pipeline.catalog.sources.rows import read_rows
from pipeline.errors import PentimentoError
from tests.conftest import painting


def spec(tmp_path: Path, content: str | bytes, name: str = "t.csv", **keys: Any) -> TableSpec:
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    written = {"kind": "table", "location": str(tmp_path / name), "columns": {"id": "id", "title": "title"}}
    return TableSpec.model_validate_json(json.dumps(written | keys))


def read(tmp_path: Path, content: str | bytes, name: str = "t.csv", **keys: Any) -> Reading:
    return spec(tmp_path, content, name, **keys).read(tmp_path)


def fault(tmp_path: Path, content: str | bytes, name: str = "t.csv", **keys: Any) -> str:
    with pytest.raises(PentimentoError) as failure:
        read(tmp_path, content, name, **keys)
    assert "\n" not in str(failure.value)
    return str(failure.value)


def titles(reading: Reading) -> list[str | None]:
    return [item.fields["title"] for item in reading.items]


def test_a_table_with_pictures(tmp_path: Path) -> None:
    (tmp_path / "img").mkdir()
    Image.fromarray(painting(0, 32, 32)).save(tmp_path / "img" / "a.png")
    columns = {"id": "nr", "file": "img", "artist": "by", "year_begin": "born", "tags": "terms"}
    content = "\ufeffnr,img,by,born,terms\n1,a.png,Hals,1600,Men| Dogs \n2,,Nobody,,\n"
    found = spec(tmp_path, content, pictures=str(tmp_path / "img"), columns=columns)
    first, second = found.items(tmp_path)
    assert (first.id, first.path, first.problem) == ("table:1", "a.png", None)
    assert first.fields == {"artist": "Hals", "year_begin": 1600, "tags": ["Men", "Dogs"]}
    assert (second.id, second.path, second.problem) == ("table:2", "", NO_PICTURE), "it is kept, not lost"


def test_a_table_without_pictures_gives_records(tmp_path: Path) -> None:
    reading = read(tmp_path, "id,title\n1,A\n2,B\n")
    assert [(item.id, item.problem) for item in reading.items] == [
        ("table:1", NO_PICTURE),
        ("table:2", NO_PICTURE),
    ]
    assert (reading.rows, reading.without_picture, reading.rejected) == (2, 2, [])


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiters_are_found(tmp_path: Path, delimiter: str) -> None:
    content = f'id{delimiter}title{delimiter}note\n1{delimiter}"A, B; C"{delimiter}x\n'
    assert titles(read(tmp_path, content)) == ["A, B; C"]


def test_the_map_decides_where_the_header_could_be_cut_in_two_ways(tmp_path: Path) -> None:
    assert titles(read(tmp_path, "id;title;a,b,c,d,e\n1;A;x\n")) == ["A"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_encodings_that_say_what_they_are(tmp_path: Path, encoding: str) -> None:
    assert titles(read(tmp_path, "id,title\n1,Große Kähne\n".encode(encoding))) == ["Große Kähne"]


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1", "utf-16-le"])
def test_encodings_that_must_be_declared(tmp_path: Path, encoding: str) -> None:
    content = "id,title\n1,é\n".encode(encoding)
    assert titles(read(tmp_path, content, encoding=encoding)) == ["é"]
    if encoding != "utf-16-le":
        assert "line 2" in fault(tmp_path, content)
        assert "`encoding: cp1252`" in fault(tmp_path, content)


def test_a_wrong_encoding_is_named(tmp_path: Path) -> None:
    assert "no encoding 'klingon'" in fault(tmp_path, b"id,title\n1,a\n", encoding="klingon")
    assert "no encoding 'zlib'" in fault(tmp_path, b"id,title\n1,a\n", encoding="zlib")
    assert "is not ascii" in fault(tmp_path, "id,title\n1,é\n".encode(), encoding="ascii")


def test_rows_of_another_length_are_quarantined_with_their_line(tmp_path: Path) -> None:
    reading = read(tmp_path, 'id,title\n1,A\n2,B,extra\n\n3\n4,"two\nlines"\n5,E\n6,"x"y\n7,G\n')
    assert titles(reading) == ["A", "two lines", "E", "G"]
    assert [row.line for row in reading.rejected] == [3, 5, 9]
    assert reading.rejected[0].reason == "line 3 has 3 cells, the header has 2"
    assert reading.rejected[1].reason == "line 5 has 1 cells, the header has 2"
    assert reading.kinds == {"cells": 3}
    assert reading.rows == 7 == len(reading.items) + len(reading.rejected)


def test_what_is_quarantined_is_an_item_with_its_problem(tmp_path: Path) -> None:
    found = list(spec(tmp_path, "id,title\n1,A\n2\n1,B\n").items(tmp_path))
    assert [(item.id, item.problem) for item in found] == [
        ("table:1", NO_PICTURE),
        ("table:t.csv, line 3", "line 3 has 1 cells, the header has 2"),
        ("table:t.csv, line 4", "line 4: '1' is the id of line 2"),
    ]


def test_ids_that_are_none(tmp_path: Path) -> None:
    reading = read(tmp_path, "id,title\nNaN,A\n,B\n nan ,C\n12,D\n")
    assert titles(reading) == ["D"]
    assert reading.kinds == {"no id": 3}
    assert reading.rejected[0].reason == "line 2 has no id and names no picture"


def test_an_empty_id_cell_falls_back_to_the_file(tmp_path: Path) -> None:
    reading = read(
        tmp_path, "id,file\n,a.png\n7,b.png\n", pictures=str(tmp_path), columns={"id": "id", "file": "file"}
    )
    assert [item.id for item in reading.items] == ["table:a.png", "table:7"]


def test_ids_are_whole_numbers_in_every_format(tmp_path: Path) -> None:
    table = pd.DataFrame({"id": [1.0, None, 3.0], "title": ["A", "B", None]})
    table.to_parquet(tmp_path / "t.parquet")
    table.to_json(tmp_path / "t.jsonl", orient="records", lines=True)
    for name in ("t.parquet", "t.jsonl"):
        reading = read(tmp_path, (tmp_path / name).read_bytes(), name)
        assert [item.id for item in reading.items] == ["table:1", "table:3"]
        assert titles(reading) == ["A", None]
        assert reading.kinds == {"no id": 1}


def test_lines_that_are_no_json_are_quarantined(tmp_path: Path) -> None:
    deep = "[" * 100_000
    reading = read(tmp_path, f'{{"id": 1, "title": "A"}}\n{{"id": 2\n\n[3]\n{deep}\n{{"id": 4}}\n', "t.jsonl")
    assert titles(reading) == ["A", None]
    assert [row.line for row in reading.rejected] == [2, 4, 5]
    assert "line 4 is no JSON object" in reading.rejected[1].reason


def test_long_titles_are_kept_and_control_characters_taken_out(tmp_path: Path) -> None:
    long = "Ä" * 10_000
    reading = read(tmp_path, f"id,title\n1,{long}\n2,A\x00B\x1b\n3,\x07\n")
    assert titles(reading) == [long, "AB", None]
    assert reading.control_characters == 3
    assert "title" not in reading.items[2].record
    whole = read(tmp_path, json.dumps({"id": 1, "title": "A\x00B"}), "t.jsonl")
    assert (titles(whole), whole.control_characters) == (["AB"], 1)


def test_quotes_of_windows_1252_that_were_misread_are_put_right(tmp_path: Path) -> None:
    reading = read(tmp_path, "id,title\n1,Charles \x91Teenie\x92 Harris\x81\n")
    assert titles(reading) == ["Charles ‘Teenie’ Harris"]
    assert (reading.misread_characters, reading.control_characters) == (2, 1)
    declared = read(tmp_path, b"id,title\n1,\x93Gate\x94\n", encoding="latin-1")
    assert titles(declared) == ["“Gate”"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"\xef\xbb\xbf \n", "is empty"),
        (b"id,title\n", "has columns ['id', 'title'] but no row"),
        (b'id,title\n1,"a\n2,b\n', "a quote opened on line 2 is never closed"),
        (b"nr,title\n1,a\n", "no column 'id'; it has ['nr', 'title']"),
        (b'"id\n', "its first line names no columns"),
    ],
)
def test_tables_that_stop_the_run(tmp_path: Path, content: bytes, words: str) -> None:
    assert words in fault(tmp_path, content)


def test_other_faults_are_named(tmp_path: Path) -> None:
    content = "id,title\n1,a\n"
    assert "must be .csv" in fault(tmp_path, content, "t.xlsx")
    assert "cannot be read" in fault(tmp_path, content, "t.parquet")
    assert "unknown field 'titel'" in fault(tmp_path, content, columns={"id": "id", "titel": "title"})
    assert "must name the `file` column" in fault(tmp_path, content, columns={"title": "title"})
    assert "must name the `file` column" in fault(tmp_path, content, pictures=str(tmp_path))
    assert "does not exist" in fault(tmp_path, content, pictures=str(tmp_path / "nowhere"))
    assert "goes with `columns: tate`" in fault(tmp_path, content, artists=str(tmp_path / "t.csv"))


def test_columns_of_one_name_are_told_apart(tmp_path: Path) -> None:
    (item,) = read(tmp_path, "id,title,note,note,\n1,A,x,y,z\n").items
    assert item.record == {"id": "1", "title": "A", "note": "x", "note (2)": "y", "column 5": "z"}


TATE = (
    "id,all_artists,artistId,artistBirthYear,contributorCount,dateText,dateStartYear,dateEndYear,title,medium,"
    "classification\n"
    '1,"after Joseph Mallord William Turner",558,1775,1,"c.1830–2",1830,1832,Lake,Graphite on paper,drawing\n'
    '2,"John Constable, David Lucas",108,1776,2,date not known,1814,1825,Mill,Mezzotint on paper,print\n'
    "3,Unheard Of,9,,1,no date,no date,,Nothing,,\n"
)


def test_tates_map(tmp_path: Path) -> None:
    (tmp_path / "artists.csv").write_text("id,name,dates\n558,x,1775–1851\n", encoding="utf-8-sig")
    for artists, death in ((None, None), (str(tmp_path / "artists.csv"), 1851)):
        reading = read(tmp_path, TATE, columns="tate", artists=artists)
        assert reading.rows == len(reading.items) == 3
        labels = normalise(pd.DataFrame([item.fields for item in reading.items]).assign(tags=[[], [], []]))
        turner, both, none = labels.to_dict("records")
        assert turner["artist"] == "Joseph Mallord William Turner"
        assert turner["artist_qualifier"] == "after"
        assert turner["artist_birth"] == 1775
        assert (turner["artist_death"] == death) if death else pd.isna(turner["artist_death"])
        assert (turner["date_earliest"], turner["date_latest"]) == (1830, 1832)
        assert both["artist"] == "John Constable; David Lucas"
        assert pd.isna(both["artist_birth"]), "1776 is one maker's of two"
        assert (both["date_earliest"], both["date_latest"], both["date_precision"]) == (1814, 1825, "range")
        assert pd.isna(none["year"])


CMOA = (
    "id,title,creation_date,creation_date_earliest,creation_date_latest,medium,classification,"
    "creator_full_name,creator_role,creator_nationality,creator_birth_date,creator_death_date,"
    "creator_party_type\n"
    "cmoa:1,Vase,c. 3000 BCE-2000 BCE,-2999-01-01,-1999-01-01,terracotta,x,unknown Chinese,,Chinese,,,P\n"
    "cmoa:2,Print,,1896-01-01,1896-12-31,etching,x,John Hancock,possibly by,English,1757-01-01,1847-01-01,P\n"
    "cmoa:3,Chair,1960,1960-01-01,1960-01-01,steel,x,Arne Jacobsen,designer,Danish,1902-02-11,,P\n"
    "cmoa:4,Cup,1790,,,porcelain,x,Leeds Pottery,,English,1760-01-01,1881-01-01,Organization\n"
)


def test_carnegies_map(tmp_path: Path) -> None:
    reading = read(tmp_path, CMOA, columns="cmoa")
    fields = [item.fields for item in reading.items]
    numbers = [(f["year_begin"], f["year_end"]) for f in fields]
    assert numbers == [(-3000, -2000), (1896, 1896), (1960, 1960), (None, None)]
    labels = normalise(pd.DataFrame(fields))
    assert labels["artist"].tolist() == [pd.NA, "John Hancock", "Arne Jacobsen", "Leeds Pottery"]
    assert labels["artist_qualifier"].tolist() == [pd.NA, "possibly by", pd.NA, pd.NA]
    assert labels["artist_birth"].tolist() == [pd.NA, 1757, 1902, pd.NA], "a firm is not born"
    assert labels["artist_death"].tolist() == [pd.NA, 1847, pd.NA, pd.NA]
    assert labels["school"].tolist() == ["Chinese", "English", "Danish", "English"]
    assert labels["date_earliest"].tolist() == [-3000, 1896, 1960, 1790]


def test_chicagos_map(tmp_path: Path) -> None:
    content = (
        "file,artist_raw,title,date,medium\n"
        'a.png,"Claude Monet (French, 1840–1926)",Haystack,1890/91,Oil on canvas\n'
    )
    (item,) = read(tmp_path, content, columns="aic", pictures=str(tmp_path)).items
    assert (item.id, item.path, item.problem) == ("table:a.png", "a.png", None)
    (labels,) = normalise(pd.DataFrame([item.fields])).to_dict("records")
    assert (labels["artist"], labels["school"], labels["year"]) == ("Claude Monet", "French", 1890)


@pytest.mark.parametrize(
    ("written", "number"),
    [("1966-01-01", 1966), ("0899-12-28", 899), ("-0043-01-01", -44), ("0000-06-01", -1), ("1971", 1971),
     (1971.0, 1971), ("1971.0", 1971), ("-30", -30), ("no date", None), ("", None), (None, None),
     ("19/71", None)],
)  # fmt: skip
def test_years_of_numbers_and_iso_dates(written: Any, number: int | None) -> None:
    assert year(written) == number


def test_every_ready_map_names_an_id_or_a_file() -> None:
    assert all({"id", "file"} & set(ready.columns) for ready in MAPS.values())


PIECES = (
    b"id", b",", b"title", b"\n", b"\r", b'"', b";", b"\t", b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"1", b"a",
    b"\xe9", b"{", b"}", b'{"id": 1}', b"[", b"\xed\xa0\x80", b"\xc2\x85", b"id,title\n", b"1,a\n",
)  # fmt: skip
CONTENT = st.one_of(st.binary(max_size=200), st.lists(st.sampled_from(PIECES), max_size=30).map(b"".join))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, derandomize=True)
@given(content=CONTENT, name=st.sampled_from(["t.csv", "t.jsonl", "t.parquet"]))
def test_no_bytes_crash_the_reader_and_no_row_is_lost(tmp_path: Path, content: bytes, name: str) -> None:
    (tmp_path / name).write_bytes(content)
    try:
        reading = read(tmp_path, content, name)
    except PentimentoError:
        return
    assert reading.rows == len(reading.items) + len(reading.rejected)
    assert len({item.id for item in reading.items}) == len(reading.items)
    assert reading.rows == len(read_rows(tmp_path / name, expected=["id", "title"]).rows)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, derandomize=True)
@given(cells=st.lists(st.text(st.characters(exclude_categories=["Cc", "Cs"])), min_size=1, max_size=6))
def test_any_cells_written_as_csv_are_read_back(tmp_path: Path, cells: list[str]) -> None:
    table = pd.DataFrame({"id": range(len(cells)), "title": cells})
    table.to_csv(tmp_path / "t.csv", index=False, quoting=1)
    found = read_rows(tmp_path / "t.csv", expected=["id", "title"])
    assert [row.cells["title"] for row in found.rows] == cells
