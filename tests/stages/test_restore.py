"""The stage restores its damaged archive with the engine, and measures it against the truth."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pipeline.archive.fixity import tree_sha256
from pipeline.dag import own_models, write_own_models
from pipeline.errors import PentimentoError
from pipeline.params import read_params
from pipeline.stage import run_stage
from pipeline.stages.restore import STAGE
from tests.conftest import ROOT, painting


@pytest.fixture
def project(tmp_path):
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "models/restorer").mkdir(parents=True)
    chosen = {"thin": {"best": "telea"}, "wide": {"best": "navier_stokes"}}
    (tmp_path / "models/methods.json").write_text(json.dumps({"by_shape": chosen}))
    (tmp_path / "models/steps.json").write_text("{}")
    for path in STAGE.inputs.values():  # weights that no step of this restoration uses
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        if path.suffix != ".json":
            (tmp_path / path).mkdir(exist_ok=True)
    damaged = tmp_path / "data/damaged"
    rows = []
    for number, suffix in enumerate(("jpg", "png", "tif")):
        kind = ("cracks", "losses")[number % 2]
        name = f"{kind}/work-{number}.{suffix}"
        truth = painting(number)
        hole = np.zeros(truth.shape[:2], np.bool_)
        hole[20:22, 10:90] = True
        hole[50:62, 40:60] = number % 2 == 1
        work = truth.copy()
        work[hole] = 0
        places = ((f"works/{name}", work), (f"truth/{name}.png", truth), (f"masks/{name}.png", hole))
        for place, pixels in places:
            path = damaged / place
            path.parent.mkdir(parents=True, exist_ok=True)
            options = {"quality": 95, "subsampling": 0} if path.suffix == ".jpg" else {}
            Image.fromarray(pixels.astype(np.uint8) * (255 if pixels is hole else 1)).save(path, **options)
        rows.append({"path": name, "kind": kind, "format": suffix.replace("jpg", "jpeg")})
    pd.DataFrame(rows).to_csv(damaged / "manifest.csv", index=False)
    return tmp_path


def test_damage_is_filled_and_figures_are_those_of_the_files(project):
    metrics = run_stage(STAGE, project)
    assert metrics["works"] == 3
    assert metrics["failed"] == {}
    assert metrics["outside_difference_lossless"] == 0
    assert metrics["pixels_by_method"] == {
        "thin": {"telea": 3 * 160},
        "wide": {"navier_stokes": 240},
    }
    for figures in metrics["psnr"].values():
        assert figures["inside_after"] > figures["inside_before"] + 5
        assert figures["whole_after"] > figures["whole_before"]
    table = pd.read_csv(project / "reports/plots/restore/by_work.csv")
    for row in table.itertuples():
        assert (project / "data/restored/works" / row.path).is_file()
        assert (project / "data/restored/proof" / f"{row.path}.json").is_file()
        with Image.open(project / "reports/plots/restore" / row.panel) as panel:
            assert panel.height <= 400
    assert not (project / "data/restored/partial").exists()


def test_a_second_run_leaves_the_same_bytes(project):
    run_stage(STAGE, project)
    first = [tree_sha256(project / folder) for folder in ("data/restored", "reports")]
    run_stage(STAGE, project)
    assert [tree_sha256(project / folder) for folder in ("data/restored", "reports")] == first


def test_too_many_bad_works_stop_the_stage(project):
    for path in (project / "data/damaged/works").rglob("*.*"):
        path.write_bytes(b"")
    with pytest.raises(PentimentoError, match=r"3 of 3 works failed .* is empty"):
        run_stage(STAGE, project)


def test_a_model_whose_file_dvc_does_not_watch_is_refused(project):
    params, dag = project / "params.yaml", project / "dvc.yaml"
    model = "{path: own/denoise.onnx, step: enhance}"
    params.write_text(params.read_text().replace("  models: {} ", f"  models: {{mine: {model}}} "))
    assert own_models(project) == ["own/denoise.onnx"]
    with pytest.raises(
        PentimentoError, match=r"restore\.models\.mine: dvc.yaml does not list own/denoise.onnx"
    ):
        run_stage(STAGE, project)
    before = read_params(dag)["stages"]
    assert write_own_models(dag, own_models(project)) and not write_own_models(dag, own_models(project))
    after = read_params(dag)["stages"]
    assert set(after["restore"]["deps"]) - set(before["restore"]["deps"]) == {"own/denoise.onnx"}
    run_stage(STAGE, project)  # no step of this run uses the model
    assert write_own_models(dag, []) and read_params(dag)["stages"] == before
