"""A family of one's own: registered from this file, it is reached from params.yaml and the commands."""

from __future__ import annotations

import importlib
import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from pydantic import Field
from torch import Tensor, nn
from typer.testing import CliRunner

from flows.cli import app
from pipeline import __main__ as door
from pipeline.archive.shards import INDEX, write_shards
from pipeline.catalog.sets import augmentation, balance
from pipeline.errors import PentimentoError
from pipeline.models.generator import PictureGenerator
from pipeline.models.registry import ARCHITECTURES, architecture, build
from pipeline.params import known_keys, read_params
from pipeline.training.families.classifiers import CLASSIFIERS, ClassifierFamily, ClassifierParams
from pipeline.training.families.generators import GENERATORS, GeneratorFamily, GeneratorParams
from pipeline.training.task import Batch, Row
from tests.conftest import ROOT

SCHOOLS = ("Blue", "Red")


class MeanColour(nn.Module):
    """Logits from the mean colour of a picture."""

    def __init__(self, outputs: int, width: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(3, width)
        self.logits = nn.Linear(width, outputs)

    def forward(self, pictures: Tensor) -> Tensor:
        return self.logits(torch.relu(self.hidden(pictures.mean(dim=(2, 3)))))


class Toy(ClassifierFamily):
    """`family: toy`."""

    architecture = "mean_colour"
    cross_validated: ClassVar[bool] = True
    width: int = Field(ge=1)

    def arguments(self, outputs: int) -> dict[str, Any]:
        return {"outputs": outputs, "width": self.width}


@pytest.fixture
def toy() -> Iterator[None]:
    architecture("mean_colour")(MeanColour)
    CLASSIFIERS.register("toy")(Toy)
    yield
    CLASSIFIERS.remove("toy")
    del ARCHITECTURES["mean_colour"]


class OneColour(PictureGenerator):
    """Pictures of one colour, the learnt one and a little of the seed's own."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side
        self.colour = nn.Parameter(torch.zeros(3))

    def forward(self, count: int) -> Tensor:
        return self.colour.expand(count, 3)

    def draw(self, seed: int, start: int, stop: int, truncation: float = 1.0) -> NDArray[np.uint8]:
        draws = [np.random.default_rng((seed, index)).integers(0, 20, 3) for index in range(start, stop)]
        colours = self(stop - start).detach().numpy() * 255 + truncation * np.array(draws)
        return np.broadcast_to(
            colours.clip(0, 255).astype(np.uint8)[:, None, None], (stop - start, self.side, self.side, 3)
        )


class ColourTask:
    """The squared distance to the mean colour of the pictures."""

    averaged = "generator"
    monitor = None

    def __init__(self, network: nn.Module, pictures: NDArray[np.uint8], rate: float) -> None:
        self.networks = {"generator": network}
        self.phases = [("all", "generator", torch.optim.SGD(network.parameters(), rate))]
        self.colours = torch.from_numpy(pictures.mean(axis=(1, 2)).astype(np.float32) / 255)

    def batches(self, epoch: int, rank: int, processes: int) -> Iterator[Batch]:
        yield {"colours": self.colours}

    def loss(self, phase: str, batch: Batch, networks: dict[str, nn.Module]) -> tuple[Tensor, Row]:
        wanted = batch["colours"]
        loss = (networks["generator"](len(wanted)) - wanted).square().mean()
        return loss, {"loss": loss.item()}

    def validate(self, network: nn.Module, epoch: int) -> Row:
        return {}


class ToyGenerator(GeneratorFamily):
    """`family: toy`, without parameters."""

    architecture = "one_colour"

    def arguments(self, side: int) -> dict[str, Any]:
        return {"side": side}

    def networks(self, side: int) -> dict[str, nn.Module]:
        return {"generator": OneColour(side)}

    def task(
        self, networks: Any, pictures: NDArray[np.uint8], params: GeneratorParams, grids: Path
    ) -> ColourTask:
        return ColourTask(networks["generator"], pictures, params.learning_rate)


@pytest.fixture
def toy_generator() -> Iterator[None]:
    architecture("one_colour")(OneColour)
    GENERATORS.register("toy")(ToyGenerator)
    yield
    GENERATORS.remove("toy")
    del ARCHITECTURES["one_colour"]


@pytest.fixture
def prepared(project: Path) -> Path:
    """Sixteen works, blue or red; the project's settings are those of a tiny run."""
    folder = project / "data" / "prepared"
    rng = np.random.default_rng(0)
    pictures, rows = [], []
    for n in range(16):
        picture = rng.integers(0, 90, (40, 40, 3)).astype(np.uint8)
        picture[..., 2 if n % 2 == 0 else 0] += 150
        pictures.append((f"w{n}", picture))
        rows.append(
            {
                "id": f"w{n}", "split": "train" if n < 8 else ("val" if n < 12 else "test"), "title": "t",
                "artist": "a", "year": 1800, "school": SCHOOLS[n % 2], "school_origin": "recorded",
                "tags": [], "group": n, "repeat": 1, "weight": 1.0, "strength": 0.0,
            }
        )  # fmt: skip
    pd.DataFrame(rows).merge(write_shards(folder, pictures), on="id").to_parquet(folder / INDEX, index=False)
    (folder / "classes.json").write_text(json.dumps({"school": SCHOOLS, "tags": []}))
    augmentation.record(folder, [{"HorizontalFlip": {"p": 0.5}}], None, 0)
    balance.Balancing("none", 0).record(folder)
    return project


def write_params(project: Path, **changes: object) -> None:
    values = read_params(project / "params.yaml")
    values["train_classifier"] |= {"side": 32, "epochs": 40, "batch_size": 4, "learning_rate": 0.02}
    values["train_classifier"]["losses"] |= {"l2_school": 0.0, "l2_tags": 0.0}
    values["train_classifier"] |= changes
    values["evaluate_classifier"] |= {"folds": 2, "bootstrap": 100}
    (project / "params.yaml").write_text(json.dumps(values))


def stage(monkeypatch: pytest.MonkeyPatch, name: str) -> int:
    """`python -m pipeline NAME`."""
    monkeypatch.setattr(sys, "argv", ["pipeline", name])
    return door.main()


def test_a_classifier_family_is_trained_judged_and_used(
    prepared: Path, toy: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_params(prepared, family="toy", toy={"width": 4})
    assert stage(monkeypatch, "train_classifier") == 0
    card = json.loads((prepared / "models/classifier/card.json").read_text())
    assert (card["recipe"]["family"], card["recipe"]["toy"]) == ("toy", {"width": 4})
    assert "cnn" not in card["recipe"], "a card keeps the parameters of its own family"
    assert stage(monkeypatch, "evaluate_classifier") == 0
    judged = json.loads((prepared / "reports/metrics/evaluate_classifier.json").read_text())
    assert judged["cross_validated"]["school"]["accuracy"]["value"] > 0.9

    Image.fromarray(np.full((20, 20, 3), (20, 20, 200), np.uint8)).save(prepared / "blue.png")
    run = CliRunner().invoke(app, ["classify", "blue.png", "--json"])
    assert run.exit_code == 0, run.output
    assert json.loads(run.stdout)[0]["school"] == "Blue"


def test_a_generator_family_is_trained_judged_and_used(
    prepared: Path, toy_generator: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PENTIMENTO_DEVICE", "cpu")
    shutil.copytree(ROOT / "pretrained" / "generator", prepared / "pretrained" / "generator")
    values = read_params(prepared / "params.yaml")
    values["train_generator"] |= {
        "family": "toy", "side": 32, "views": 1, "start_from": None, "epochs": 20, "learning_rate": 1.0,
        "ema_decay": 0.0,
    }  # fmt: skip
    values["evaluate_generator"] |= {"samples": 16, "subset": 8, "repeats": 10}
    values["generate"] |= {"count": 3}
    (prepared / "params.yaml").write_text(json.dumps(values))
    for name in ("train_generator", "evaluate_generator", "generate"):
        assert stage(monkeypatch, name) == 0, name
    made = np.asarray(Image.open(prepared / "data/generated/000002.png")).reshape(-1, 3)
    assert (made == made[0]).all()
    mean = np.array([120, 45, 120])  # of red and blue works; noise of 0 to 90 is in all channels
    assert np.abs(made[0] - mean).max() < 25
    run = CliRunner().invoke(app, ["generate", "studies", "-n", "3", "--seed", "0"])
    assert run.exit_code == 0, run.output
    assert (Path("studies") / "000002.png").read_bytes() == (
        prepared / "data/generated/000002.png"
    ).read_bytes()


def test_checkpoints_of_other_code_are_not_used(prepared: Path, toy: None) -> None:
    params = ClassifierParams.of_card({"recipe": recipe("toy", toy={"width": 4})}, prepared)
    folder = params.checkpoints(prepared)
    assert folder.parent == prepared
    assert folder.name.startswith("toy-")
    assert (
        ClassifierParams.of_card({"recipe": recipe("fine_tune")}, prepared).checkpoints(prepared) == prepared
    )


def recipe(family: str, **section: object) -> dict[str, Any]:
    values = read_params(Path("params.yaml"))["train_classifier"]
    return {key: value for key, value in values.items() if key not in ("cnn", "frozen")} | {
        "family": family, **section,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"family": "toy"}, "'train_classifier.toy' is missing"),
        (
            {"family": "toy", "toy": {"widht": 4}},
            "unknown key 'train_classifier.toy.widht'; did you mean 'train_classifier.toy.width'?",
        ),
        (
            {"toy": {"width": 0}},
            "'train_classifier.toy.width' is 0: input should be greater than or equal to 1",
        ),
        ({"family": "tory", "toy": {"width": 4}}, "'train_classifier.family' is 'tory': input should be"),
        (
            {"model": "cnn", "toy": {"width": 4}},
            "unknown key 'train_classifier.model': it is now 'train_classifier.family'",
        ),
        (
            {"dropout": 0.1, "toy": {"width": 4}},
            "unknown key 'train_classifier.dropout': it is now 'train_classifier.cnn.dropout'",
        ),
    ],
)
def test_the_family_s_keys_are_checked_like_all_others(
    prepared: Path,
    toy: None,
    changes: dict[str, Any],
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_params(prepared, **changes)
    assert stage(monkeypatch, "train_classifier") == 1
    assert words in capsys.readouterr().err


def test_a_family_that_is_not_registered_any_more_leaves_no_section() -> None:
    assert "toy.width" not in known_keys(ClassifierParams)
    assert {"cnn.dropout", "frozen.views"} <= set(known_keys(ClassifierParams))


@pytest.mark.parametrize(
    ("card", "words"),
    [
        ({"recipe": {"model": "frozen"}}, "its card names no family; train it again"),
        ({"recipe": {"family": "toy"}}, "there is no classifier family 'toy'"),
        ({"recipe": {"family": "cnn"}}, r"recipe\.epochs of its card: Field required; train it again"),
    ],
)
def test_a_card_of_another_version_is_refused_with_what_to_do(card: dict[str, Any], words: str) -> None:
    with pytest.raises(PentimentoError, match=words):
        ClassifierParams.of_card(card, Path("models/classifier"))


def test_the_pages_own_family_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (ROOT / "docs/stages.md").read_text()
    (code,) = [part for part in page.split("```python\n")[1:] if "CLASSIFIERS.register" in part]
    (tmp_path / "wide_of_the_page.py").write_text(code.partition("```")[0])
    monkeypatch.syspath_prepend(tmp_path)
    try:
        family = importlib.import_module("wide_of_the_page").Wide(width=4)
        network = build(family.architecture, family.arguments(3))
        assert CLASSIFIERS["wide"] is type(family)
    finally:
        CLASSIFIERS.remove("wide")
        ARCHITECTURES.pop("wide_net", None)
    assert network(torch.zeros(2, 3, 8, 8)).shape == (2, 3)
