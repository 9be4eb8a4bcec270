"""Bring your own model: every wrong file is told in one line when it is loaded."""

import hashlib
import re

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from pipeline.errors import PentimentoError
from pipeline.models.registry import build, save_model
from pipeline.restoration.methods.own_loader import describe, load_own
from tests.unit.restoration.methods.own_files import FLOAT, affine, enlarge, filling, own, scene, write


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
