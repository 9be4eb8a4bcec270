"""The data stages on small archives: what is quarantined, what is done again, and what comes out."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from ruamel.yaml import YAML

from pipeline import paths, stages
from pipeline.archive.fixity import tree_sha256
from pipeline.archive.shards import Shards
from pipeline.errors import PentimentoError
from pipeline.stage import run_stage
from tests.conftest import painting

DATA_STAGES = ("inventory", "ingest", "features", "clean", "duplicates", "prepare")


@pytest.fixture(autouse=True)
def quick_features(monkeypatch: pytest.MonkeyPatch) -> None:
    """Features that cost nothing; what the network makes of pictures is tested elsewhere."""

    def describe(pictures: Any) -> np.ndarray:
        rows = [
            np.random.default_rng(picture.ravel()[:64].tolist()).normal(size=1280) for picture in pictures
        ]
        return np.array([row / np.linalg.norm(row) for row in rows], np.float32)

    monkeypatch.setattr("pipeline.catalog.features.describe", describe)


def settle(root: Path, archive: Path, **changes: Any) -> None:
    """Point the project at an archive; changes are given as section__key=value."""
    yaml = YAML()
    params = yaml.load((root / "params.yaml").read_text())
    params["inventory"]["sources"] = [{"kind": "folder", "location": str(archive), "labels": ["school"]}]
    params["clean"]["min_side"] = 16
    for name, value in changes.items():
        section, key = name.split("__")
        params[section][key] = value
    with (root / "params.yaml").open("w") as handle:
        yaml.dump(params, handle)


def run(root: Path, *names: str) -> dict[str, Any]:
    return {name: run_stage(stages.load(name), root) for name in names or DATA_STAGES}


def count_calls(monkeypatch: pytest.MonkeyPatch, target: str) -> list[Any]:
    module, name = target.rsplit(".", 1)
    import importlib

    original = getattr(importlib.import_module(module), name)
    calls: list[Any] = []

    def counted(*arguments: Any, **options: Any) -> Any:
        calls.append(arguments[0])
        return original(*arguments, **options)

    monkeypatch.setattr(target, counted)
    return calls


def png_header(width: int, height: int) -> bytes:
    """A PNG that declares a size and holds one pixel's worth of data."""
    import struct
    import zlib

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0"))
        + chunk(b"IEND", b"")
    )


def bad_archive(folder: Path) -> dict[str, str]:
    """Write an archive of good and bad files; the bad ones with a word of the reason expected."""
    good = Image.fromarray(painting(0))
    folder.mkdir(parents=True)
    buffer = io.BytesIO()
    good.save(buffer, "JPEG")
    whole = buffer.getvalue()
    (folder / "good.jpg").write_bytes(whole)
    (folder / "twin.jpg").write_bytes(whole)
    (folder / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "empty.png").write_bytes(b"")
    (folder / "text.tif").write_text("no picture")
    (folder / "bomb.png").write_bytes(png_header(100_000, 100_000))
    Image.fromarray(painting(1, 8, 200)).save(folder / "small.png")
    Image.fromarray(painting(2)).save(folder / "mislabelled.jpg", format="PNG")
    Image.fromarray(painting(3)).convert("CMYK").save(folder / "cmyk.jpg")
    Image.fromarray(painting(4)).convert("P").save(folder / "palette.png")
    Image.fromarray(painting(5)[..., 0].astype(np.uint16) * 257).save(folder / "deep.tif")
    frames = [Image.fromarray(painting(n)) for n in (6, 7)]
    frames[0].save(folder / "animated.gif", save_all=True, append_images=frames[1:])
    (folder / os.fsdecode(b"bytes\xff.png")).write_bytes(whole)
    return {
        "bytes\\udcff.png": "no printable UTF-8",
        "twin.jpg": "the same file as folder:good.jpg",
        "cut.jpg": "cannot be decoded",
        "empty.png": "is empty",
        "text.tif": "is not a readable image",
        "bomb.png": "declares 100000 x 100000 pixels",
        "small.png": "has only 200 x 8 pixels",
    }


def test_bad_files_are_quarantined_with_their_reason_and_the_others_go_on(
    project: Path, tmp_path: Path
) -> None:
    expected = bad_archive(tmp_path / "archive")
    before = tree_sha256(tmp_path / "archive")
    settle(project, tmp_path / "archive", clean__max_failure_ratio=0.6, ingest__max_failure_ratio=0.6)
    run(project, "inventory", "ingest", "features", "clean")
    quarantine = pd.read_parquet(project / paths.QUARANTINE).set_index("path")["reason"]
    assert set(quarantine.index) == set(expected)
    for path, words in expected.items():
        assert words in quarantine[path]
    works = pd.read_parquet(project / paths.WORKS)
    assert set(works["path"]) == {
        "good.jpg", "mislabelled.jpg", "cmyk.jpg", "palette.png", "deep.tif", "animated.gif"}  # fmt: skip
    assert tree_sha256(tmp_path / "archive") == before


