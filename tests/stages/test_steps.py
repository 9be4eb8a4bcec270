"""The other steps are measured on the same works, and the better method of each is chosen."""

import json
import re
import shutil

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from pipeline import paths
from pipeline.archive.canvas import Canvas
from pipeline.archive.fixity import file_sha256
from pipeline.errors import PentimentoError
from pipeline.models.registry import build, save_model
from pipeline.restoration.methods import classical, detect
from pipeline.restoration.methods.classical import Lanczos, LevelsAndDenoise
from pipeline.restoration.methods.detect import ClassicalDetector
from pipeline.restoration.methods.kit import variants
from pipeline.restoration.methods.measured import best_methods
from pipeline.restoration.methods.weights import Weights
from pipeline.restoration.work.enhancing import improve
from pipeline.stage import Context
from pipeline.stages import evaluate_steps
from pipeline.stages.evaluate_steps import CLEAN, choose, reduced
from tests.conftest import painting

SPLITS = ["val"] * 2 + ["test"] * 2


PARAMS = evaluate_steps.Params(choosing=2, testing=2, noise=(20,), panels=1, seed=0)


def full_range(seed):
    """A painting with black and white in it, whose levels are right as they are."""
    pixels = painting(seed).astype(float)
    low, high = np.percentile(pixels, (1, 99), axis=(0, 1))
    return ((pixels - low) / (high - low) * 255).clip(0, 255).astype(np.uint8)


@pytest.fixture
def project(tmp_path):
    """Four works: their originals, the table that says where those are, and the splits."""
    files = [tmp_path / f"archive/{number}.png" for number in range(len(SPLITS))]
    files[0].parent.mkdir()
    for number, file in enumerate(files):
        Image.fromarray(full_range(number)).save(file)
    works = pd.DataFrame({"id": [f"folder:{file.name}" for file in files]})
    places = {"location": "archive", "path": [file.name for file in files]}
    works.assign(**places, sha256=[file_sha256(file) for file in files]).to_parquet(
        tmp_path / "works.parquet"
    )
    (tmp_path / "prepared").mkdir()
    works.assign(split=SPLITS).to_parquet(tmp_path / "prepared/index.parquet")
    (tmp_path / ".dvc").mkdir()  # what relative locations are relative to
    return tmp_path


def evaluate(project):
    inputs = {"works": project / "works.parquet", "prepared": project / "prepared"}
    outputs = {"plots": project / "plots", "steps": project / "models/steps.json"}
    context = Context("evaluate_steps", project, "fingerprint", "0" * 64)
    return evaluate_steps.run(PARAMS, inputs, outputs, context), outputs


def test_without_weights_all_steps_are_classical(project):
    metrics, outputs = evaluate(project)
    steps = {"detect", "enhance", "upscale_x2", "upscale_x4"}
    assert metrics["best"] == best_methods(outputs["steps"]) == dict.fromkeys(steps, "classical")
    figures = metrics["figures"]
    assert set(figures) == steps
    assert {"noise 20", "fading", "varnish", "undamaged"} == set(figures["enhance"])
    noise, fading = (figures["enhance"][kind]["classical"] for kind in ("noise 20", "fading"))
    assert 20 < noise["psnr_before"]["value"] < 25  # 22.1 dB, where no value is clipped
    for better in (noise, fading):
        assert better["psnr"]["value"] > better["psnr_before"]["value"] + 1
        assert better["colour"]["value"] < better["colour_before"]["value"]
    assert figures["upscale_x2"]["reduced"]["classical"]["psnr"]["value"] > 20
    assert (outputs["plots"] / "enhanced.png").is_file()
    assert set(pd.read_csv(outputs["plots"] / "by_kind.csv")["step"]) == steps


@pytest.mark.parametrize(
    ("size", "searched", "enlarged"),
    [((40, 60), (40, 60), (40, 60)), ((500, 700), (429, 600), (256, 256))],
)
def test_all_of_an_original_is_searched_and_its_middle_enlarged(
    project, monkeypatch, size, searched, enlarged
):
    shown = {"detect": set(), "upscale": set()}

    class Search(ClassicalDetector):
        def __call__(self, pixels, place):
            shown["detect"] |= {pixels.shape[:2], (place.height, place.width)}
            return super().__call__(pixels, place)

    class Enlarge(Lanczos):
        def __call__(self, pixels):
            shown["upscale"].add((pixels.shape[0] * self.scale, pixels.shape[1] * self.scale))
            return super().__call__(pixels)

    monkeypatch.setattr(detect, "ClassicalDetector", Search)
    monkeypatch.setattr(classical, "Lanczos", Enlarge)
    monkeypatch.setattr(evaluate_steps, "SIDE", 600)
    works = pd.read_parquet(project / "works.parquet")
    for number, name in enumerate(works["path"]):
        file = project / "archive" / name
        Image.fromarray(painting(number, *size)).save(file)
        works.loc[number, "sha256"] = file_sha256(file)
    works.to_parquet(project / "works.parquet")
    evaluate(project)
    assert shown == {"detect": {searched}, "upscale": {enlarged}}


