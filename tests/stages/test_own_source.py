"""A kind of source of one's own: registered from this file, reached from params.yaml and the commands."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image
from typer.testing import CliRunner

from flows.cli import app
from pipeline import __main__ as door
from pipeline import paths
from pipeline.catalog.sources import SOURCES
from pipeline.catalog.sources.base import Item, SourceSpec
from pipeline.params import read_params

PACKAGE = """
from pathlib import Path

from pipeline.catalog.sources.base import Item, SourceSpec
from pipeline.catalog.sources.registry import SOURCES


@SOURCES.register("listed")
class ListedSpec(SourceSpec):
    def items(self, root):
        for line in (Path(self.location) / "list.txt").read_text().split():
            yield Item(f"{self.title}:{line}", self.title, self.location, line, {}, {"title": line})
"""


class NumberedSpec(SourceSpec):
    """`kind: numbered`: the pictures 0.png to count - 1."""

    count: int

    def items(self, root: Path) -> Iterator[Item]:
        for number in range(self.count):
            yield Item(f"{self.title}:{number}", self.title, self.location, f"{number}.png")


@pytest.fixture
def numbered() -> Iterator[None]:
    SOURCES.register("numbered")(NumberedSpec)
    yield
    SOURCES.remove("numbered")


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    folder = tmp_path / "archive"
    folder.mkdir()
    for number in range(3):
        Image.new("RGB", (8, 8), (number * 50, 0, 0)).save(folder / f"{number}.png")
    (folder / "list.txt").write_text("0.png 2.png")
    return folder


def point(project: Path, **source: object) -> None:
    values = read_params(project / "params.yaml")
    values["inventory"]["sources"] = [source]
    (project / "params.yaml").write_text(json.dumps(values))


def inventory(monkeypatch: pytest.MonkeyPatch) -> int:
    """`python -m pipeline inventory`."""
    monkeypatch.setattr(sys, "argv", ["pipeline", "inventory"])
    return door.main()


def test_a_registered_kind_is_read_from_params_and_by_the_commands(
    project: Path, archive: Path, numbered: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    point(project, kind="numbered", location=str(archive), count=2)
    assert inventory(monkeypatch) == 0
    assert pd.read_parquet(project / paths.INVENTORY)["id"].tolist() == ["numbered:0", "numbered:1"]
    record = json.loads((project / paths.provenance("inventory")).read_text())
    assert record["params"]["sources"][0]["count"] == 2, "the keys of the kind are part of the provenance"
    checked = json.loads(CliRunner().invoke(app, ["check", "--json"]).stdout)
    assert "2 pictures" in json.dumps(checked)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ({"kind": "numbered"}, "'inventory.sources.0.location' is missing"),
        ({"kind": "numbered", "location": "x"}, "'inventory.sources.0.count' is missing"),
        (
            {"kind": "numbered", "location": "x", "count": 1, "cuont": 1},
            "unknown key 'inventory.sources.0.cuont'; did you mean 'count'?",
        ),
        (
            {"kind": "numbered", "location": "x", "count": "1"},
            "'inventory.sources.0.count' is '1': input should be",
        ),
        (
            {"kind": "numberd", "location": "x"},
            "there is no kind of source 'numberd'; did you mean 'numbered'? there are: "
            "folder, iiif, met, numbered, table",
        ),
        ({"kind": ["met"], "location": "x"}, "there is no kind of source '['met']'"),
        ({"location": "x"}, "a source has a kind: folder, iiif, met, numbered, table"),
        (
            {"kind": "iiif", "location": "x", "http": {"retrys": 3}},
            "unknown key 'inventory.sources.0.http.retrys'; did you mean 'http.retries'?",
        ),
        (
            {"kind": "iiif", "location": "x", "size": 3},
            "'inventory.sources.0.size' is 3: it must be max, or 16",
        ),
    ],
)
def test_a_wrong_source_is_named_with_what_is_right(
    project: Path,
    numbered: None,
    source: dict[str, object],
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    point(project, **source)
    assert inventory(monkeypatch) == 1
    assert words in capsys.readouterr().err


def test_a_kind_of_an_installed_package_is_found_by_a_new_process(
    project: Path, archive: Path, tmp_path: Path
) -> None:
    site = tmp_path / "site"
    about = site / "listed_source-1.0.dist-info"
    about.mkdir(parents=True)
    (site / "listed_source.py").write_text(PACKAGE)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: listed-source\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[pentimento.sources]\nlisted = listed_source\n")
    point(project, kind="listed", location=str(archive))
    environment = os.environ | {"PYTHONPATH": str(site)}
    command = [sys.executable, "-m", "pipeline", "inventory"]
    subprocess.run(command, cwd=project, env=environment, check=True, capture_output=True)
    assert pd.read_parquet(project / paths.INVENTORY)["path"].tolist() == ["0.png", "2.png"]
