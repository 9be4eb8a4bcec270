"""The generator's stages one after the other, on a tiny archive."""

import json

import cv2
import numpy as np
import pandas as pd
import pytest
import torch

from pipeline.archive.shards import INDEX, write_shards
from pipeline.errors import PentimentoError
from pipeline.models.gan import Discriminator, Generator
from pipeline.models.registry import load_card, load_model, save_model
from pipeline.stage import Context
from pipeline.stages import evaluate_generator, generate, train_generator

SIDE = 32


@pytest.fixture(autouse=True)
def _on_the_cpu(monkeypatch):
    monkeypatch.setenv("PENTIMENTO_DEVICE", "cpu")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """32 pictures of 48 x 40 pixels, each of one hue with a bright square; half of them to train on."""
    folder = tmp_path_factory.mktemp("data") / "prepared"
    rng = np.random.default_rng(0)
    pictures = []
    for number in range(32):
        picture = np.full((48, 40, 3), rng.integers(0, 200, 3), np.uint8)
        picture[10:20, 10:20] = 255
        pictures.append((f"w{number}", picture))
    index = write_shards(folder, pictures)
    index["split"] = ["train"] * 16 + ["val"] * 8 + ["test"] * 8
    index.to_parquet(folder / INDEX, index=False)
    return folder


def params(epochs=2, **changes) -> train_generator.Params:
    values = {
        "family": "gan", "side": SIDE, "views": 2, "start_from": None,
        "epochs": epochs, "batch_size": 8, "learning_rate": 0.001, "cosine": False,
        "ema_decay": 0.9, "clip_norm": 0.0, "patience": 0, "seed": 0,
        "gan": {
            "latent": 8, "width": 4, "discriminator_width": 4, "projected": False,
            "adversarial": {
                "discriminator_rate": 0.001, "augment": 1.0, "r1_weight": 1.0, "r1_every": 2,
                "grid_every": 1, "precision": "fp32",
            },
        },
    }  # fmt: skip
    return train_generator.Params.current().model_validate(values | changes)


def context_of(stage, root) -> Context:
    return Context(stage=stage, root=root, code="c" * 64, fingerprint="f" * 16, inputs_sha256="a" * 64)


def train(tmp_path, prepared, name="run", state="state", **changes):
    outputs = {"generator": tmp_path / name / "generator", "plots": tmp_path / name / "plots"}
    context = context_of("train_generator", tmp_path / state)
    metrics = train_generator.run(params(**changes), {"prepared": prepared}, outputs, context)
    return outputs, metrics


def files(folder) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_training_leaves_a_model_a_history_and_grids(tmp_path, prepared):
    outputs, metrics = train(tmp_path, prepared)
    assert (metrics["epochs"], metrics["pictures"]) == (2, 32)
    history = pd.read_csv(outputs["plots"] / "history.csv")
    assert history["epoch"].tolist() == [1, 2]
    assert {"d_loss", "g_loss"} <= set(history.columns)
    assert {"samples-0001.png", "samples-0002.png"} <= set(files(outputs["plots"]))
    network, card = load_model(outputs["generator"])
    assert network(torch.zeros(1, 8)).shape == (1, 3, SIDE, SIDE)
    assert card["trained_on"]["works"] == 16


def test_a_resumed_run_leaves_the_same_files(tmp_path, prepared):
    whole, _ = train(tmp_path, prepared, "whole", state="cold")
    train(tmp_path, prepared, "short", state="warm", epochs=1)
    resumed, _ = train(tmp_path, prepared, "resumed", state="warm")
    assert files(whole["plots"]) == files(resumed["plots"])
    assert files(whole["generator"]) == files(resumed["generator"])


def test_start_weights_are_used_and_named(tmp_path, prepared):
    torch.manual_seed(5)
    generator, discriminator = Generator(8, 4, SIDE), Discriminator(4, SIDE, False)
    sizes = {"latent": 8, "width": 4, "side": SIDE}
    folder = tmp_path / "state" / "begin"
    save_model(folder, generator.half(), "gan_generator", sizes, {})
    sizes = {"width": 4, "side": SIDE, "projected": False}
    save_model(folder / "discriminator", discriminator.half(), "gan_discriminator", sizes, {})
    fresh, _ = train(tmp_path, prepared, "fresh")
    started, _ = train(tmp_path, prepared, "started", start_from="begin")
    assert len(load_card(started["generator"])["start_sha256"]) == 64
    first, second = (load_model(o["generator"])[0].state_dict() for o in (fresh, started))
    origin = generator.float().state_dict()
    near = (second["start.weight"] - origin["start.weight"]).abs().max()
    assert near < 0.05 < (first["start.weight"] - origin["start.weight"]).abs().max()


def test_start_weights_of_another_size_are_refused(tmp_path, prepared):
    folder = tmp_path / "state" / "begin"
    sizes = {"latent": 8, "width": 8, "side": SIDE}
    save_model(folder, Generator(**sizes), "gan_generator", sizes, {})
    with pytest.raises(PentimentoError, match="does not fit train_generator"):
        train(tmp_path, prepared, start_from="begin")


def test_missing_start_weights_are_said(tmp_path, prepared):
    with pytest.raises(PentimentoError, match="no model in"):
        train(tmp_path, prepared, start_from="nowhere")


def test_evaluation_measures_trained_untrained_and_real(tmp_path, prepared):
    model, _ = train(tmp_path, prepared)
    outputs = {"plots": tmp_path / "evaluation"}
    inputs = {"prepared": prepared, "generator": model["generator"]}
    settings = evaluate_generator.Params(samples=16, subset=8, repeats=20, neighbours=3, seed=0)
    context = context_of("evaluate_generator", tmp_path)
    metrics = evaluate_generator.run(settings, inputs, outputs, context)
    for name in ("trained", "untrained", "real"):
        kid = metrics[name]["KID-Lite0"]
        assert kid["low"] <= kid["high"]
        assert 0 <= metrics[name]["precision"] <= 1
    real, untrained = metrics["real"]["KID-Lite0"], metrics["untrained"]["KID-Lite0"]
    assert real["value"] < untrained["value"]
    table = pd.read_csv(outputs["plots"] / "kid.csv")
    assert table["pictures"].tolist() == ["trained", "untrained", "real"]
    assert cv2.imread(str(outputs["plots"] / "neighbours.png")) is not None
    assert json.loads(json.dumps(metrics)) == metrics
    before = files(outputs["plots"])
    assert evaluate_generator.run(settings, inputs, outputs, context) == metrics
    assert files(outputs["plots"]) == before


def test_generate_writes_pictures_and_a_grid(tmp_path, prepared):
    model, _ = train(tmp_path, prepared)
    outputs = {"generated": tmp_path / "generated"}
    settings = generate.Params(count=5, seed=0, truncation=0.8)
    metrics = generate.run(
        settings, {"generator": model["generator"]}, outputs, context_of("generate", tmp_path)
    )
    assert metrics == {"pictures": 5, "side": SIDE}
    assert len(list(outputs["generated"].glob("0*.png"))) == 5
    assert cv2.imread(str(outputs["generated"] / "000004.png")).shape == (SIDE, SIDE, 3)
    assert (outputs["generated"] / "grid.png").exists()