def test_enhancers_are_set_as_a_restoration_of_the_picture_sets_them(project, tmp_path, monkeypatch):
    looks = []

    class Noted(LevelsAndDenoise):
        def tuned(self, look):
            looks.append(look)
            return super().tuned(look)

    monkeypatch.setattr(classical, "LevelsAndDenoise", Noted)
    # One work after another: the first look is the first work's.
    monkeypatch.setenv("PENTIMENTO_WORKERS", "1")
    evaluate(project)
    pixels = np.asarray(Image.open(project / "archive/0.png"))  # the first of val, undamaged
    with (
        Canvas(pixels.shape, np.uint8, 3, tmp_path) as canvas,
        Canvas(pixels.shape, np.uint8, 3, tmp_path) as out,
    ):
        canvas.write((slice(0, pixels.shape[0]), slice(0, pixels.shape[1])), pixels)
        improve(canvas, out, Noted(), Noted(), 256)
    judged, restored = looks[0], looks[-1]
    assert np.array_equal(judged.overview, restored.overview) and len(judged.samples) == len(restored.samples)
    assert all(map(np.array_equal, judged.samples, restored.samples))


def test_the_same_works_give_the_same_bytes_however_many_are_judged_at_once(project, monkeypatch):
    monkeypatch.setenv("PENTIMENTO_WORKERS", "3")
    first, outputs = evaluate(project)
    monkeypatch.setenv("PENTIMENTO_WORKERS", "1")
    files = [outputs["steps"], *sorted(outputs["plots"].iterdir())]
    before = [file.read_bytes() for file in files]
    assert evaluate(project)[0] == first and [file.read_bytes() for file in files] == before


def _vanish(file):
    file.unlink()


def _replace(file):
    Image.fromarray(painting(99)).save(file)


@pytest.mark.parametrize(
    ("happen", "told"),
    [(_vanish, "its file is gone (1.png)"), (_replace, "1.png: is another file than the one that")],
)
def test_an_original_that_is_no_longer_there_is_named(project, happen, told):
    happen(project / "archive/1.png")
    with pytest.raises(PentimentoError, match=re.escape(told)) as raised:
        evaluate(project)
    assert str(raised.value).startswith("folder:1.png: ") and "pentimento sync" in str(raised.value)


def test_an_empty_split_is_named(project):
    index = pd.read_parquet(project / "prepared/index.parquet").assign(split="test")
    index.to_parquet(project / "prepared/index.parquet")
    with pytest.raises(PentimentoError, match="the val split is empty"):
        evaluate(project)


def upscaler(folder, weight):
    """A network that adds the same to every pixel."""
    network = build("upscaler", {"scale": 2, "width": 4, "blocks": 1})
    torch.nn.init.constant_(network.head.bias, weight)
    save_model(folder, network, "upscaler", {"scale": 2, "width": 4, "blocks": 1}, {})


@pytest.mark.parametrize(("shipped", "trained", "better"), [(0.1, 0.0, "trained"), (0.0, 0.1, "pretrained")])
def test_trained_weights_are_judged_against_the_shipped_ones(project, shipped, trained, better):
    upscaler(project / "pretrained/upscaler_x2", shipped)
    upscaler(project / "models/upscaler_x2", trained)
    metrics, outputs = evaluate(project)
    entry = json.loads(outputs["steps"].read_text())["upscale_x2"]
    assert set(entry["psnr"]) == {"classical", "learnt", "learnt, trained upscaler_x2"}
    assert entry["weights"] == metrics["weights"]["upscale_x2"] == {"upscaler_x2": better}
    assert entry["best"] in ("classical", "learnt")  # what `auto` knows
    found = Weights(project / "models", project / "pretrained").find("upscaler_x2")
    assert found == project / ("models" if better == "trained" else "pretrained") / "upscaler_x2"
    table = pd.read_csv(outputs["plots"] / "by_kind.csv")
    assert set(table.loc[table["step"] == "upscale_x2", "method"]) == set(entry["psnr"])


