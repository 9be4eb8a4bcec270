"""The schedule really starts runs, on a machine where no server of Prefect's is configured."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import painting
from tests.processes import PENTIMENTO, children, is_running, until

DAG = """
stages:
  inventory:
    cmd: echo taken > inventory.txt
    deps: [works]
    outs: [inventory.txt]
  model:
    cmd: echo trained >> model.txt
    deps: [inventory.txt]
    outs: [model.txt]
"""
PARAMS = "inventory:\n  sources: [{kind: folder, location: works}]\n"


@pytest.fixture
def repo(empty_repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "repo"
    shutil.copytree(empty_repository, root)
    (root / "works").mkdir()
    Image.fromarray(painting(0)).save(root / "works" / "a.png")
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "prefect"))
    (root / "dvc.yaml").write_text(DAG)
    (root / "params.yaml").write_text(PARAMS)
    return root


@pytest.mark.timeout(400)
def test_a_run_begins_by_the_clock_and_ctrl_c_ends_all(repo: Path) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_API")}
    command = [*PENTIMENTO, "nightly", "--cron", "* * * * * */5"]
    log = repo.parent / "log.txt"
    with (
        log.open("w") as output,
        subprocess.Popen(
            command, cwd=repo, env=kept, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        ) as process,
    ):
        try:
            assert until((repo / "model.txt").exists, 300), log.read_text()[-3000:]
            (server, *_) = started = children(process.pid)
            assert is_running(server)
            os.killpg(process.pid, signal.SIGINT)  # as a terminal does
            assert process.wait(60) == 0
        finally:
            process.terminate()
    assert until(lambda: not any(map(is_running, started)), 20)
    assert (repo / "model.txt").read_text() == "trained\n"
