"""The command line: quick help, clear errors, JSON."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from flows.cli import app
from pipeline.errors import PentimentoError
from tests.conftest import ROOT

COMMANDS = sorted(get_command(app).commands)  # type: ignore[attr-defined]
SLOW = (
    "torch",
    "prefect",
    "dvc",
    "pandas",
    "numpy",
    "albumentations",
    "lightning",
    "pyvips",
    "cv2",
    "sklearn",
)


def test_help_imports_nothing_slow() -> None:
    code = f"""
import sys
from flows.cli import app
from typer.testing import CliRunner
for command in [[], *[[name] for name in {COMMANDS!r}]]:
    result = CliRunner().invoke(app, [*command, "--help"])
    assert result.exit_code == 0, result.output
print([name for name in {SLOW!r} if name in sys.modules])
"""
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself_with_examples(name: str) -> None:
    result = CliRunner().invoke(app, [name, "--help"])
    assert result.exit_code == 0
    assert "Examples" in result.output
    assert f"pentimento {name}" in " ".join(result.output.split())


def test_outside_a_project_the_error_is_one_line(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "from flows.cli import main; main()", "plan"]
    answer = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert answer.returncode == 1
    assert answer.stderr.startswith("error: no Pentimento project at or above")
    assert len(answer.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--timezone", "Europe/Atlantis"], "unknown time zone"),
        (["--cron", "every night"], "is no schedule"),
    ],
)
def test_nightly_refuses_what_it_cannot_keep(project: Path, options: list[str], words: str) -> None:
    with pytest.raises(PentimentoError, match=words):
        CliRunner().invoke(app, ["nightly", *options], catch_exceptions=False)


def test_check_names_what_is_wrong(project: Path) -> None:
    params = project / "params.yaml"
    params.write_text(params.read_text().replace("min_side:", "min_sied:"))
    result = CliRunner().invoke(app, ["check", "--json"])
    assert result.exit_code == 1
    found = {row["check"]: row for row in json.loads(result.output)}
    assert not found["params.yaml"]["ok"]
    assert "did you mean 'clean.min_side'" in found["params.yaml"]["detail"]
    assert not found["git"]["ok"]
    assert "git init" in found["git"]["detail"]


def test_report_says_when_there_is_none(project: Path) -> None:
    with pytest.raises(PentimentoError, match="there is no report yet"):
        CliRunner().invoke(app, ["report"], catch_exceptions=False)


def test_sync_tells_new_changed_and_gone(project: Path, make_archive: object) -> None:
    from ruamel.yaml import YAML

    from flows.sync import changes
    from pipeline import stages
    from pipeline.stage import run_stage

    archive = make_archive(6)  # type: ignore[operator]
    yaml = YAML()
    params = yaml.load((project / "params.yaml").read_text())
    params["inventory"]["sources"] = [{"kind": "folder", "location": str(archive)}]
    with (project / "params.yaml").open("w") as handle:
        yaml.dump(params, handle)
    assert len(changes(project).new) == 6
    run_stage(stages.load("inventory"), project)
    assert not changes(project).any
    (archive / "Dutch" / "work0000.png").unlink()
    (archive / "Dutch" / "work0002.png").write_bytes((archive / "French" / "work0001.png").read_bytes())
    (archive / "Dutch" / "new.png").write_bytes((archive / "Dutch" / "work0004.png").read_bytes())
    found = changes(project)
    assert found.new == ("folder:Dutch/new.png",)
    assert found.changed == ("folder:Dutch/work0002.png",)
    assert found.gone == ("folder:Dutch/work0000.png",)
    assert found.sentence() == "6 works: 1 new, 1 changed, 1 gone."


@pytest.mark.parametrize("file", sorted((ROOT / "profiles").glob("*.yaml")), ids=lambda f: f.stem)
def test_a_profile_changes_its_values_only_and_stays_valid(project: Path, file: Path) -> None:
    from pipeline import stages
    from pipeline.params import load_params, read_params

    shutil.copytree(ROOT / "profiles", project / "profiles")
    before = (project / "params.yaml").read_text()
    CliRunner().invoke(app, ["profile", file.stem, "--dry-run"], catch_exceptions=False)
    assert (project / "params.yaml").read_text() == before
    CliRunner().invoke(app, ["profile", file.stem], catch_exceptions=False)
    after = (project / "params.yaml").read_text()
    assert len(after.splitlines()) == len(before.splitlines()), "comments and order stay"
    assert after != before
    for name in read_params(file):
        load_params(project / "params.yaml", name, stages.load(name).params)


def test_an_unknown_profile_names_the_known_ones(project: Path) -> None:
    shutil.copytree(ROOT / "profiles", project / "profiles")
    with pytest.raises(PentimentoError, match="there is no profile 'gpo'; there are: gpu"):
        CliRunner().invoke(app, ["profile", "gpo"], catch_exceptions=False)
