"""The same archive by a plain pool, by Prefect and by Dask: the same bytes, the same account."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from flows import workers
from flows.archive import restore_archive
from flows.workers import open_workers
from pipeline.archive.fixity import tree_sha256
from pipeline.errors import PentimentoError
from pipeline.restoration.runs.request import Request
from tests.conftest import restore_settings
from tests.resume import hostile

WAYS = {
    "plain": ("--no-prefect", "--workers", "1"),
    "pool": ("--no-prefect", "--workers", "2"),
    "prefect": ("--prefect", "--workers", "2"),
    "dask": ("--no-prefect", "--workers", "2", "--runner", "dask"),
}
GOOD = 80  # works
VARIES = ("seconds", "megapixels_per_second")


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> hostile.Archive:
    """Enough works for two workers, so that they have a head start, too."""
    folder = tmp_path_factory.mktemp("archive")
    made = hostile.Archive(folder / "src", folder / "masks")
    hostile.add_good(made, GOOD)
    hostile.add_hostile(made, 3)
    hostile.methods_file(folder)
    return made


def restored(archive: hostile.Archive, out: Path, *options: str) -> tuple[dict[str, Any], str]:
    """The summary that the command prints as JSON, which is all it prints there, and its other words."""
    process = hostile.start(
        archive.source, out, archive.source.parent / "methods.json", "--masks", str(archive.masks), *options
    )
    printed, words = process.communicate()
    assert process.returncode == 1, words  # some works failed
    return {key: value for key, value in json.loads(printed).items() if key not in VARIES}, words


def ledger(out: Path) -> list[tuple[str, ...]]:
    """The ledger's rows without what differs from run to run: the times of the output files."""
    with sqlite3.connect(out / ".pentimento/ledger.sqlite") as database:
        rows = database.execute("SELECT space, key, value, error FROM item ORDER BY space, key").fetchall()
    database.close()
    plain = []
    for space, key, value, error in rows:
        fields = json.loads(value) if value else {}
        timeless = {
            name: field for name, field in fields.items() if name not in ("output_stat", "proof_stat")
        }
        plain.append((space, key, json.dumps(timeless, sort_keys=True), error))
    return plain


def test_every_way_to_run_leaves_the_same_bytes_and_the_same_account(
    archive: hostile.Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "prefect"))
    monkeypatch.setenv("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    summaries, trees, ledgers, quarantines = [], [], [], []
    for name, options in WAYS.items():
        out = tmp_path / name
        summary, words = restored(archive, out, *options)
        assert ("Flow run" in words) == (name == "prefect"), words
        summaries.append(summary)
        trees.append(tree_sha256(out / "data"))
        ledgers.append(ledger(out))
        quarantines.append(hostile.reasons(out))
    assert summaries[0]["restored"] + summaries[0]["copied"] == GOOD
    for results in (summaries, trees, ledgers, quarantines):
        assert all(result == results[0] for result in results)
    assert len(ledgers[0]) == 2 * (GOOD + 3)  # each work once among what was seen, once among the results


@pytest.fixture
def request_(archive: hostile.Archive, tmp_path: Path) -> Request:
    settings = restore_settings(max_failure_ratio=1, shard_megapixels=0.01)
    methods = archive.source.parent / "methods.json"
    return Request(archive.source, tmp_path / "out", settings, methods, archive.masks)


def test_ray_restores_an_archive_and_survives_a_killed_worker(
    request_: Request, archive: hostile.Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ray", reason="Ray is an extra")
    deadly = archive.source / f"{hostile.DEADLY}.png"
    deadly.write_bytes((archive.source / "room 0/work-00.png").read_bytes())
    monkeypatch.syspath_prepend(hostile.ROOT)
    monkeypatch.setenv("PYTHONPATH", str(hostile.ROOT))
    monkeypatch.setattr(workers, "run_shard", hostile.run_deadly_shard)
    try:
        summary = restore_archive(request_, "ray", 2)
    finally:
        deadly.unlink()
    assert summary.restored + summary.copied == GOOD
    assert "was killed" in hostile.reasons(request_.out)[deadly.name]


@pytest.mark.parametrize("runner", ["dask", "ray"])
def test_a_runner_that_is_not_installed_says_what_to_install(
    runner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("ray", "dask", "distributed"):
        monkeypatch.setitem(sys.modules, module, None)
    with (
        pytest.raises(PentimentoError, match=rf"pip install 'pentimento\[{runner}\]'"),
        open_workers(runner, 1, 1, delicate=False),
    ):
        pass


def test_an_unknown_runner_is_refused() -> None:
    with pytest.raises(PentimentoError, match="unknown runner 'slurm'; known are: local, dask, ray"):
        open_workers("slurm", 1, 1, delicate=False)


def test_the_command_says_in_a_table_what_happened(archive: hostile.Archive, tmp_path: Path) -> None:
    code = "from flows.cli import main; main()"
    methods = archive.source.parent / "methods.json"
    command = [sys.executable, "-c", code, "restore", str(archive.source), str(tmp_path / "out")]
    options = ["--masks", str(archive.masks), "--methods", str(methods), "--no-prefect", "--workers", "1"]
    environment = os.environ | {"PYTHONPATH": str(hostile.ROOT), "COLUMNS": "200"}

    def call(*more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command, *options, *more],
            cwd=hostile.ROOT, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip

    dry = call("--dry-run")
    assert dry.returncode == 0
    for words in ("to do", "their files", "time, roughly", "typical machine"):
        assert words in dry.stdout
    done = call()
    assert done.returncode == 1
    for words in ("restored", "failed                            │ 3", "(such as bad 0/000-cut.png)", "MP/s"):
        assert words in done.stdout
    assert "3 failed: see" in done.stderr and "quarantine.csv" in done.stderr