def test_too_many_bad_files_stop_the_run_with_the_commonest_reason(project: Path, tmp_path: Path) -> None:
    bad_archive(tmp_path / "archive")
    settle(project, tmp_path / "archive", clean__max_failure_ratio=0.1, ingest__max_failure_ratio=0.9)
    run(project, "inventory", "ingest", "features")
    with pytest.raises(PentimentoError, match=r"clean: 7 of 13 works would be quarantined.*commonest reason"):
        run(project, "clean")
    assert not (project / paths.WORKS).exists()


def test_one_new_image_costs_one_image(
    project: Path, make_archive: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = make_archive(500)
    settle(project, archive)
    run(project)
    Image.fromarray(painting(9999)).save(archive / "Dutch" / "new.png")
    hashed = count_calls(monkeypatch, "pipeline.stages.inventory.file_sha256")
    probed = count_calls(monkeypatch, "pipeline.stages.ingest.probe")
    decoded = count_calls(monkeypatch, "pipeline.archive.images.read_rgb")
    described = count_calls(monkeypatch, "pipeline.catalog.features.describe")
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


def test_too_few_works_are_said_before_anything_is_trained(
    project: Path, make_archive: Callable[..., Path]
) -> None:
    settle(project, make_archive(12))
    with pytest.raises(PentimentoError, match=r"of 12 works . would be held out .* 8 are needed"):
        run(project)


def test_when_all_are_bad_the_commonest_kind_of_reason_is_named(
    project: Path, make_archive: Callable[..., Path]
) -> None:
    settle(project, make_archive(5), clean__min_side=5000)
    run(project, "inventory", "ingest", "features")
    with pytest.raises(PentimentoError, match=r"5 of 5 works .* \(5 times\): has only pixels, less than"):
        run(project, "clean")


@pytest.mark.parametrize("content", [b"x\n", b""])
def test_a_damaged_input_names_the_file_and_the_remedy(
    project: Path, make_archive: Callable[..., Path], content: bytes
) -> None:
    settle(project, make_archive(4))
    run(project, "inventory", "ingest", "features")
    (project / paths.CATALOG).write_bytes(content)
    with pytest.raises(PentimentoError, match=r"catalog.parquet cannot be read .*`dvc repro` makes it again"):
        run(project, "clean")


def test_a_damaged_ledger_names_the_file_and_the_remedy(
    project: Path, make_archive: Callable[..., Path]
) -> None:
    settle(project, make_archive(4))
    (project / ".state").mkdir()
    (project / ".state" / "ledger.sqlite").write_text(
        "no database at all, but long enough to be read as one" * 9
    )
    with pytest.raises(
        PentimentoError, match=r"ledger.sqlite cannot be used as a ledger .* move the file away"
    ):
        run(project, "inventory")


def test_provenance_says_what_made_an_output(project: Path, make_archive: Callable[..., Path]) -> None:
    settle(project, make_archive(4))
    run(project, "inventory", "ingest")
    record = json.loads((project / paths.provenance("ingest")).read_text())
    assert record["stage"] == "ingest"
    assert record["params"] == {"max_megapixels": 500, "max_failure_ratio": 0.5, "on_violation": "warn"}
    assert record["inputs_sha256"] == {"data/inventory.parquet": tree_sha256(project / paths.INVENTORY)}
    assert record["outputs_sha256"] == {"data/catalog.parquet": tree_sha256(project / paths.CATALOG)}
    assert record["software"]["pentimento"]


def test_a_missing_input_names_the_file_and_the_remedy(project: Path) -> None:
    with pytest.raises(
        PentimentoError, match=r"clean: input 'catalog' is missing: data/catalog.parquet.*dvc repro"
    ):
        run(project, "clean")


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
    sketched = count_calls(monkeypatch, "pipeline.stages.duplicates.sketch")
    compared = count_calls(monkeypatch, "pipeline.stages.duplicates.same_work")
    found = run(project)["duplicates"]
    assert (found["groups"], found["works_in_groups"], found["same"]) == (1, 2, 1)
    groups = pd.read_parquet(project / paths.GROUPS)
    doubled = groups[groups["group"].duplicated(keep=False)]
    assert set(doubled["id"]) == {"folder:Dutch/scan.jpg", "folder:French/work0005.png"}
    assert len(compared) == found["compared"] - alone["compared"]
    assert len(sketched) <= 2
