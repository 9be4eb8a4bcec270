"""The stages of the restorer on a tiny archive: train, go on after a stop, evaluate, damage."""

import hashlib
import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from pipeline.archive.fixity import file_sha256
from pipeline.archive.shards import Shards, write_shards
from pipeline.damage import MASKED
from pipeline.errors import PentimentoError
from pipeline.models.registry import load_card, load_model, save_model
from pipeline.restoration.methods.learnt_filler import LearntFiller
from pipeline.stage import Context
from pipeline.stages import damage, evaluate_restorer, train_restorer
from pipeline.training.loop import make_fabric
from tests.conftest import TRAIN_RESTORER as TRAIN
from tests.conftest import painting

SPLITS = ["train"] * 4 + ["val"] * 2 + ["test"] * 4


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project folder with prepared pictures and the works that they come from."""
    monkeypatch.setenv("PENTIMENTO_STATE", str(tmp_path / "state"))
    pictures = [(f"folder:{n}", painting(n)) for n in range(len(SPLITS))]
    index = write_shards(tmp_path / "prepared", pictures).assign(split=SPLITS)
    index.to_parquet(tmp_path / "prepared" / "index.parquet")
    (tmp_path / "scans").mkdir()
    for n, (_, pixels) in enumerate(pictures):
        Image.fromarray(pixels).save(tmp_path / "scans" / f"{n}.png")
    works = pd.DataFrame(
        {
            "id": [key for key, _ in pictures],
            "location": str(tmp_path / "scans"),
            "path": [f"{n}.png" for n in range(len(SPLITS))],
            "sha256": [file_sha256(tmp_path / "scans" / f"{n}.png") for n in range(len(SPLITS))],
        }
    )
    works.to_parquet(tmp_path / "works.parquet")
    return tmp_path


def context(project, stage):
    return Context(stage, project, "fingerprint", "0" * 64)


def train(project, out="one", **changes):
    params = train_restorer.Params.model_validate_json(json.dumps(TRAIN | changes))
    outputs = {"restorer": project / out / "restorer", "plots": project / out / "plots"}
    inputs = {"prepared": project / "prepared"}
    return train_restorer.run(params, inputs, outputs, context(project, "train_restorer"))


def digest(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(f.relative_to(folder)): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


def test_training_writes_a_restorer_its_history_and_a_contact_sheet(project):
    metrics = train(project)
    history = pd.read_csv(project / "one/plots/history.csv")
    assert metrics["epochs"] == len(history) == 2
    assert metrics["val_psnr"] == pytest.approx(history["val_psnr"].max(), abs=1e-3)
    assert np.isfinite(history).all(axis=None)
    with Image.open(project / "one/plots/damage.png") as sheet:
        assert sheet.height > 2000  # a row for every kind of damage
    assert load_card(project / "one/restorer")["started_from"] == "new"
    assert LearntFiller(project / "one/restorer").start.name == "navier_stokes"


def test_training_from_a_cold_and_from_a_warm_state_gives_the_same_bytes(project, monkeypatch):
    train(project, "cold")
    train(project, "warm")  # its checkpoint is complete: nothing is trained again
    monkeypatch.setenv("PENTIMENTO_STATE", str(project / "another"))
    train(project, "again")
    cold = digest(project / "cold")
    assert len(cold) == 4
    assert cold == digest(project / "warm") == digest(project / "again")


def test_training_goes_on_from_pretrained_weights(project):
    train(project)
    network, arguments = load_model(project / "one/restorer")[0], TRAIN["network"]
    save_model(
        project / "pretrained",
        network.half(),
        "residual_unet",
        arguments,
        {"start": "navier_stokes"},
    )
    train(project, "two", start_from="pretrained", epochs=1, learning_rate=1e-12)
    assert load_card(project / "two/restorer")["started_from"] != "new"
    weights = load_model(project / "two/restorer")[0].state_dict()
    for name, value in network.float().state_dict().items():
        assert np.array_equal(weights[name].numpy(), value.numpy())


def test_a_discriminator_leaves_a_restorer_that_states_what_it_cost(project, monkeypatch):
    group = TRAIN["adversarial"] | {"weight": 0.5}
    train(project)
    monkeypatch.setenv("PENTIMENTO_STATE", str(project / "another"))
    metrics = train(project, "two", adversarial=group)
    card, plain = (load_card(project / folder / "restorer") for folder in ("two", "one"))
    figures = {"adversarial_epochs", "psnr_given_up", "val_sharpness"}
    assert set(card["adversarial"]) == set(group) | figures <= set(metrics) | set(group)
    assert metrics["adversarial_epochs"] == 1 and metrics["psnr_given_up"] >= 0
    assert "invents texture" in card["limits"] and "adversarial" not in plain
    history = pd.read_csv(project / "two/plots/history.csv")
    assert history["d_loss"].isna().tolist() == [True, False]
    files = [digest(project / folder / "restorer") for folder in ("two", "one")]
    assert files[0]["weights.safetensors"] != files[1]["weights.safetensors"]
    assert LearntFiller(project / "two/restorer").start.name == "navier_stokes"


def test_pretrained_weights_of_another_start_are_refused(project):
    train(project)
    with pytest.raises(PentimentoError, match="has start 'navier_stokes', not 'telea'"):
        train(project, "two", start="telea", start_from="one/restorer")


def test_a_kind_that_leaves_no_holes_is_refused(project):
    with pytest.raises(PentimentoError, match="noise leaves no holes"):
        train(project, kinds=["cracks", "noise"])


def test_every_method_is_measured_and_the_best_on_val_is_chosen(project):
    train(project)
    outputs = {"plots": project / "evaluated", "methods": project / "methods.json"}
    params = evaluate_restorer.Params(choosing=2, testing=2, panels=1, seed=0)
    inputs = {"prepared": project / "prepared", "restorer": project / "one/restorer"}
    metrics = evaluate_restorer.run(params, inputs, outputs, context(project, "evaluate_restorer"))
    assert set(metrics["psnr"]) == set(MASKED)
    for figures in metrics["psnr"].values():
        assert set(figures) == {"telea", "navier_stokes", "biharmonic", "tension", "learnt"}
        assert all(f["low"] <= f["value"] <= f["high"] for f in figures.values())
    assert metrics["psnr_outside_lowest"] == 100
    assert len(pd.read_csv(outputs["plots"] / "by_kind.csv")) == 5 * len(MASKED)
    assert len(list(outputs["plots"].glob("*.png"))) == len(MASKED)
    choice = json.loads(outputs["methods"].read_text())
    assert set(choice["by_shape"]) == {"thin", "wide"}
    for part in ("by_kind", "by_shape"):
        for entry in choice[part].values():
            assert entry["val_psnr"][entry["best"]] == max(entry["val_psnr"].values())
    worse = {kind for kind, entry in choice["by_kind"].items() if entry["best"] != "learnt"}
    assert set(metrics["classical_better_for"]) == worse


def read(path):
    with Image.open(path) as picture:
        return np.asarray(picture, float)


def make_damage(project, out="damaged"):
    params = damage.Params(works=4, max_side=4096, seed=0)
    inputs = {"works": project / "works.parquet", "prepared": project / "prepared"}
    return damage.run(params, inputs, {"damaged": project / out}, context(project, "damage"))


def test_the_damaged_archive_differs_from_the_truth_in_the_mask_only(project):
    metrics = make_damage(project)
    table = pd.read_csv(project / "damaged/manifest.csv")
    assert metrics["works"] == len(table) == 4
    assert set(table["format"]) == set(damage.FORMATS)
    assert list(table["kind"]) == ["cracks", "scratches", "losses", "stains"]
    for entry in table.itertuples():
        truth = read(project / f"damaged/truth/{entry.path}.png")
        mask = read(project / f"damaged/masks/{entry.path}.png") == 255
        if entry.format == "tiff16":
            import tifffile

            work = tifffile.imread(project / "damaged/works" / entry.path) / 257
        else:
            work = read(project / "damaged/works" / entry.path)
        assert mask.mean() == pytest.approx(entry.share, abs=1e-4) and mask.any()
        if entry.format != "jpeg":
            assert np.array_equal(work[~mask], truth[~mask])
        assert np.abs(work - truth)[mask].mean() > 10 > np.abs(work - truth)[~mask].mean()


def test_the_damaged_archive_comes_from_test_works_and_is_the_same_every_time(project):
    make_damage(project)
    make_damage(project, "again")
    assert digest(project / "damaged") == digest(project / "again")
    index = Shards(project / "prepared").index.set_index("id")["split"]
    ids = pd.read_csv(project / "damaged/manifest.csv")["id"]
    assert set(index[ids]) == {"test"}


def test_an_original_that_cannot_be_read_stops_the_damage_with_a_reason(project):
    number = SPLITS.index("test")
    (project / f"scans/{number}.png").write_bytes(b"no picture")
    with pytest.raises(PentimentoError, match=rf"folder:{number}: {number}.png: is another file than"):
        make_damage(project)
    assert not (project / "damaged").exists()


TWO_DEVICES = """
import json, os, sys
from pathlib import Path

