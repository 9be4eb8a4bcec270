"""Engines: they agree, and say clearly what they cannot do."""

import subprocess
import sys

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper

from pipeline.errors import PentimentoError, StepFailed
from pipeline.models import export, inference
from pipeline.models.export import exported, kept_in, to_onnx
from pipeline.models.inference import open_session
from pipeline.models.registry import build, load_model, save_model
from pipeline.paths import PRETRAINED
from pipeline.restoration.methods.learnt_filler import LearntFiller
from tests.conftest import ROOT

SIZES = {"widths": [8, 8], "blocks": 1, "dilations": [1]}


def example(height, width):
    rng = np.random.default_rng(height)
    hole = (rng.random((1, 1, height, width)) < 0.1).astype(np.float32)
    return rng.random((1, 3, height, width), dtype=np.float32), hole


@pytest.fixture(scope="module")
def model():
    """The restorer as ONNX, from the state folder of this clone: making it takes ten seconds."""
    folder = ROOT / PRETRAINED / "restorer"
    return exported(folder, kept_in(folder))


@pytest.fixture(scope="module")
def exact():
    network, _ = load_model(ROOT / PRETRAINED / "restorer")
    return network


DROPPED = """
import gc, signal, sys
from pathlib import Path
from pipeline.models.inference import open_session
model = Path(sys.argv[1]).read_bytes()
sessions = [open_session("openvino", model, "fp32") for _ in range(3)]
while sessions:
    del sessions[0]
    gc.collect()
handled = []
signal.signal(signal.SIGUSR1, lambda *_: handled.append(1))
signal.raise_signal(signal.SIGUSR1)
sys.exit(0 if handled else 1)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_signals_are_handled_after_openvino_sessions_were_dropped(model, tmp_path):
    file = tmp_path / "model.onnx"
    file.write_bytes(model.onnx)
    done = subprocess.run([sys.executable, "-c", DROPPED, str(file)], cwd=ROOT, check=False)
    assert done.returncode == 0


@pytest.mark.parametrize("engine", ["torch", "onnx", "openvino"])
@pytest.mark.parametrize("size", [(8, 8), (64, 64), (56, 72)])
def test_engines_agree_on_the_restorer(engine, size, model, exact):
    start, hole = example(*size)
    with torch.inference_mode():
        expected = exact(torch.from_numpy(start), torch.from_numpy(hole)).numpy()
    network = load_model(ROOT / PRETRAINED / "restorer")[0] if engine == "torch" else model.onnx
    session = open_session(engine, network, "fp32")
    assert (session.engine, session.precision) == (engine, "fp32")
    found = session.run(start, hole)
    assert found.dtype == np.float32 and found.shape == expected.shape
    assert np.abs(found - expected).max() < 1e-4
    assert np.array_equal(found, session.run(start, hole)), "the same input gives the same bits"


class Small(torch.nn.Module):
    def __init__(self, seed):
        super().__init__()
        torch.manual_seed(seed)
        self.first = torch.nn.Conv2d(1, 4, 3, padding=1)
        self.last = torch.nn.Conv2d(4, 4, 3, padding=1)

    def forward(self, picture):
        return torch.nn.functional.pixel_shuffle(self.last(torch.relu(self.first(picture))), 2)


@pytest.mark.slow
def test_engines_agree_on_random_networks_of_any_size():
    network = Small(1)
    content = to_onnx(network, {"picture": 1}, "larger")
    sessions = [open_session(engine, content) for engine in ("onnx", "openvino")]
    sessions.append(open_session("torch", network))
    for height, width in ((1, 1), (5, 31), (40, 17)):
        picture = np.random.default_rng(0).random((1, 1, height, width), dtype=np.float32)
        results = [session.run(picture) for session in sessions]
        assert results[0].shape == (1, 1, 2 * height, 2 * width)
        assert all(np.abs(result - results[0]).max() < 1e-5 for result in results)


@pytest.mark.parametrize("engine", ["torch", "openvino"])
def test_half_precision_is_close(engine, model, exact):
    start, hole = example(64, 64)
    with torch.inference_mode():
        expected = exact(torch.from_numpy(start), torch.from_numpy(hole)).numpy()
    network = load_model(ROOT / PRETRAINED / "restorer")[0] if engine == "torch" else model.onnx
    session = open_session(engine, network, "bf16")
    assert session.precision in {"bf16", "fp32"}  # a CPU without such instructions computes in full
    assert np.abs(session.run(start, hole) - expected).max() < 0.02


def test_what_an_engine_cannot_run_is_said(monkeypatch, model):
    with pytest.raises(PentimentoError, match="'torch' cannot run an ONNX model"):
        open_session("torch", b"")
    with pytest.raises(PentimentoError, match="'onnx' cannot run a network of ours"):
        open_session("onnx", Small(0))
    with pytest.raises(PentimentoError, match="fp32 only"):
        open_session("onnx", model.onnx, "bf16")
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(PentimentoError, match=r"needs the package openvino: .*\.\[openvino\]"):
        open_session("openvino", model.onnx)


@pytest.mark.parametrize("engine", ["onnx", "openvino"])
def test_unknown_operators_and_damage_are_named(engine):
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, "h", "w"])
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    node = helper.make_node("Sparkle", ["x"], ["y"], domain="of.mine")
    graph = helper.make_graph([node], "g", [value], [out])
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("of.mine", 1)]
    content = helper.make_model(graph, opset_imports=opsets, ir_version=9).SerializeToString()
    with pytest.raises(PentimentoError, match=r"uses operators that \w+ [\d.]+.* lacks: .*Sparkle"):
        open_session(engine, content)
    with pytest.raises(PentimentoError, match="cannot load it: "):
        open_session(engine, content[:40])


@pytest.mark.parametrize("engine", ["torch", "onnx", "openvino"])
def test_an_input_that_does_not_fit_is_a_failed_step_and_spoils_nothing(engine, model):
    network = load_model(ROOT / PRETRAINED / "restorer")[0] if engine == "torch" else model.onnx
    session = open_session(engine, network)
    start, hole = example(64, 64)
    before = session.run(start, hole)
    for wrong in ((hole, hole), example(60, 63)):
        with pytest.raises(StepFailed, match=rf"^{inference.PACKAGES[engine]}: .+"):
            session.run(*wrong)
        assert np.array_equal(session.run(start, hole), before)


def test_the_device_is_asked_for_by_the_environment(monkeypatch):
    monkeypatch.setenv("PENTIMENTO_DEVICE", "cpu")
    for half, engine in ((True, "openvino"), (False, "onnx")):
        monkeypatch.setattr(inference, "_bf16", lambda half=half: half)
        assert inference.choose("auto") == engine and inference.choose("torch") == "torch"
        assert inference.choose("auto", "fp32") == "onnx"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setenv("PENTIMENTO_DEVICE", "cuda:1")
    assert inference.gpu() == "cuda:1" and inference.choose("auto") == "torch"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(PentimentoError, match="PENTIMENTO_DEVICE is cuda:1"):
        inference.gpu()


def test_what_is_written_down_of_an_engine():
    about = inference.describe("onnx", "fp32")
    assert about["engine"] == "onnx" and about["package"].startswith("onnxruntime 1.")


@pytest.fixture
def folder(tmp_path):
    network = build("residual_unet", SIZES)
    save_model(tmp_path / "restorer", network, "residual_unet", SIZES, {"start": "telea"})
    return tmp_path / "restorer"


def fake(folder, monkeypatch):
    """Exporting, without its cost; returns the list of the exports made."""
    made = []
    monkeypatch.setattr(export, "to_onnx", lambda *_: made.append(1) or b"model")
    return made


def test_an_exported_model_is_kept_until_weights_or_card_change(folder, tmp_path, monkeypatch):
    made, cache = fake(folder, monkeypatch), tmp_path / "engines"
    first = exported(folder, cache)
    assert exported(folder, cache) == first and len(made) == 1
    assert first.card["start"] == "telea" and first.multiple == 4
    save_model(folder, build("residual_unet", SIZES), "residual_unet", SIZES, {"start": "biharmonic"})
    assert exported(folder, cache).card["start"] == "biharmonic" and len(made) == 2


@pytest.mark.parametrize("suffix", [".onnx", ".json"])
@pytest.mark.parametrize("content", [None, b"", b"{}", b"[1]"])
def test_a_damaged_kept_model_is_made_again(folder, tmp_path, monkeypatch, suffix, content):
    made, cache = fake(folder, monkeypatch), tmp_path / "engines"
    first = exported(folder, cache)
    victim = next(cache.glob(f"*{suffix}"))
    victim.unlink()
    if content is not None:
        victim.write_bytes(content)
    assert exported(folder, cache) == first and len(made) == 2
    assert exported(folder, cache) == first and len(made) == 2


def test_a_state_folder_that_cannot_be_written_only_costs_time(folder, tmp_path, monkeypatch, capsys):
    made, cache = fake(folder, monkeypatch), tmp_path / "engines"
    cache.write_text("a file where a folder should be")
    exported(folder, cache)
    exported(folder, cache)
    assert len(made) == 2 and "is not kept" in capsys.readouterr().err


def test_a_model_is_kept_in_the_state_folder_of_its_project(tmp_path, monkeypatch):
    monkeypatch.delenv("PENTIMENTO_STATE", raising=False)
    assert kept_in(tmp_path) is None
    for name in ("dvc.yaml", "params.yaml"):
        (tmp_path / name).touch()
    assert kept_in(tmp_path / "models/restorer") == tmp_path.resolve() / ".state/engines"


def test_a_kept_model_needs_no_torch(model, monkeypatch):
    for name in [name for name in sys.modules if name == "torch" or name.startswith("torch.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.setenv("PENTIMENTO_DEVICE", "cpu")
    filler = LearntFiller(ROOT / PRETRAINED / "restorer", "auto")
    assert filler.session.engine != "torch"
    pixels = np.full((40, 40, 3), 0.5, np.float32)
    mask = np.zeros((40, 40), bool)
    mask[10:14, 10:20] = True
    assert np.isfinite(filler(pixels, mask)).all()


@pytest.mark.slow
def test_exports_are_the_same_bytes_and_sound_onnx(model):
    onnx.checker.check_model(onnx.load_model_from_string(model.onnx))
    network = Small(3)
    assert to_onnx(network, {"picture": 1}, "out") == to_onnx(network, {"picture": 1}, "out")
