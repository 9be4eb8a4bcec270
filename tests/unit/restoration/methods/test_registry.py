"""A step and a method from a file outside pipeline/ are reached from params and the command line."""

import json
import re
from collections.abc import Mapping

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from flows.cli import app
from flows.requests import build_request
from pipeline.errors import PentimentoError
from pipeline.params import known_keys, load_params
from pipeline.restoration.methods import registry
from pipeline.restoration.methods.kit import load_kit
from pipeline.restoration.methods.registry import Step
from pipeline.restoration.methods.settings import Settings
from pipeline.restoration.methods.steps import chain
from tests.conftest import ROOT, painting, restore_settings


class Grey:
    """Fills holes with a middle grey."""

    name, reach = "grey", 0

    def __call__(self, pixels, mask, wanted=None):
        filled = pixels.copy()
        filled[mask] = 0.5
        return filled


class Inverted:
    """A whole picture, dark for bright."""

    name, reach, scale, multiple = "inverted", 0, 1, 1
    judged: Mapping[str, float] = {}

    def tuned(self, preview):
        return self

    def __call__(self, pixels):
        return 1 - pixels


@pytest.fixture
def toy_filler():
    registry.method("fill", "grey")(lambda opening: Grey())
    yield
    registry.remove("fill", "grey")


@pytest.fixture
def toy_step():
    registry.register(
        Step("invert", changes="page", help="How to invert.", settings={"strength": (int, "How much.")})
    )
    registry.method("invert", "classical")(lambda opening: Inverted())
    yield
    registry.remove("invert")


@pytest.fixture
def archive(tmp_path):
    source, masks = tmp_path / "source", tmp_path / "masks"
    source.mkdir()
    masks.mkdir()
    picture, hole = painting(0), np.zeros((96, 128), np.uint8)
    hole[20:24, 10:60] = 255
    Image.fromarray(picture).save(source / "a.png")
    Image.fromarray(hole).save(masks / "a.png.png")
    return source, masks, picture, hole > 0


def restored(archive, tmp_path, *options):
    """The picture that the command makes, and its sidecar."""
    source, masks, *_ = archive
    out = tmp_path / "out"
    given = ["restore", str(source), str(out), "--masks", str(masks), "--no-prefect", "--workers", "1"]
    done = CliRunner().invoke(app, [*given, *options], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    sidecar = json.loads((out / "data/proof/a.png.json").read_text())
    return np.asarray(Image.open(out / "data/works/a.png")), sidecar


def params_with(project, **values):
    """Add settings to the section `restore` of a project's params.yaml."""
    file = project / "params.yaml"
    lines = "".join(f"  {name}: {value}\n" for name, value in values.items())
    file.write_text(file.read_text().replace("\nrestore:\n", f"\nrestore:\n{lines}"))


def test_a_filler_from_a_test_file_fills(toy_filler, archive, tmp_path):
    picture, sidecar = restored(archive, tmp_path, "--fill", "grey")
    _, _, before, hole = archive
    assert (picture[hole] == 128).all() and (picture[~hole] == before[~hole]).all()
    assert sidecar["methods"] == {"thin": {"pixels_by_method": {"grey": int(hole.sum())}}}


def test_a_step_from_a_test_file_has_settings_options_and_an_account(toy_step, archive, project, tmp_path):
    with pytest.raises(PentimentoError, match=r"'restore.strength' is missing; 'restore.invert' is missing"):
        load_params(project / "params.yaml", "restore", Settings)
    params_with(project, invert="classical", strength=3)
    (project / "pretrained").symlink_to(ROOT / "pretrained")
    assert {"invert", "strength"} <= known_keys(Settings).keys()
    help_text = CliRunner().invoke(app, ["restore", "--help"], env={"COLUMNS": "200"}).output
    assert "--invert" in help_text and "How to invert." in help_text and "--strength" in help_text
    picture, sidecar = restored(
        archive, tmp_path, "--steps", "fill,invert", "--fill", "telea", "--strength", "5"
    )
    _, _, before, hole = archive
    assert (picture[~hole] == 255 - before[~hole]).all()
    assert sidecar["steps"][1] == {"step": "invert", "methods": {"invert": "inverted"}}
    assert sidecar["settings"]["strength"] == 5
    assert sidecar["whole_picture"] == ["inverted"]


def test_the_example_of_a_method_in_the_docs_works(archive, tmp_path):
    page = (ROOT / "docs/stages.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"`pipeline/restoration/methods/mean.py`:\n\n```python\n(.*?)```", page, re.DOTALL)
    exec(code, {"__name__": "mean"})
    try:
        picture, _ = restored(archive, tmp_path, "--fill", "mean")
    finally:
        registry.remove("fill", "mean")
    _, _, before, hole = archive
    assert (picture[~hole] == before[~hole]).all()
    assert np.ptp(picture[hole], axis=0).max() == 0


def test_the_example_of_a_step_in_the_docs_declares_one(project):
    page = (ROOT / "docs/stages.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"`pipeline/restoration/methods/steps.py`:\n\n```python\n(.*?)```", page, re.DOTALL)
    exec(code, {"register": registry.register, "Step": Step})
    try:
        assert {"descreen", "period"} <= known_keys(Settings).keys()
        assert "--period" in CliRunner().invoke(app, ["restore", "--help"], env={"COLUMNS": "200"}).output
    finally:
        registry.remove("descreen")


def test_settings_forget_a_step_that_is_taken_back():
    before = set(known_keys(Settings))
    registry.register(Step("fleeting", changes="page", help=""))
    assert set(known_keys(Settings)) == before | {"fleeting"}
    registry.remove("fleeting")
    assert set(known_keys(Settings)) == before
    restore_settings()


def test_no_step_and_no_method_is_declared_twice():
    with pytest.raises(ValueError, match="'fill' is declared twice"):
        registry.register(Step("fill", changes="masked pixels", help=""))
    with pytest.raises(ValueError, match="'fill' has a method 'telea' already"):
        registry.method("fill", "telea")(lambda opening: Grey())


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["fill", "detect"], "detect .* must stand before fill"),
        (["upscale", "fill"], "fill .* must stand before upscale"),
        (["fill", "fill"], "only once"),
        (["detect", "enhance"], "needs a step behind it that fills"),
        ([], "needs a step"),
    ],
)
def test_a_chain_that_makes_no_sense(names, message):
    with pytest.raises(ValueError, match=message):
        chain(names)


def test_steps_of_whole_pages_come_in_any_order():
    assert [step.name for step in chain(["upscale", "enhance"])] == ["upscale", "enhance"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": "detect,fil"}, r"--steps is .*: value error, unknown step 'fil'; known are: detect, fill"),
        ({"steps": "fill", "mode": "enhance"}, "give only one of them"),
        (
            {"detect": "lerned"},
            "restore.detect: unknown method 'lerned'; known are: none, auto, classical, learnt",
        ),
    ],
)
def test_a_wrong_chain_is_told(options, message, tmp_path):
    with pytest.raises(PentimentoError, match=message):
        request = build_request(tmp_path, tmp_path, **options)
        load_kit(request.settings, request.methods)


def test_a_mode_of_the_command_takes_the_place_of_a_chain_in_params(project):
    file = project / "params.yaml"
    file.write_text(file.read_text().replace("  steps: [] ", "  steps: [fill] "))
    kit = ROOT / "pretrained"
    assert [s.name for s in build_request("a", "b", pretrained=str(kit)).settings.chain] == ["fill"]
    settings = build_request("a", "b", mode="enhance", pretrained=str(kit)).settings
    assert [step.name for step in settings.chain] == ["detect", "fill", "enhance"]