import torch

from pipeline.stage import Context
from pipeline.stages import train_restorer
from pipeline.training.loop import Trainer

project, rank = Path(sys.argv[1]), os.environ.get("LOCAL_RANK", "0")
fit = Trainer.fit

def noted(trainer, label):
    network = fit(trainer, label)
    torch.save({"weights": network.state_dict(), "history": trainer.history}, project / f"rank{rank}.pt")
    return network

Trainer.fit = noted
params = train_restorer.Params.model_validate_json(sys.argv[2])
outputs = {"restorer": project / "two/restorer", "plots": project / "two/plots"}
context = Context("train_restorer", project, "fingerprint", "0" * 64)
train_restorer.run(params, {"prepared": project / "prepared"}, outputs, context)
(project / f"written-by-{rank}").touch()
"""


def test_two_devices_train_one_restorer_that_one_process_writes(project, monkeypatch):
    monkeypatch.setenv("PENTIMENTO_DEVICES", "2")
    monkeypatch.setenv("PENTIMENTO_DEVICE", "cpu")
    script = project / "two.py"
    script.write_text(TWO_DEVICES)
    done = subprocess.run(
        [sys.executable, str(script), str(project), json.dumps(TRAIN)],
        capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    first, second = (torch.load(project / f"rank{rank}.pt", weights_only=True) for rank in (0, 1))
    assert first["history"] == second["history"] and len(first["history"]) == TRAIN["epochs"]
    network, _ = load_model(project / "two/restorer")
    for name, weight in network.state_dict().items():
        assert torch.equal(first["weights"][name], second["weights"][name])
        assert torch.equal(first["weights"][name].cpu(), weight)
    assert (project / "written-by-0").exists() and not (project / "written-by-1").exists()


def test_several_devices_and_a_named_one_contradict_each_other(monkeypatch):
    monkeypatch.setenv("PENTIMENTO_DEVICES", "2")
    monkeypatch.setenv("PENTIMENTO_DEVICE", "cuda:1")
    with pytest.raises(PentimentoError, match="names one device, cuda:1, but PENTIMENTO_DEVICES is 2"):
        make_fabric()