def test_weights_that_were_taken_over_are_measured_once(project):
    upscaler(project / "pretrained/upscaler_x2", 0.0)
    shutil.copytree(project / "pretrained/upscaler_x2", project / "models/upscaler_x2")
    _, outputs = evaluate(project)
    entry = json.loads(outputs["steps"].read_text())["upscale_x2"]
    assert set(entry["psnr"]) == {"classical", "learnt"} and entry["weights"] == {"upscaler_x2": "pretrained"}


def test_each_network_of_a_step_is_chosen_by_itself(tmp_path):
    for home in ("pretrained", "trained"):
        for network in ("enhancer", "colour"):
            (tmp_path / home / network).mkdir(parents=True)
            (tmp_path / home / network / "card.json").write_text(home)
    homes = {home: tmp_path / home for home in ("pretrained", "trained")}
    found = variants("learnt", ("enhancer", "colour"), homes)
    assert list(found) == [
        "learnt", "learnt, trained colour", "learnt, trained enhancer", "learnt, trained enhancer and colour"
    ]  # fmt: skip
    assert found["learnt, trained colour"] == {"enhancer": "pretrained", "colour": "trained"}
    (tmp_path / "trained/colour/card.json").write_text("pretrained")
    assert list(variants("learnt", ("enhancer", "colour"), homes)) == ["learnt", "learnt, trained enhancer"]
    assert variants("learnt", ("enhancer", "detector"), homes) == {}


def test_a_trained_detector_that_marks_paint_loses_to_the_shipped_one():
    weights = {
        "detect": {"learnt": {"detector": "pretrained"}, "learnt, trained detector": {"detector": "trained"}}
    }
    shipped, trained = rows("learnt", 0.7, 0.0), rows("learnt, trained detector", 0.9, 0.1)
    table = pd.DataFrame([*rows("classical", 0.3, 0.0), *shipped, *trained])
    entry = choose(table, weights)["detect"]
    assert entry["best"] == "learnt" and entry["weights"] == {"detector": "pretrained"}
    table = pd.DataFrame([*rows("classical", 0.3, 0.0), *rows("learnt", 0.7, 0.1), *trained])
    entry = choose(table, weights)["detect"]  # where one asks for the learnt one: that of the higher F1
    assert entry["best"] == "classical" and entry["weights"] == {"detector": "trained"}


def rows(method, f1, changed, precision=0.9):
    base = {"step": "detect", "method": method}
    figures = {"f1": f1, "precision": precision, "found": 0.1, "sound_changed": 0.3}
    nothing = figures | {"f1": 0.0, "precision": 0.0, "found": 0.0}  # that is no false alarm
    sound = {**base, "kind": CLEAN, "found": changed, "sound_changed": changed}
    return [{**base, "kind": "cracks", **figures}, {**base, "kind": "hair", **nothing}, sound]


@pytest.mark.parametrize(("changed", "best"), [(0.004, "learnt"), (0.006, "classical")])
def test_a_detector_that_changes_undamaged_pictures_is_out(changed, best):
    table = pd.DataFrame([*rows("classical", 0.3, 0.0), *rows("learnt", 0.8, changed)])
    assert choose(table)["detect"]["best"] == best


@pytest.mark.parametrize(("precision", "best"), [(0.6, "learnt"), (0.4, "classical")])
def test_a_detector_that_marks_more_paint_than_damage_is_out(precision, best):
    table = pd.DataFrame([*rows("classical", 0.3, 0.0), *rows("learnt", 0.8, 0.0, precision)])
    found = choose(table)["detect"]
    assert found["best"] == best and found["precision"]["learnt"] == precision


def test_the_higher_psnr_wins():
    base = {"step": "enhance", "kind": "noise 15"}
    figures = {"classical": 30.0, "learnt": 31.0}
    table = pd.DataFrame([{**base, "method": name, "psnr": value} for name, value in figures.items()])
    assert choose(table) == {"enhance": {"best": "learnt", "psnr": figures}}


def test_reducing_keeps_the_mean():
    pixels = painting(3).astype(np.float32) / np.float32(255)
    small = reduced(pixels, 2)
    assert small.shape == (pixels.shape[0] // 2, pixels.shape[1] // 2, 3)
    assert np.allclose(small.mean((0, 1)), pixels.mean((0, 1)), atol=0.005)


def test_a_broken_file_of_steps_is_named(tmp_path):
    path = tmp_path / paths.PRETRAINED / "steps.json"
    path.parent.mkdir()
    path.write_text(json.dumps({"detect": {"best": "magic"}}))
    with pytest.raises(PentimentoError, match="unknown method 'magic' for detect"):
        best_methods(path)
