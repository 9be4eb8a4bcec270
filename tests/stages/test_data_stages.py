"""The data stages on small archives: what is done again, and what comes out."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from pipeline import paths
from pipeline.archive.fixity import tree_sha256
from pipeline.archive.shards import Shards
from tests.conftest import painting
from tests.stages.data_project import count_calls, run, settle

pytestmark = pytest.mark.usefixtures("quick_features")


def test_one_new_image_costs_one_image(
    project: Path, make_archive: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = make_archive(500)
    settle(project, archive)
    run(project)
    Image.fromarray(painting(9999)).save(archive / "Dutch" / "new.png")
    hashed = count_calls(monkeypatch, "pipeline.stages.inventory.file_sha256")
    probed = count_calls(monkeypatch, "pipeline.catalog.reading.probe")
    decoded = count_calls(monkeypatch, "pipeline.archive.images.read_rgb")
    described = count_calls(monkeypatch, "pipeline.catalog.describing.describe")
    metrics = run(project)
    assert metrics["clean"]["works"] == 501
    for calls in (hashed, probed, decoded):
        assert [Path(call).name for call in calls] == ["new.png"]
    assert len(described) == 1


def test_no_stage_decodes_a_file_that_another_has_decoded(
    project: Path, make_archive: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    settle(project, make_archive(40))
    decoded = count_calls(monkeypatch, "pipeline.archive.images.read_rgb")
    run(project)
    assert len(decoded) == len(set(decoded)) == 40


def test_what_a_parameter_does_not_touch_is_not_done_again(
    project: Path, make_archive: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    settle(project, make_archive(60))
    run(project)
    settle(project, project.parent / "archive", prepare__seed=1, clean__seed=1)
    decoded = count_calls(monkeypatch, "pipeline.archive.images.read_rgb")
    run(project)
    assert decoded == []
    settle(project, project.parent / "archive", prepare__side=64)
    run(project)
    assert len(decoded) == 60


def test_a_pack_that_is_gone_is_filled_again(
    project: Path, make_archive: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    settle(project, make_archive(60))
    run(project)
    before = tree_sha256(project / paths.PREPARED)
    (project / ".state/packs/384.bin").unlink()
    decoded = count_calls(monkeypatch, "pipeline.archive.images.read_rgb")
    run(project, "prepare")
    assert (len(decoded), tree_sha256(project / paths.PREPARED)) == (60, before)


def test_a_warm_state_gives_the_bytes_of_a_cold_one(
    project: Path, make_archive: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    settle(project, make_archive(30))

    def outcome() -> dict[str, str]:
        run(project)
        return {name: tree_sha256(project / name) for name in ("data", "reports")}

    cold = outcome()
    decoded = count_calls(monkeypatch, "pipeline.archive.images.read_rgb")
    warm = outcome()
    assert warm == cold
    assert not decoded, "the warm run took its results from the ledger"
    monkeypatch.setenv("PENTIMENTO_STATE", str(project / "another-state"))
    monkeypatch.setenv("PENTIMENTO_WORKERS", "1")
    assert outcome() == cold
    assert len(decoded) == 30


def test_labels_split_and_weights_reach_the_index(project: Path, make_archive: Callable[..., Path]) -> None:
    settle(project, make_archive(30, ("Dutch", "Dutch", "French")), prepare__balance="oversample")
    metrics = run(project)["prepare"]
    index = Shards(project / paths.PREPARED).index
    assert metrics["schools"] == {"Dutch": 20, "French": 10}
    assert metrics["splits"] == {"train": 21, "val": 5, "test": 4} or sum(metrics["splits"].values()) == 30
    train = index[index["split"] == "train"]
    assert train.groupby("school")["repeat"].sum().nunique() == 1
    assert (index.loc[index["split"] != "train", "repeat"] == 1).all()
    classes = json.loads((project / paths.PREPARED / "classes.json").read_text())
    assert classes == {"school": ["Dutch", "French"], "tags": []}


def test_provenance_says_what_made_an_output(project: Path, make_archive: Callable[..., Path]) -> None:
    settle(project, make_archive(4))
    run(project, "inventory", "ingest")
    record = json.loads((project / paths.provenance("ingest")).read_text())
    assert record["stage"] == "ingest"
    assert record["params"] == {"max_megapixels": 500, "max_failure_ratio": 0.5, "on_violation": "warn"}
    assert record["inputs_sha256"] == {"data/inventory.parquet": tree_sha256(project / paths.INVENTORY)}
    assert record["outputs_sha256"] == {"data/catalog.parquet": tree_sha256(project / paths.CATALOG)}
    assert record["software"]["pentimento"]


def test_another_scan_joins_its_original_and_only_new_works_are_compared(
    project: Path, make_archive: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = make_archive(40)
    settle(project, archive, duplicates__distance=0)
    alone = run(project)["duplicates"]
    assert alone["groups"] == 0
    original = Image.fromarray(painting(5))
    frame = Image.new("RGB", (original.width + 6, original.height + 6), (120, 90, 20))
    frame.paste(original, (3, 3))
    frame.resize((200, 150)).save(archive / "Dutch" / "scan.jpg", quality=70)
    sketched = count_calls(monkeypatch, "pipeline.catalog.checks.sketches.sketch")
    compared = count_calls(monkeypatch, "pipeline.catalog.checks.matching.same_work")
    found = run(project)["duplicates"]
    assert (found["groups"], found["works_in_groups"], found["same"]) == (1, 2, 1)
    groups = pd.read_parquet(project / paths.GROUPS)
    doubled = groups[groups["group"].duplicated(keep=False)]
    assert set(doubled["id"]) == {"folder:Dutch/scan.jpg", "folder:French/work0005.png"}
    assert len(compared) == found["compared"] - alone["compared"]
    assert len(sketched) <= 2
