"""The data report of a hostile archive: nothing in it can spoil the page, and nothing is hidden."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from ruamel.yaml import YAML

from pipeline import paths
from pipeline.archive.atomic import write_json
from pipeline.archive.fixity import file_sha256
from pipeline.archive.images import probe
from pipeline.archive.tables import write_table
from pipeline.catalog.checks.faults import not_judged
from pipeline.catalog.sets import balance
from pipeline.errors import ItemError
from pipeline.stage import run_stage
from pipeline.stages.data_report import CHECKED, STAGE
from tests.conftest import painting
from tests.stages.data_project import bad_archive

EVIL = "<script>alert(1)</script>"


@pytest.fixture
def reported(project: Path, tmp_path: Path, make_archive: Callable[..., Path]) -> Callable[..., str]:
    """Runs the stage on tables of a hostile archive, written by hand; the page, with spaces joined."""
    archive = make_archive(6)
    bad = bad_archive(archive / "bad")
    twin = Image.fromarray(painting(0)).resize((100, 75))
    twin.save(archive / "Dutch" / "near.webp")
    # Neither of these may reach a decoder whole: one is no file at all, one lies outside.
    rows = [_row(archive, file) for file in sorted(archive.rglob("*.*")) if file.name.isprintable()]
    rows += [_row(archive, archive / "gone.png"), _row(archive, archive / ".." / "outside.png")]
    inventory = pd.DataFrame(rows)
    names = inventory["path"].map(lambda path: Path(path).name)
    aside = names.isin([*bad, "gone.png", "outside.png"])
    inventory.loc[names == "gone.png", ["path", "sha256"]] = None  # a record that names no picture
    quarantine = inventory.loc[aside, ["id", "source", "location", "path", "sha256"]]
    quarantine["reason"] = [f"{bad.get(name, 'is not there')} {EVIL}" for name in names[aside]]
    works = inventory[~aside].reset_index(drop=True)
    works["group"] = range(len(works))
    works.loc[works["path"].isin(["Dutch/near.webp", "Dutch/work0000.png"]), "group"] = 0
    works = works.assign(
        title=EVIL, artist="A" * 10_000, year=pd.array([1650] * len(works), "Int64"), year_origin="nearest",
        year_confidence=0.5, school="Dutch", school_origin="recorded", school_confidence=1.0,
    )  # fmt: skip
    index = works[["id", "school", "school_origin", "group"]].assign(split="train", repeat=1, weight=1.0)
    suspects = works[["id"]].assign(given="Dutch", suggested=EVIL, score=0.9)
    (project / paths.PREPARED).mkdir(parents=True)
    for path, table in {
        paths.INVENTORY: inventory, paths.CATALOG: inventory, paths.WORKS: works.drop(columns="group"),
        paths.GROUPS: works[["id", "group"]],
        paths.QUARANTINE: quarantine, paths.PREPARED / "index.parquet": index,
        Path("data/suspects.parquet"): suspects,
    }.items():  # fmt: skip
        write_table(project / path, table)
    balance.Balancing("smote", 0).record(project / paths.PREPARED)
    for stage in CHECKED:
        write_json(project / paths.metrics(stage), {"broken_rules": {f"{stage} {EVIL}": 2}})

    def report(pictures: int = 50, judged: bool = True) -> str:
        _settle(project, {"title": EVIL, "pictures": pictures, "picture_side": 64})
        if not judged:
            none = not_judged(["Dutch", "French"]).assign(id=["folder:a", "folder:b"])
            write_table(project / paths.SUSPECTS, none)
        run_stage(STAGE, project)
        page = (project / STAGE.outputs["report"]).read_text()
        return re.sub(r"\s+", " ", page)

    return report


def _row(archive: Path, file: Path) -> dict[str, Any]:
    row: dict[str, Any] = {
        "id": f"folder:{file.name}", "source": "folder", "location": str(archive), "size": 1,
        "path": file.relative_to(archive).as_posix(), "sha256": "0" * 64, "problem": None,
        "format": None, "mode": None, "bit_depth": None, "width": None, "height": None,
    }  # fmt: skip
    if file.exists():
        row["sha256"] = file_sha256(file)
        try:
            info = probe(file).as_row()
        except ItemError as error:
            return row | {"problem": str(error)}
        row |= {name: info[name] for name in ("format", "mode", "bit_depth", "width", "height")}
    return row


def _settle(project: Path, section: dict[str, Any]) -> None:
    """The stage's section of params.yaml, and of dvc.yaml the least that names its code."""
    yaml = YAML()
    for name, change in (
        ("params.yaml", lambda file: file.update({STAGE.name: section})),
        ("dvc.yaml", lambda file: file["stages"].setdefault(STAGE.name, {"deps": ["pipeline/stages"]})),
    ):
        content = yaml.load((project / name).read_text())
        change(content)
        with (project / name).open("w") as handle:
            yaml.dump(content, handle)


def test_nothing_in_a_hostile_archive_spoils_the_page(reported: Callable[..., str]) -> None:
    page = reported()
    assert "<script" not in page
    assert "A" * 200 not in page
    assert "1 unaccounted for" not in page
    for words in ("no picture", "declares 100000 x 100000 pixels", "is not there", "broken rule",
                  "(by nearest)", "near.webp", "folder:gone.png", "Suspect labels"):  # fmt: skip
        assert words in page, words
    assert page.count("<img") >= 2 + 6 + 1  # the two of a group, the suspects, the twin and the small one


def test_no_more_pictures_than_asked_for_and_the_rest_is_told(reported: Callable[..., str]) -> None:
    page = reported(pictures=3)
    assert page.count('<figure class="card">') <= 9
    assert "more works in quarantine are not shown" in page
    assert "more suspects are not shown" in page
    assert reported(pictures=0).count('<figure class="card">') == 0


def test_the_same_data_give_the_same_page_from_a_warm_and_a_cold_state(
    reported: Callable[..., str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    first = reported()
    assert reported() == first
    monkeypatch.setenv("PENTIMENTO_STATE", str(tmp_path / "elsewhere"))
    assert reported() == first


def test_without_judged_labels_the_page_says_so(reported: Callable[..., str]) -> None:
    assert "No labels were judged" in reported(judged=False)


def test_no_picture_of_a_bomb_is_decoded(
    reported: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []

    def spy(file: Path, side: int) -> np.ndarray:
        opened.append(file.name)
        return painting(0)

    monkeypatch.setattr("pipeline.stages.data_report.read_rgb", spy)
    reported()
    assert "bomb.png" not in opened
    assert "outside.png" not in opened
    assert "near.webp" in opened
