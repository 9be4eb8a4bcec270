"""Bad files, too few works and damaged tables: each is told with its reason, and the others go on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from pipeline import paths
from pipeline.archive.fixity import tree_sha256
from pipeline.errors import PentimentoError
from tests.stages.data_project import bad_archive, run, settle

pytestmark = pytest.mark.usefixtures("quick_features")


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


def test_when_all_are_bad_the_commonest_kind_of_reason_is_named(
    project: Path, make_archive: Callable[..., Path]
) -> None:
    settle(project, make_archive(5), clean__min_side=5000)
    run(project, "inventory", "ingest", "features")
    with pytest.raises(PentimentoError, match=r"5 of 5 works .* \(5 times\): has only .* pixels, less than"):
        run(project, "clean")


def test_too_few_works_are_said_before_anything_is_trained(
    project: Path, make_archive: Callable[..., Path]
) -> None:
    settle(project, make_archive(12))
    with pytest.raises(PentimentoError, match=r"of 12 works . would be held out .* 8 are needed"):
        run(project)


def test_a_missing_input_names_the_file_and_the_remedy(project: Path) -> None:
    with pytest.raises(
        PentimentoError, match=r"clean: input 'catalog' is missing: data/catalog.parquet.*dvc repro"
    ):
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
