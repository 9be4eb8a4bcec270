"""The other steps are measured on the same works, and the better method of each is chosen."""

import json

import numpy as np
import pandas as pd
import pytest

from pipeline import paths
from pipeline.archive.shards import write_shards
from pipeline.errors import PentimentoError
from pipeline.restoration.choice import choose_steps
from pipeline.stage import Context
from pipeline.stages import evaluate_steps
from pipeline.stages.evaluate_steps import CLEAN, choose, reduced
from tests.conftest import painting

SPLITS = ["val"] * 2 + ["test"] * 2


@pytest.fixture
def project(tmp_path):
    pictures = [(f"folder:{n}", painting(n)) for n in range(len(SPLITS))]
    index = write_shards(tmp_path / "prepared", pictures).assign(split=SPLITS)
    index.to_parquet(tmp_path / "prepared" / "index.parquet")
    return tmp_path


def test_without_weights_all_steps_are_classical(project):
    params = evaluate_steps.Params(choosing=2, testing=2, noise=(20,), panels=1, seed=0)
    outputs = {"plots": project / "plots", "steps": project / "models/steps.json"}
    context = Context("evaluate_steps", project, "fingerprint", "0" * 64)
    metrics = evaluate_steps.run(params, {"prepared": project / "prepared"}, outputs, context)
    steps = {"detect", "enhance", "upscale_x2", "upscale_x4"}
    assert metrics["best"] == choose_steps(outputs["steps"]) == dict.fromkeys(steps, "classical")
    figures = metrics["figures"]
    assert set(figures) == steps
    assert {"noise 20", "fading", "varnish", "undamaged"} == set(figures["enhance"])
    noise = figures["enhance"]["noise 20"]["classical"]
    assert 15 < noise["psnr_before"]["value"] < 25 and noise["psnr"]["value"] != noise["psnr_before"]["value"]
    assert figures["upscale_x2"]["reduced"]["classical"]["psnr"]["value"] > 20
    assert (outputs["plots"] / "enhanced.png").is_file()
    assert set(pd.read_csv(outputs["plots"] / "by_kind.csv")["step"]) == steps


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
        choose_steps(path)
