"""The training stages whose default is to take the start weights over: on a tiny archive of originals."""

import importlib
import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pipeline.archive.fixity import file_sha256, tree_sha256
from pipeline.archive.shards import write_shards
from pipeline.errors import PentimentoError
from pipeline.models.registry import load_model
from pipeline.recipes.recipe import save_half
from pipeline.restoration.methods.colour import ColourModel
from pipeline.restoration.methods.learnt_detector import LearntDetector
from pipeline.restoration.methods.learnt_enhancer import LearntEnhancer, LearntUpscaler
from pipeline.stage import Context
from tests.conftest import ROOT, painting

SPLITS = ["train"] * 4 + ["val"] * 2 + ["test"]
SCHEDULE = {
    "start_from": None, "epochs": 1, "batch_size": 4, "learning_rate": 0.002, "cosine": True,
    "ema_decay": 0.5, "clip_norm": 1.0, "patience": 0, "seed": 0,
}  # fmt: skip
MENDING = {
    "side": 256, "works": 3, "penalty": "charbonnier", "fft_weight": 0.05, "bf16": True,
    "crops": {"side": 32, "per_epoch": 8, "validation": 2, "scales": [1, 1]},
}  # fmt: skip
NETWORKS = {
    "upscaler_x2": MENDING | {"network": {"width": 8, "blocks": 1}},
    "upscaler_x4": MENDING | {"network": {"width": 8, "blocks": 1}},
    "enhancer": MENDING
    | {"network": {"widths": [8, 8], "blocks": [1, 1]}, "most_noise": 50, "gaussian": 0.8},
    "colour": {
        "network": {"widths": [8], "histogram_widths": [8], "hidden": 8, "dropout": 0.1},
        "identity": 0.15, "both": 0.25, "pictures": 8, "weight_decay": 0.02, "least_change": 0.5,
    },
    "detector": {
        "network": {"widths": [8, 8], "blocks": [1], "dilations": [1]}, "side": 256, "works": 4, "bf16": True,
        "examples": {
            "crop": 32, "per_picture": 2, "pictures": 4, "smallest": 64, "largest": 128, "doubled": 0.5,
            "validation_pictures": 1,
        },
        "ageing": {"clean": 0.3, "crumbling": 0.2, "faint": 0.03, "near": 4, "often": {"hair": 3}},
        "rule": {
            "copies": 0.9, "margin": 0.02, "rim": 1, "wide": 5, "hint": 0.05, "draws": 1, "enlarged": 2,
        },
    },
}  # fmt: skip
OPENED = {
    "upscaler_x2": LearntUpscaler, "upscaler_x4": LearntUpscaler, "enhancer": LearntEnhancer,
    "colour": ColourModel, "detector": LearntDetector,
}  # fmt: skip


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project with originals, the table that says where they are, and prepared pictures."""
    monkeypatch.setenv("PENTIMENTO_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("PENTIMENTO_DEVICE", "cpu")
    monkeypatch.setattr("pipeline.recipes.detector_rule.CERTAIN", (0.5, 0.9))  # few rules to choose from
    monkeypatch.setattr("pipeline.recipes.detector_rule.CORES", (1,))
    files = [tmp_path / f"scans/{n}.png" for n in range(len(SPLITS))]
    files[0].parent.mkdir()
    for number, file in enumerate(files):
        Image.fromarray(painting(number)).save(file)
    ids = [f"folder:{file.name}" for file in files]
    index = write_shards(tmp_path / "prepared", [(key, painting(n)) for n, key in enumerate(ids)])
    index.assign(split=SPLITS).to_parquet(tmp_path / "prepared/index.parquet")
    pd.DataFrame(
        {
            "id": ids, "location": str(tmp_path / "scans"), "path": [file.name for file in files],
            "sha256": [file_sha256(file) for file in files],
        }
    ).to_parquet(tmp_path / "works.parquet")  # fmt: skip
    return tmp_path


def run(project, name, **changes):
    stage = importlib.import_module(f"pipeline.stages.train_{name}").STAGE
    params = stage.params.model_validate_json(json.dumps(SCHEDULE | NETWORKS[name] | changes))
    inputs = {"works": project / "works.parquet", "prepared": project / "prepared"}
    context = Context(stage.name, project, "code", "fingerprint")
    return stage.run(params, inputs, {"model": project / "models" / name}, context)


@pytest.mark.parametrize("name", NETWORKS)
def test_without_epochs_the_start_weights_are_taken_over_as_they_are(project, name):
    shipped = ROOT / "pretrained" / name
    metrics = run(project, name, epochs=0, start_from=str(shipped))
    assert tree_sha256(project / "models" / name) == tree_sha256(shipped)
    assert metrics == {"epochs": 0, "weights_sha256": file_sha256(shipped / "weights.safetensors")}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_budget_trains_a_network_that_a_restoration_can_open(project, name):
    metrics = run(project, name)
    folder = project / "models" / name
    OPENED[name](folder)
    card = json.loads((folder / "card.json").read_text())
    assert card["started_from"] == "new" and card["licence"] and card["limits"]
    archive = card["trained_on"]["archive"]
    assert archive["train_works"] == (3 if "crops" in NETWORKS[name] else 4)
    assert archive["sources"] == [str(project / "scans")] and len(archive["sha256"]) == 64
    assert card["recipe"]["epochs"] == metrics["epochs"] == card["trained_on"]["epochs"] == 1
    history = pd.read_csv(folder / "history.csv")
    assert len(history) == 1 and np.isfinite(history).all(axis=None)
    assert {key: metrics[key] for key in card["figures"]} == card["figures"]
    before = tree_sha256(folder)
    run(project, name)  # the checkpoint is complete: nothing is trained again
    assert tree_sha256(folder) == before


def test_a_training_goes_on_from_its_start_weights(project):
    run(project, "upscaler_x2")
    start = project / "start"
    (project / "models/upscaler_x2").rename(start)
    run(project, "upscaler_x2", start_from="start", learning_rate=1e-12, network={"width": 16, "blocks": 3})
    first, second = (load_model(folder)[0] for folder in (start, project / "models/upscaler_x2"))
    for name, weight in second.state_dict().items():  # their size, not the one that is set
        assert np.allclose(weight, first.state_dict()[name], atol=1e-3)


@pytest.mark.parametrize("epochs", [0, 1])
def test_start_weights_of_another_network_are_refused(project, epochs):
    shipped = str(ROOT / "pretrained/upscaler_x4")
    with pytest.raises(PentimentoError, match=r"train_upscaler_x2\.start_from: .* has scale 4, not 2"):
        run(project, "upscaler_x2", epochs=epochs, start_from=shipped)
    with pytest.raises(PentimentoError, match="has architecture 'upscaler', not 'colour_net'"):
        run(project, "colour", epochs=epochs, start_from=shipped)


def test_nothing_to_take_over_is_named(project):
    with pytest.raises(PentimentoError, match="epochs is 0 and start_from is null"):
        run(project, "colour", epochs=0)
    with pytest.raises(PentimentoError, match=r"no model in .*elsewhere"):
        run(project, "colour", epochs=0, start_from="elsewhere")


def test_an_unknown_kind_of_damage_is_named(project):
    ageing = NETWORKS["detector"]["ageing"] | {"often": {"mould": 2}}
    with pytest.raises(PentimentoError, match=r"train_detector\.ageing\.often: mould leaves no mask"):
        run(project, "detector", ageing=ageing)


def test_taking_over_loads_no_torch():
    names = ", ".join(f"train_{name}" for name in NETWORKS)
    code = f"import sys; from pipeline.stages import {names}; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_half_precision_leaves_the_network_as_it_is(tmp_path):
    network, card = load_model(ROOT / "pretrained/upscaler_x2")
    network = network.float()
    save_half(tmp_path, network, card["architecture"], card["arguments"], {})
    assert {weight.dtype.itemsize for weight in network.parameters()} == {4}
    assert (tmp_path / "weights.safetensors").read_bytes() == (
        ROOT / "pretrained/upscaler_x2/weights.safetensors"
    ).read_bytes()
