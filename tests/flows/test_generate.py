"""`pentimento generate`, from the command line."""

import json

import pytest
import torch
import typer
from typer.testing import CliRunner

from flows.commands.generate import generate
from pipeline.errors import PentimentoError
from pipeline.models.gan import Generator
from pipeline.models.registry import save_model

SIZES = {"latent": 8, "width": 4, "side": 16}


@pytest.fixture(autouse=True)
def _on_the_cpu(monkeypatch):
    monkeypatch.setenv("PENTIMENTO_DEVICE", "cpu")


@pytest.fixture
def model(tmp_path):
    torch.manual_seed(0)
    save_model(tmp_path / "model", Generator(**SIZES), "gan_generator", SIZES, {})
    return tmp_path / "model"


def call(*arguments) -> str:
    app = typer.Typer()
    app.command()(generate)
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if isinstance(result.exception, PentimentoError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def contents(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_pictures_grid_and_request(model, tmp_path):
    answer = json.loads(call(tmp_path / "out", "-n", 3, "--model", model, "--json"))
    assert (answer["made"], answer["missing"]) == (3, 3)
    names = {"000000.png", "000001.png", "000002.png", "grid.png", "request.json"}
    assert set(contents(tmp_path / "out")) == names


def test_stopped_and_gone_on_with_gives_the_same_bytes(model, tmp_path):
    call(tmp_path / "whole", "-n", 20, "--model", model, "--seed", 4)
    call(tmp_path / "stopped", "-n", 7, "--model", model, "--seed", 4)
    (tmp_path / "stopped" / "000002.png").unlink()
    text = call(tmp_path / "stopped", "-n", 20, "--model", model, "--seed", 4)
    assert text.startswith("14 pictures made")
    assert "6 were there" in text
    assert contents(tmp_path / "stopped") == contents(tmp_path / "whole")


def test_dry_run_writes_nothing(model, tmp_path):
    text = call(tmp_path / "out", "-n", 5, "--model", model, "--dry-run")
    assert text.startswith("5 of 5 pictures would be made")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("dry", [[], ["--dry-run"]])
def test_refuses_what_is_not_its_own(model, tmp_path, dry):
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.png").write_bytes(b"x")
    with pytest.raises(PentimentoError, match="not empty"):
        call(out, "--model", model, *dry)
    assert contents(out) == {"mine.png": b"x"}


def test_a_missing_model_is_one_line(tmp_path):
    with pytest.raises(PentimentoError, match="no model in"):
        call(tmp_path / "out", "--model", tmp_path / "nothing")
    assert not (tmp_path / "out").exists()


def test_help_shows_examples():
    assert "Examples" in call("--help")
