"""Bring your own model: what is declared holds, and what it makes is checked."""

import re
import warnings

import numpy as np
import pytest
from pydantic import ValidationError
from ruamel.yaml import YAML

from pipeline.errors import PentimentoError, StepFailed
from pipeline.restoration.methods.interface import FillFailed, Position, Preview
from pipeline.restoration.methods.own_loader import load_own
from pipeline.restoration.methods.own_models import OwnModel
from tests.conftest import ROOT
from tests.unit.restoration.methods.own_files import (
    FLOAT,
    MASK,
    PICTURE,
    affine,
    enlarge,
    filling,
    own,
    scene,
    write,
)

LOOK = Preview(scene(), ())


@pytest.mark.parametrize("engine", ["auto", "onnx", "openvino"])
@pytest.mark.parametrize(("low", "high"), [(0, 1), (-1, 1), (0, 255)])
def test_an_enhancer_works_in_its_own_range(tmp_path, engine, low, high):
    # In every range: values fall by a tenth of black to white.
    affine(tmp_path / "own.onnx", plus=-0.1 * (high - low))
    enhancer = load_own("darker", own(low=low, high=high, engine=engine, reach=7, multiple=4), tmp_path)
    pixels = scene()
    made = enhancer.tuned(LOOK)(pixels)
    assert (enhancer.name, enhancer.reach, enhancer.scale, enhancer.multiple) == ("darker", 7, 1, 4)
    assert made.dtype == np.float32 and np.abs(made - (pixels - 0.1)).max() < 1e-5


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("given", [1, 3])
def test_channels_are_fitted_to_the_model_or_refused(tmp_path, channels, given):
    affine(tmp_path / "own.onnx", 0.5, inputs=[("picture", FLOAT, ["n", given, "h", "w"])])
    enhancer = load_own("half", own(channels=given), tmp_path)
    pixels = scene(channels)
    if (given, channels) == (3, 4):
        with pytest.raises(StepFailed, match="half knows grey and RGB, not 4 channels"):
            enhancer(pixels)
    else:
        assert np.abs(enhancer(pixels) - pixels / 2).max() < 1e-6


@pytest.mark.parametrize("scale", [2, 4])
def test_an_upscaler(tmp_path, scale):
    enlarge(tmp_path / "own.onnx", scale)
    enhancer = load_own("large", own(step="upscale", scale=scale, multiple=8), tmp_path)
    pixels = scene()
    expected = pixels.repeat(scale, axis=0).repeat(scale, axis=1)
    assert enhancer.scale == scale and np.array_equal(enhancer(pixels), expected)


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-1, 1)])
def test_a_filler_changes_holes_only_and_sees_nothing_of_the_damage(tmp_path, low, high):
    filling(tmp_path / "own.onnx")
    filler = load_own("paint", own(step="fill", low=low, high=high, reach=16, multiple=8), tmp_path)
    pixels = scene()
    mask = np.zeros(pixels.shape[:2], bool)
    mask[5:9, 10:30] = True
    pixels[mask] = np.nan
    filled = filler(pixels, mask)
    assert np.array_equal(filled[~mask], pixels[~mask])
    # The hole holds 0 in the model's own range, so its result there is 0.5 in that range.
    assert np.abs(filled[mask] - (0.5 - low) / (high - low)).max() < 1e-6
    assert np.array_equal(filler(pixels, np.zeros_like(mask)), pixels, equal_nan=True)


def test_a_filler_may_start_from_a_classical_filling(tmp_path):
    nodes = [("Mul", ["mask", "zero"], ["none"], {}), ("Add", ["picture", "none"], ["out"], {})]
    write(tmp_path / "own.onnx", nodes, [PICTURE, MASK], [("zero", np.float32(0))])
    filler = load_own("keep", own(step="fill", start="telea", channels=3), tmp_path)
    pixels = np.full((30, 30, 1), 0.5, np.float32)
    mask = np.zeros((30, 30), bool)
    mask[10:12, 5:20] = True
    pixels[mask] = 1
    assert np.abs(filler(pixels, mask) - 0.5).max() < 0.01


def test_a_detector_finds_what_any_of_its_maps_finds(tmp_path):
    write(tmp_path / "own.onnx", [("Identity", ["picture"], ["out"], {})])
    detector = load_own("bright", own(step="detect", threshold=0.75, reach=3), tmp_path)
    pixels = scene()
    place = Position(0, 0, *pixels.shape[:2])
    found = detector(pixels, place)
    assert found.dtype == np.bool_ and np.array_equal(found, (pixels >= 0.75).any(axis=2))
    assert np.array_equal(detector(pixels[..., :1], place), pixels[..., 0] >= 0.75)
    with pytest.raises(StepFailed, match="not 4 channels"):
        detector(scene(4), place)


def test_what_a_model_makes_of_a_work_is_checked_again(tmp_path):
    # Sound on ordinary pictures, but it divides by what a black one lacks.
    write(tmp_path / "own.onnx", [("Div", ["picture", "picture"], ["out"], {})])
    enhancer = load_own("ratio", own(), tmp_path)
    with pytest.raises(StepFailed, match="ratio is not finite"):
        enhancer(np.zeros((8, 8, 3), np.float32))
    affine(tmp_path / "own.onnx", 4.0, -1.5)
    with pytest.raises(PentimentoError, match="far out of range"):
        load_own("wild", own(), tmp_path)
    filling(tmp_path / "own.onnx", 0.9)
    filler = load_own("paint", own(step="fill"), tmp_path)
    object.__setattr__(filler.model, "high", 0.3)
    mask = np.zeros((20, 20), bool)
    mask[5:9, 5:9] = True
    with pytest.raises(FillFailed, match="far out of range"):
        filler(scene(3, 20, 20), mask)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"low": 1, "high": 1}, r"low \(1\) must be less than high \(1\)"),
        ({"scale": 2}, "scale is 2 or 4 for the step upscale"),
        ({"step": "upscale"}, "scale is 2 or 4 for the step upscale"),
        ({"step": "enhence"}, "unknown step 'enhence'; known are: detect, fill, enhance, upscale"),
        ({"multiple": 0}, "greater than or equal to 1"),
        ({"colour": 1}, "Extra inputs are not permitted"),
    ],
)
def test_a_declaration_that_contradicts_itself(values, message):
    with pytest.raises(ValidationError, match=message):
        own(**values)


PAGE = (ROOT / "docs/own-models.md").read_text()


def test_the_page_lists_the_keys_of_a_declaration():
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", PAGE.split("## The contract")[0], re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", " ".join(rows))) == set(OwnModel.model_fields)


@pytest.mark.slow
def test_the_example_of_the_page_works_as_written(tmp_path, monkeypatch):
    blocks = dict(re.findall(r"^```(\w+)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))
    declared = YAML(typ="safe").load(blocks["yaml"])["restore"]
    monkeypatch.chdir(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's exporter has much to say of itself
        exec(compile(blocks["python"], "own-models.md", "exec"), {"__name__": "example"})
    enhancer = load_own("clearer", own(**declared["models"]["clearer"]), tmp_path)
    assert declared["enhance"] == "clearer" and declared["mode"] == "enhance"
    flat = np.full((20, 31, 3), 0.25, np.float32)
    assert np.abs(enhancer(flat) - flat).max() < 1e-6
    assert enhancer(scene()).std() > scene().std()
