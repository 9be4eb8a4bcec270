"""Planning and running the graph of dvc.yaml: with a tiny graph of its own, through real DVC."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from flows import stages
from pipeline.errors import PentimentoError
from tests.processes import until

DAG = """
stages:
  first:
    cmd: cp source.txt first.txt && echo copied
    deps: [source.txt]
    outs: [first.txt]
  left:
    cmd: cp first.txt left.txt
    deps: [first.txt]
    outs: [left.txt]
  right:
    cmd: cp first.txt right.txt
    deps: [first.txt]
    outs: [right.txt]
  broken:
    cmd: "echo 'error: the lever is stuck; pull it' >&2; exit 1"
    deps: [left.txt]
    outs: [never.txt]
"""


@pytest.fixture
def repo(empty_repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(empty_repository, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dvc.yaml").write_text(DAG)
    (tmp_path / "params.yaml").write_text("{}\n")
    (tmp_path / "source.txt").write_text("1")
    return tmp_path


def reasons(root: Path) -> dict[str, str | None]:
    return {node.name: node.reason for node in stages.plan(root)}


def test_plan_says_what_would_run_and_why(repo: Path) -> None:
    lines: list[str] = []
    for name in ("first", "left", "right"):
        assert stages.run(repo, name, lines.append) > 0
    assert "copied" in lines
    assert not [line for line in lines if "git add" in line], "DVC's advice is left out"
    assert reasons(repo) == {"first": None, "left": None, "right": None, "broken": "never.txt is missing"}
    (repo / "source.txt").write_text("2")
    assert reasons(repo) == {
        "first": "source.txt is modified",
        "left": "after first",
        "right": "after first",
        "broken": "never.txt is missing",
    }
    needs = {node.name: node.needs for node in stages.plan(repo)}
    assert needs == {"first": (), "left": ("first",), "right": ("first",), "broken": ("left",)}


def test_a_failed_stage_repeats_its_own_one_line_error(repo: Path) -> None:
    for name in ("first", "left"):
        stages.run(repo, name, lambda _: None)
    with pytest.raises(
        stages.StageFailed, match=r"stage broken failed .* the lever is stuck; pull it"
    ) as failure:
        stages.run(repo, "broken", lambda _: None)
    assert not failure.value.passing, "an error that the stage explained will come again"
    assert "\n" not in str(failure.value)


def test_an_interrupted_stage_leaves_no_process_behind(repo: Path) -> None:
    (repo / "dvc.yaml").write_text(DAG.replace("cp source.txt first.txt", "echo $$ && sleep 600"))
    pids: list[int] = []

    def stop_at_pid(line: str) -> None:
        if line.isdigit():
            pids.append(int(line))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stages.run(repo, "first", stop_at_pid)
    assert until(lambda: not Path(f"/proc/{pids[0]}").exists(), 5), "the stage's process is still there"


@pytest.mark.parametrize("spoil", ["git", "yaml", "dvc"])
def test_what_is_wrong_with_a_repository_is_one_line(
    repo: Path, spoil: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if spoil == "git":
        shutil.rmtree(repo / ".git")
    elif spoil == "dvc":
        shutil.rmtree(repo / ".dvc")
    else:
        (repo / "dvc.yaml").write_text("stages:\n  a:\n    comand: x\n")
    expected = {"git": "no git repository.*git init", "dvc": "DVC", "yaml": "dvc.yaml"}[spoil]
    with pytest.raises(PentimentoError, match=expected) as failure:
        stages.plan(repo)
    assert "\n" not in str(failure.value)


def test_a_checkout_of_another_user_names_the_remedy(repo: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can give a checkout to another user")
    for folder, _, files in os.walk(repo):
        for name in (".", *files):
            os.chown(Path(folder) / name, 12345, 12345)
    with pytest.raises(PentimentoError, match=r"git config --global --add safe\.directory"):
        stages.plan(repo)
