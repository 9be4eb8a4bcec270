"""Ctrl-C and SIGTERM end a retraining at once, with its stages and its server; the same command goes on."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
from pathlib import Path

import pytest

from flows import stages
from tests.processes import PENTIMENTO, children, is_running, until

DAG = """
stages:
  slow:
    cmd: echo $$ > pid.txt && test -e go || sleep 600; echo made > slow.txt
    outs: [slow.txt]
  after:
    cmd: cp slow.txt after.txt
    deps: [slow.txt]
    outs: [after.txt]
"""


@pytest.fixture
def repo(empty_repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "repo"
    shutil.copytree(empty_repository, root)
    monkeypatch.chdir(root)
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "prefect"))
    (root / "dvc.yaml").write_text(DAG)
    (root / "params.yaml").write_text("{}\n")
    return root


def stage_pid(root: Path) -> int:
    file = root / "pid.txt"
    assert until(lambda: file.exists() and file.read_text().endswith("\n")), "the stage did not begin"
    return int(file.read_text())


def test_a_call_ends_what_runs_and_what_would_begin(repo: Path) -> None:
    interruption = stages.Interruption()
    failures: list[stages.StageFailed] = []

    def wait_for_stage() -> None:
        with pytest.raises(stages.StageFailed, match="slow was interrupted") as failure:
            stages.run(repo, "slow", lambda line: None, interruption=interruption)
        failures.append(failure.value)

    thread = threading.Thread(target=wait_for_stage)
    thread.start()
    pid = stage_pid(repo)
    interruption.call()
    thread.join(60)
    assert [failure.passing for failure in failures] == [False], "no other try"
    assert until(lambda: not is_running(pid), 10)
    with pytest.raises(stages.StageFailed, match="after was interrupted"):
        stages.run(repo, "after", lambda line: None, interruption=interruption)


def test_what_is_left_well_ends_nothing_and_an_error_ends_all() -> None:
    with stages.Interruption() as well:
        pass
    assert not well.called
    with pytest.raises(KeyboardInterrupt), stages.Interruption() as badly:
        raise KeyboardInterrupt
    assert badly.called


@pytest.mark.timeout(300)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_retraining_with_all_that_it_started(repo: Path, number: signal.Signals) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_API")}
    command = [*PENTIMENTO, "retrain", "--no-sync"]
    with (
        (repo.parent / "log.txt").open("w") as log,
        subprocess.Popen(
            command, cwd=repo, env=kept, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        ) as process,
    ):
        try:
            pid = stage_pid(repo)
            started = [pid, *children(process.pid)]
            assert len(started) >= 3, "the stage, DVC and the temporary server"
            if number == signal.SIGINT:
                os.killpg(process.pid, number)  # as a terminal does: the server gets it, too
            else:
                process.send_signal(number)
            assert process.wait(60) == {signal.SIGINT: 130, signal.SIGTERM: 143}[number]
        finally:
            process.terminate()
    assert until(lambda: not any(map(is_running, started)), 10)
    assert not (repo / "slow.txt").exists()
    (repo / "go").touch()
    for name in ("slow", "after"):
        stages.run(repo, name, lambda line: None)
    assert (repo / "after.txt").read_text() == "made\n"
