"""Weights are made by a recipe file: every shipped one is sound, and a small one runs end to end."""

import math

import pytest
import torch
from PIL import Image
from ruamel.yaml import YAML

from pipeline.errors import PentimentoError
from pipeline.models.registry import load_card, load_model
from pipeline.restoration.methods.learnt_enhancer import LearntUpscaler
from pipeline.restoration.methods.learnt_filler import LearntFiller
from pipeline.training.families.generators import load_start_weights
from pipeline.weights import RECIPES, make, read
from tests.conftest import ROOT, TRAIN_RESTORER, painting
from tests.stages.test_training import NETWORKS, SCHEDULE
from tests.stages.test_training import project as archive  # noqa: F401

GENERATOR = SCHEDULE | {
    "family": "gan", "side": 32, "views": 1,
    "gan": {
        "latent": 8, "width": 4, "discriminator_width": 4, "projected": False,
        "adversarial": {
            "discriminator_rate": 0.001, "augment": 0.5, "r1_weight": 0.3, "r1_every": 8, "grid_every": 3,
            "precision": "fp32",
        },
    },
}  # fmt: skip


@pytest.fixture
def project(archive, monkeypatch):  # noqa: F811
    (archive / "data").mkdir()
    for name in ("works.parquet", "prepared"):
        (archive / name).rename(archive / "data" / name)
    for name in ("dvc.yaml", "params.yaml"):
        (archive / name).write_text("{}")
    (archive / "profiles/weights").mkdir(parents=True)
    monkeypatch.chdir(archive)
    return archive


def write(project, name, training, runs=({},), average=None, kept=0):
    recipe = {
        "data": {"side": 96, "kept": kept},
        "training": training,
        "runs": list(runs),
        "average": average,
    }
    with (project / f"profiles/weights/{name}.yaml").open("w") as file:
        YAML().dump(recipe, file)


@pytest.mark.parametrize("name", RECIPES)
def test_every_shipped_weight_has_a_sound_recipe(name):
    file, runs = read(name, ROOT)
    assert runs[0].start_from is None and all(run.epochs > 0 for run in runs)
    card = load_card(ROOT / "pretrained" / name)
    assert RECIPES[name].architecture == card["architecture"]
    assert RECIPES[name].arguments(runs[0]) == card["arguments"]
    assert runs[-1].epochs == (card.get("recipe", {}).get("epochs") if name != "generator" else 87)
    assert file.average == (0.7 if name == "upscaler_x2" else None)


def test_runs_follow_each_other_and_the_card_says_what_was_done(project):
    pictures = project / "more"
    pictures.mkdir()
    for number in range(5):
        Image.fromarray(painting(50 + number)).save(pictures / f"p{number}.png")
    (project / "measured.txt").write_text("p4.png\n")
    training = SCHEDULE | NETWORKS["upscaler_x2"]
    write(project, "upscaler_x2", training, [{}, {"seed": 5, "crops": {"side": 48}}], average=0.5, kept=2)
    options = {"folders": [pictures], "exclude": project / "measured.txt"}
    card = make("upscaler_x2", project, project / "out", **options)
    assert card == {
        k: v for k, v in load_card(project / "out").items() if k not in ("architecture", "arguments")
    }
    (folder,) = card["trained_on"]["folders"]
    assert (folder["name"], folder["train_pictures"], folder["val_pictures"]) == ("more", 2, 2)
    assert card["trained_on"]["archive"]["sources"] == [str(project / "scans")]
    assert card["recipe"]["crops"]["side"] == 48 and card["recipe_file"]["name"] == "upscaler_x2.yaml"
    assert [run["epochs"] for run in card["runs"]] == [1, 1] and card["runs"][1]["figures"] == card["figures"]
    assert card["licence"] and card["limits"] and card["purpose"] and card["minutes"] >= 0
    assert LearntUpscaler(project / "out").scale == 2
    first = (project / "out/weights.safetensors").read_bytes()
    make("upscaler_x2", project, project / "again", **options)  # its checkpoints are complete
    assert (project / "again/weights.safetensors").read_bytes() == first
    write(project, "upscaler_x2", training, [{}, {"seed": 5, "crops": {"side": 48}}], kept=2)
    make("upscaler_x2", project, project / "last", **options)
    assert (project / "last/weights.safetensors").read_bytes() != first  # the mean of two runs is another


def test_a_budget_that_is_spent_ends_with_a_model_and_without_a_checkpoint(project):
    write(project, "upscaler_x2", SCHEDULE | NETWORKS["upscaler_x2"] | {"epochs": 3})
    card = make("upscaler_x2", project, project / "out", minutes=0.0)
    assert card["trained_on"]["epochs"] == 1 and all(map(math.isfinite, card["figures"].values()))
    assert not [*(project / "state").rglob("*.ckpt")]
    assert make("upscaler_x2", project, project / "out")["trained_on"]["epochs"] == 3


def test_a_restorer_and_a_generator_are_made_as_well(project):
    write(project, "restorer", TRAIN_RESTORER | {"epochs": 1})
    assert make("restorer", project, project / "restorer")["start"] == "navier_stokes"
    assert LearntFiller(project / "restorer").start.name == "navier_stokes"
    write(project, "generator", GENERATOR)
    make("generator", project, project / "generator")
    _, params = read("generator", project)
    networks = params[0].chosen.networks(32)
    load_start_weights(networks, project / "generator", "gan")  # of both networks
    saved, _ = load_model(project / "generator/discriminator")
    for key, weight in saved.state_dict().items():
        assert torch.equal(networks["discriminator"].state_dict()[key].to(weight), weight)


def test_what_is_wrong_is_named(project):
    with pytest.raises(PentimentoError, match="there is no network 'painter'; there are: restorer, detector"):
        read("painter", project)
    write(project, "colour", SCHEDULE | NETWORKS["colour"], [{"identitty": 0.1}])
    with pytest.raises(PentimentoError, match=r"colour.yaml: unknown key 'run 1.identitty'; did you mean"):
        read("colour", project)
    write(project, "colour", SCHEDULE | NETWORKS["colour"], average=0.5)
    with pytest.raises(PentimentoError, match="average needs two runs"):
        read("colour", project)
    write(project, "colour", SCHEDULE | NETWORKS["colour"])
    (project / "empty").mkdir()
    with pytest.raises(PentimentoError, match="empty holds no readable picture"):
        make("colour", project, project / "out", folders=[project / "empty"])
    assert not (project / "out").exists()
