"""Several sources through the data stages: one work with two records, conflicts, and what is gone."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from ruamel.yaml import YAML

from pipeline import paths
from pipeline.archive.fixity import tree_sha256
from pipeline.catalog.sources.disappeared import disappeared
from tests.stages.data_project import run, settle
from tests.unit.catalog.sources.iiif_server import Server

pytestmark = pytest.mark.usefixtures("quick_features")


def point(root: Path, *sources: dict[str, Any]) -> None:
    """Set the sources of the project."""
    yaml = YAML()
    params = yaml.load((root / "params.yaml").read_text())
    params["inventory"]["sources"] = list(sources)
    with (root / "params.yaml").open("w") as handle:
        yaml.dump(params, handle)


def test_a_scan_that_is_also_in_a_iiif_manifest_is_one_work_with_two_records(
    project: Path, make_archive: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    archive = make_archive(30)
    settle(project, archive)
    folder = {"kind": "folder", "location": str(archive), "labels": ["school"]}
    with Server() as server:
        service, other = server.image("scan", 0), server.image("other", 77)
        scan = (archive / "Dutch" / "work0000.png").read_bytes()
        server.put("/img/scan/full/max/0/default.jpg", scan)
        metadata = [{"label": "Artist", "value": "Frans Hals"}, {"label": "Title", "value": "A Man"}]
        top = server.manifest3("m", service, service, other, metadata=metadata)
        iiif = {"kind": "iiif", "location": top, "http": {"requests_per_second": 1000}}
        point(project, iiif, folder)
        metrics = run(project, "inventory", "ingest", "features", "clean")
        cold = tree_sha256(project / "data")
        run(project, "inventory", "ingest", "features", "clean")
    assert tree_sha256(project / "data") == cold
    assert metrics["inventory"]["works"] == 33
    assert (metrics["clean"]["works"], metrics["clean"]["merged"], metrics["clean"]["quarantined"]) == (
        31,
        1,
        1,
    )
    works = pd.read_parquet(project / paths.WORKS).set_index("id")
    work = works.loc[f"iiif:{top}/canvas/1"]
    assert (work["title"], work["artist"], work["school"]) == ("A Man", "Frans Hals", "Dutch")
    (record,) = json.loads(work["other_records"])
    assert record["id"] == "folder:Dutch/work0000.png"
    conflicts = pd.read_parquet(project / paths.CONFLICTS)
    assert conflicts[["field", "value", "other_value"]].values.tolist() == [
        ["title", '"A Man"', '"work0000"']
    ]
    quarantine = pd.read_parquet(project / paths.QUARANTINE)
    assert quarantine["reason"].tolist() == [f"the same file as iiif:{top}/canvas/1"]


def test_what_is_gone_from_a_source_is_noted_and_changes_no_output(
    project: Path, make_archive: Callable[..., Path]
) -> None:
    archive = make_archive(4)
    settle(project, archive)
    run(project, "inventory")
    (archive / "Dutch" / "work0002.png").rename(archive / "Dutch" / "renamed.png")
    (archive / "French" / "work0003.png").unlink()
    run(project, "inventory")
    warm = tree_sha256(project / "data")
    found = disappeared(project / ".state").sort_values("id")
    assert found["id"].tolist() == ["folder:Dutch/work0002.png", "folder:French/work0003.png"]
    assert found["moved_to"].fillna("").tolist() == ["folder:Dutch/renamed.png", ""]
    (project / ".state").rename(project / "elsewhere")
    run(project, "inventory")
    assert tree_sha256(project / "data") == warm


def test_a_file_that_two_works_share_is_hashed_for_both(
    project: Path, make_archive: Callable[..., Path]
) -> None:
    archive = make_archive(3)
    settle(project, archive)
    folder = {"kind": "folder", "location": str(archive)}
    point(project, folder, folder | {"name": "again"})
    run(project, "inventory")
    inventory = pd.read_parquet(project / paths.INVENTORY)
    assert inventory["sha256"].notna().all()
    assert inventory["sha256"].nunique() == 3
