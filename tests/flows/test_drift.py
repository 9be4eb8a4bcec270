"""`pentimento drift` on a repository of its own, through real git and DVC."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import typer
from typer.testing import CliRunner

from flows.commands.drift import drift
from pipeline import paths
from pipeline.archive.tables import write_table
from pipeline.catalog.features import FEATURES, pack
from pipeline.errors import PentimentoError

DAG = """
stages:
  features:
    cmd: cp features.source data/features.parquet
    deps: [features.source]
    outs: [data/features.parquet]
  clean:
    cmd: cp works.source data/works.parquet
    deps: [works.source]
    outs: [data/works.parquet]
"""
APP = typer.Typer()
APP.command()(drift)
SCREEN = 200  # columns


def works(count: int, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "id": [f"met:{seed}-{n}" for n in range(count)],
            "sha256": [f"{seed:08x}{n:056x}" for n in range(count)],
            "school": rng.choice(["French", "Dutch"], count),
            "year": rng.integers(1500, 1900, count),
        }
    )


def features(table: pd.DataFrame, shift: float = 0.0) -> pd.DataFrame:
    rng = np.random.default_rng(len(table))
    rows = rng.normal(0, 1, (len(table), FEATURES)) * (np.arange(FEATURES) < 16) / 8
    rows[:, 0] += shift
    return pd.DataFrame({"sha256": table["sha256"], "features": [pack(row) for row in rows]})


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with two commits: at the first nothing is recorded, at the second 80 works are."""
    root = tmp_path_factory.mktemp("drift")
    (root / "dvc.yaml").write_text(DAG)
    (root / "params.yaml").write_text("{}\n")
    (root / ".gitignore").write_text("*.source\n")
    (root / "data").mkdir()
    (root / "data" / ".gitignore").write_text("*\n")
    start = works(80)
    write_table(root / "works.source", start)
    write_table(root / "features.source", features(start))
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for command in (
        "git init -q", "dvc init -q", "git config user.name t", "git config user.email t@t",
        "git add -A", "git commit -qm start", "dvc repro -q", "git add -A", "git commit -qm recorded",
    ):  # fmt: skip
        subprocess.run(command.split(), cwd=root, check=True, env={**os.environ, "PATH": path})
    return root


@pytest.fixture
def repo(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of that repository as the working directory."""
    root = tmp_path / "clone"
    shutil.copytree(made, root, symlinks=True)
    monkeypatch.chdir(root)
    monkeypatch.setenv("COLUMNS", str(SCREEN))
    return root


def run(*options: str) -> Any:
    return CliRunner().invoke(APP, list(options), catch_exceptions=False)


def arrive(root: Path, shift: float = 0.0, **values: Any) -> None:
    """Twenty more works, and one old one less."""
    fresh = works(20, 1).assign(**values)
    now = pd.concat([works(80).iloc[1:], fresh], ignore_index=True)
    write_table(root / paths.WORKS, now)
    described = [features(works(80)), features(fresh, shift)]
    write_table(root / paths.FEATURES, pd.concat(described, ignore_index=True))


def test_right_after_the_commit_nothing_has_drifted(repo: Path) -> None:
    result = run()
    assert result.exit_code == 0
    assert "80 works at HEAD, 80 now: 0 new, 0 gone" in result.output
    assert "All works: nothing alarms in 3 comparisons." in result.output
    found = json.loads(run("--json").output)
    assert found["alarming"] is False
    assert found["arrived"] is None
    assert [row["column"] for row in found["whole"]] == ["school", "year", "pictures"]


def test_like_works_that_arrive_raise_no_alarm(repo: Path) -> None:
    arrive(repo)
    found = json.loads(run("--json", "--fail-on-drift").output)
    assert found["works"] == {"before": 80, "now": 99}
    assert len(found["turnover"]["new"]) == 20
    assert found["turnover"]["gone"] == ["met:0-0"]
    assert not found["alarming"]
    assert found["arrived"] is not None


def test_a_batch_of_another_kind_is_seen_among_what_arrived(repo: Path) -> None:
    arrive(repo, shift=2.0, school="Chinese")
    result = run("--json")
    assert result.exit_code == 0, "drift is news, not a failure"
    found = json.loads(result.output)
    alarming = {row["column"] for row in found["arrived"] if row["alarming"]}
    assert alarming == {"school", "pictures"}
    assert run("--fail-on-drift").exit_code == 1
    shown = run().output
    assert "What arrived, against what was there: 2 of 3 comparisons alarm." in shown
    assert "Chinese: 0.0% before, 100.0% now" in shown


def test_without_recorded_features_the_pictures_are_left_out_and_it_says_so(repo: Path) -> None:
    (repo / paths.FEATURES).unlink()
    result = run()
    assert "what the pictures show was not compared: no data/features.parquet here" in result.output


def test_what_cannot_be_compared_is_one_clear_line(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PentimentoError, match=r"no data/works.parquet is recorded at 'HEAD~1'"):
        run("--against", "HEAD~1")
    with pytest.raises(PentimentoError, match="git knows no revision 'v9'"):
        run("--against", "v9")
    shutil.rmtree(repo / ".dvc" / "cache")
    with pytest.raises(PentimentoError, match="neither in DVC's cache nor on a remote; `dvc fetch"):
        run()
    (repo / paths.WORKS).unlink()
    with pytest.raises(PentimentoError, match="there are no works yet"):
        run()


def test_without_git_it_says_how_to_mend_it(repo: Path) -> None:
    shutil.rmtree(repo / ".git")
    with pytest.raises(PentimentoError, match="is no git repository"):
        run()
