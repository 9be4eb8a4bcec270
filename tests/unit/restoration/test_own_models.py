"""Bring your own model: what is declared holds, and every wrong declaration is told in one line."""

import hashlib
import json
import re
import warnings

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from pydantic import ValidationError
from ruamel.yaml import YAML

from pipeline.errors import PentimentoError
from pipeline.models.registry import build, save_model
from pipeline.restoration.own_models import OwnModel, describe, load_own
from pipeline.restoration.steps import FillFailed, Look, Place, StepFailed
from tests.conftest import ROOT

FLOAT = TensorProto.FLOAT
PICTURE = ("picture", FLOAT, ["n", 3, "h", "w"])
MASK = ("mask", FLOAT, ["n", 1, "h", "w"])


def write(path, nodes, inputs=(PICTURE,), constants=(), outputs=("out",)):
    """An ONNX model of these nodes (operator, inputs, outputs, attributes) at `path`."""
    graph = helper.make_graph(
        [helper.make_node(kind, takes, gives, **more) for kind, takes, gives, more in nodes],
        "own",
        [helper.make_tensor_value_info(*entry) for entry in inputs],
        [helper.make_tensor_value_info(name, FLOAT, None) for name in outputs],
        [numpy_helper.from_array(np.asarray(values), name) for name, values in constants],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    path.write_bytes(model.SerializeToString())


def affine(path, factor=1.0, plus=0.0, **more):
    """A model that multiplies its picture and adds to it."""
    numbers = [("a", np.float32(factor)), ("b", np.float32(plus))]
    nodes = [("Mul", ["picture", "a"], ["scaled"], {}), ("Add", ["scaled", "b"], ["out"], {})]
    write(path, nodes, constants=numbers, **more)


def enlarge(path, times):
    sizes = [("sizes", np.float32([1, 1, times, times]))]
    nodes = [("Resize", ["picture", "", "sizes"], ["out"], {"mode": "nearest"})]
    write(path, nodes, constants=sizes)


def own(**values):
    return OwnModel.model_validate_json(json.dumps({"path": "own.onnx", "step": "enhance"} | values))


def scene(channels=3, height=37, width=50):
    return np.random.default_rng(0).uniform(0.2, 0.8, (height, width, channels)).astype(np.float32)


LOOK = Look(scene(), ())


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


def filling(path, value=0.5):
    """A model that paints holes in one value, and spoils everything outside them."""
    write(path, [("Mul", ["mask", "value"], ["out1"], {}), ("Sub", ["out1", "picture"], ["out"], {})],
          inputs=[PICTURE, MASK], constants=[("value", np.float32(value))])  # fmt: skip


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
    place = Place(0, 0, *pixels.shape[:2])
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


def fail(tmp_path, **values):
    with pytest.raises(PentimentoError) as caught:
        load_own("mine", own(**values), tmp_path)
    text = str(caught.value)
    assert text.startswith("restore.models.mine: own.onnx: ") and "\n" not in text
    return text


def test_a_missing_or_damaged_file_is_told(tmp_path):
    assert "no such file or folder" in fail(tmp_path)
    affine(tmp_path / "own.onnx")
    whole = (tmp_path / "own.onnx").read_bytes()
    for content in (b"", whole[: len(whole) // 2], b"\x89PNG\r\n\x1a\n" + bytes(50), b"hello" * 20):
        (tmp_path / "own.onnx").write_bytes(content)
        assert "it is damaged, or no ONNX model" in fail(tmp_path)


def test_weights_in_a_second_file_are_refused(tmp_path):
    affine(tmp_path / "own.onnx", np.ones((1, 3, 1, 1), np.float32))
    model = onnx.load(tmp_path / "own.onnx")
    onnx.save(model, tmp_path / "own.onnx", save_as_external_data=True, location="own.data", size_threshold=0)
    assert "its weights lie in a second file; join them" in fail(tmp_path)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ((FLOAT, ["n", 1, "h", "w"]), "has 1 channels, 3 are expected"),
        ((FLOAT, ["n", "h", "w", 3]), None),
        ((FLOAT, ["n", 512, 512, 3]), r"has 512 channels, 3 are expected, channels last"),
        ((FLOAT, ["n", 3, 512, 512]), r"fixed size \(512 x 512\); export it with free height and width"),
        ((FLOAT, [4, 3, "h", "w"]), "batches of 4 pictures"),
        ((FLOAT, [3, "h", "w"]), "has 3 dimensions, not the four"),
        ((TensorProto.FLOAT16, ["n", 3, "h", "w"]), "is not float32"),
    ],
)
def test_an_input_that_is_not_what_the_contract_says(tmp_path, entry, message):
    affine(tmp_path / "own.onnx", inputs=[("picture", *entry)])
    assert re.search(message or "fixed size", fail(tmp_path))


def test_inputs_and_outputs_are_counted(tmp_path):
    affine(tmp_path / "own.onnx")
    text = fail(tmp_path, step="fill")
    assert "it has 1 inputs (picture); expected is two, a picture and a mask" in text
    filling(tmp_path / "own.onnx")
    assert "it has 2 inputs (picture, mask); expected is one, a picture" in fail(tmp_path)
    nodes = [("Identity", ["picture"], ["out"], {}), ("Neg", ["picture"], ["more"], {})]
    write(tmp_path / "own.onnx", nodes, outputs=("out", "more"))
    assert "it has 2 outputs (out, more); expected is one" in fail(tmp_path)


@pytest.mark.parametrize("engine", ["onnx", "openvino"])
def test_a_wrong_scale_range_or_multiple_is_found_by_trying(tmp_path, engine):
    enlarge(tmp_path / "own.onnx", 2)
    text = fail(tmp_path, engine=engine)
    assert "it makes 1 x 3 x 128 x 130 of 1 x 3 x 64 x 65; scale 1 is declared" in text
    assert "scale 4 is declared" in fail(tmp_path, step="upscale", scale=4, engine=engine)
    affine(tmp_path / "own.onnx", 255)
    assert "far out of range (tried on 64 x 65 pixels, low 0, high 1, multiple 1)" in fail(
        tmp_path, engine=engine
    )
    write(tmp_path / "own.onnx", [("SpaceToDepth", ["picture"], ["deep"], {"blocksize": 2}),
                                  ("DepthToSpace", ["deep"], ["out"], {"blocksize": 2})])  # fmt: skip
    assert "tried on 64 x 65 pixels" in fail(tmp_path, engine=engine)
    assert load_own("mine", own(multiple=2, engine=engine), tmp_path)(scene()).shape == (37, 50, 3)


def test_results_that_are_no_pictures_are_found_by_trying(tmp_path):
    write(
        tmp_path / "own.onnx",
        [("Log", ["negative"], ["out"], {}), ("Neg", ["picture"], ["negative"], {})][::-1],
    )
    assert "not finite" in fail(tmp_path)
    write(tmp_path / "own.onnx", [("ReduceMean", ["picture"], ["out"], {"axes": [1]})])
    assert "it makes 1 channels of 3" in fail(tmp_path)
    affine(tmp_path / "own.onnx", 8.0, -4.0)
    text = fail(tmp_path, step="detect")
    assert "no probabilities; let the model end in a sigmoid" in text
    write(tmp_path / "own.onnx", [("Reshape", ["picture", "shape"], ["out"], {})],
          constants=[("shape", np.int64([1, 3, 64, 65]))])  # fmt: skip
    assert "tried on 66 x 64 pixels" in fail(tmp_path)


@pytest.mark.parametrize("engine", ["onnx", "openvino"])
def test_an_operator_that_no_engine_has_is_named(tmp_path, engine):
    write(tmp_path / "own.onnx", [("Sparkle", ["picture"], ["out"], {})])
    assert "it uses operators that" in (text := fail(tmp_path, engine=engine)) and "Sparkle" in text


def test_an_onnx_file_is_not_run_by_torch(tmp_path):
    affine(tmp_path / "own.onnx")
    assert "the engine 'torch' cannot run an ONNX model" in fail(tmp_path, engine="torch")
    assert "computes in fp32 only" in fail(tmp_path, engine="onnx", precision="bf16")


SIZES = {"widths": [8, 8], "blocks": 1, "dilations": [1]}


def test_a_folder_of_ours_is_a_filler_under_its_own_name(tmp_path):
    save_model(tmp_path / "own", build("residual_unet", SIZES), "residual_unet", SIZES, {"start": "telea"})
    filler = load_own("ours", own(path="own", step="fill", engine="torch"), tmp_path)
    assert filler.name == "ours" and filler.start.name == "telea"
    with pytest.raises(PentimentoError, match=r"models.ours: own: .* holds a filler; for the step enhance"):
        load_own("ours", own(path="own"), tmp_path)
    (tmp_path / "own/weights.safetensors").unlink()
    with pytest.raises(PentimentoError, match=r"weights.safetensors is missing"):
        load_own("ours", own(path="own", step="fill", engine="torch"), tmp_path)
    with pytest.raises(PentimentoError, match=r"weights.safetensors is missing"):
        load_own("ours", own(path="own", step="fill", engine="onnx"), tmp_path, tmp_path / "engines")


def test_what_is_written_down_of_a_model(tmp_path):
    affine(tmp_path / "own.onnx")
    content = (tmp_path / "own.onnx").read_bytes()
    about = describe("mine", own(), tmp_path)
    assert about["name"] == "mine" and about["package"].startswith("onnxruntime ")
    assert about["sha256"] == {"own.onnx": hashlib.sha256(content).hexdigest()}
    assert str(tmp_path) not in str(about) and about["step"] == "enhance"
    assert describe("mine", own(low=-1), tmp_path) != about
    with pytest.raises(PentimentoError, match=r"restore.models.mine: .*No such file"):
        describe("mine", own(path="none.onnx"), tmp_path)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"low": 1, "high": 1}, r"low \(1\) must be less than high \(1\)"),
        ({"scale": 2}, "scale is 2 or 4 for the step upscale"),
        ({"step": "upscale"}, "scale is 2 or 4 for the step upscale"),
        ({"step": "enhence"}, "'fill', 'enhance', 'upscale' or 'detect'"),
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
