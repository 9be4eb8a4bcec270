"""The classifier's two stages on tiny prepared pictures, and the command that uses the model."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from typer.testing import CliRunner

from pipeline.archive.fixity import tree_sha256
from pipeline.archive.shards import INDEX, write_shards
from pipeline.catalog.sets import augmentation, balance
from pipeline.errors import PentimentoError
from pipeline.params import read_params
from pipeline.stage import run_stage
from pipeline.training import descriptions

SCHOOLS = ("Blue", "Green", "Red")  # told apart by their colour; 'Red' is missing in test


def picture(number, height=48, width=40):
    rng = np.random.default_rng(number)
    pixels = rng.integers(0, 90, (height, width, 3))
    pixels[..., 2 - number % 3] += 150
    if number % 2:
        pixels[10:30, 10:30] = 255
    return pixels.astype(np.uint8)


@pytest.fixture
def prepared(project):
    folder = project / "data" / "prepared"
    rows = []
    for n in range(36):
        split = "train" if n < 24 else ("val" if n < 30 else "test")
        if split == "test" and n % 3 == 2:
            split = "train"
        rows.append(
            {
                "id": f"w{n}", "split": split, "title": "t", "artist": "a", "year": 1800,
                "school": SCHOOLS[n % 3], "school_origin": "recorded", "tags": ["Square"] * (n % 2),
                "group": n, "repeat": 1, "weight": 1.0, "strength": 0.0,
            }
        )  # fmt: skip
    rows[0] |= {"school": None, "weight": 1.0}
    rows[1]["school_origin"] = "nearest"
    places = write_shards(folder, ((row["id"], picture(n)) for n, row in enumerate(rows)))
    pd.DataFrame(rows).merge(places, on="id").to_parquet(folder / INDEX, index=False)
    (folder / "classes.json").write_text(json.dumps({"school": SCHOOLS, "tags": ["Square"]}))
    augmentation.record(folder, [{"HorizontalFlip": {"p": 0.5}}], None, 0)
    balance.Balancing("none", 0).record(folder)
    return project


@pytest.fixture(scope="module")
def descriptions_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("state")


@pytest.fixture
def described(descriptions_folder, monkeypatch):
    """A state folder that tests share: the first describes the pictures, the others find the descriptions."""
    monkeypatch.setenv("PENTIMENTO_STATE", str(descriptions_folder))


def settle(project, **changes):
    """Write params.yaml with changes to the classifier's settings; dotted names by '__'."""
    values = read_params(project / "params.yaml")
    settings = values["train_classifier"]
    settings |= {"side": 32}
    settings["frozen"]["views"] = 1
    settings["losses"] |= {"l2_school": 0.01, "l2_tags": 0.01}
    settings |= {"epochs": 8, "batch_size": 8, "learning_rate": 0.01}
    values["evaluate_classifier"] |= {"folds": 2, "bootstrap": 100}
    for name, value in changes.items():
        *groups, key = name.split("__")
        target = settings
        for group in groups:
            target = target[group]
        target[key] = value
    (project / "params.yaml").write_text(json.dumps(values))  # JSON is YAML


def stages():
    from pipeline.stages.evaluate_classifier import STAGE as EVALUATE
    from pipeline.stages.train_classifier import STAGE as TRAIN

    return TRAIN, EVALUATE


def test_frozen_head_learns_and_is_judged(prepared, monkeypatch):
    train, evaluate = stages()
    settle(prepared)
    metrics = run_stage(train, prepared)
    assert metrics["train"] == 26
    assert metrics["val_accuracy"] == 1.0
    judged = run_stage(evaluate, prepared)
    for name in ("test", "cross_validated"):
        assert judged[name]["school"]["macro_f1"]["value"] > 0.8, name
        assert judged[name]["gain"]["macro_f1"]["low"] > 0, name
    assert judged["test"]["school_works"] == 4
    assert judged["cross_validated"]["school_works"] == 34  # not the unknown, not the completed one
    plots = prepared / "reports/plots/evaluate_classifier"
    pairs = pd.read_csv(plots / "confusion_cross_validated.csv")
    assert len(pairs) == 34
    predictions = pd.read_parquet(plots / "predictions.parquet")
    assert set(predictions["set"]) == {"test", "cross_validated"}
    history = pd.read_csv(prepared / "reports/plots/train_classifier/history.csv")
    assert history["epoch"].tolist() == list(range(1, 9))
    assert (prepared / "models/classifier/weights.safetensors").stat().st_size < 100_000

    # A cold state folder gives the same bytes; a warm one describes no picture again.
    first = tree_sha256(prepared / "models"), tree_sha256(plots)
    shutil.rmtree(prepared / ".state")
    for stage in (train, evaluate):
        run_stage(stage, prepared)
    assert (tree_sha256(prepared / "models"), tree_sha256(plots)) == first
    monkeypatch.setattr(descriptions.Describer, "_run", lambda *_: pytest.fail("described again"))
    settle(prepared, epochs=2)
    run_stage(train, prepared)
    assert tree_sha256(prepared / "models") != first[0]


@pytest.mark.parametrize(("family", "rate"), [("cnn", 0.003), ("fine_tune", 0.001)])
def test_whole_networks_train_and_resume(prepared, family, rate, monkeypatch):
    from pipeline.training.loop import Trainer

    train, evaluate = stages()
    settle(prepared, family=family, epochs=2, learning_rate=rate)
    run_stage(train, prepared)
    whole = tree_sha256(prepared / "models")
    if family == "fine_tune":
        return
    shutil.rmtree(prepared / ".state")
    save = Trainer._save

    def killed(self):
        save(self)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_save", killed)
        with pytest.raises(KeyboardInterrupt):
            run_stage(train, prepared)
    run_stage(train, prepared)
    assert tree_sha256(prepared / "models") == whole
    judged = run_stage(evaluate, prepared)
    assert set(judged) == {"test"}


def test_labels_obey_weights_origins_and_gaps(prepared):
    from pipeline.training.labels import NO_SCHOOL, read_labels, rebalanced

    index = pd.read_parquet(prepared / "data/prepared" / INDEX)
    classes = {"school": list(SCHOOLS), "tags": ["Square"]}
    labels = read_labels(index, classes, completed_weight=0.25)
    assert labels.school[:4].tolist() == [NO_SCHOOL, 1, 2, 0]
    assert labels.weight[:4].tolist() == [0, 0.25, 1, 1]
    assert labels.tags[:4, 0].tolist() == [0, 1, 0, 1]
    strict = read_labels(index, classes, completed_weight=0)
    assert strict.school[1] == NO_SCHOOL
    even = rebalanced(strict[:11].drawn_once(), balance.Balancing("class_weights", 0))
    sums = [even.weight[even.school == n].sum() for n in range(3)]
    np.testing.assert_allclose(sums, [9 / 3] * 3, rtol=1e-5)
    assert even.weight[even.school == NO_SCHOOL].tolist() == [0, 0]


def test_nothing_to_learn_is_said(prepared):
    settle(prepared)
    (prepared / "data/prepared/classes.json").write_text('{"school": [], "tags": []}')
    with pytest.raises(PentimentoError, match="no school and no tag to learn"):
        run_stage(stages()[0], prepared)


def test_command_classifies_files_and_folders(prepared):
    from flows.cli import app
    from pipeline.models.cnn import PlainCNN
    from pipeline.models.registry import save_model

    model = prepared / "model"
    card = {"classes": {"school": list(SCHOOLS), "tags": ["Square"]}, "side": 32, "temperature": 1.0}
    save_model(model, PlainCNN(4, 4), "cnn", {"outputs": 4, "width": 4}, card | {"tag_threshold": 0.0})
    scans = prepared / "scans"
    (scans / "deep").mkdir(parents=True)
    Image.fromarray(picture(0)).save(scans / "deep" / "a.png")
    (scans / "b[1].jpg").write_bytes(b"no picture")
    run = CliRunner().invoke(app, ["classify", str(scans), "--json", "--model", str(model)])
    assert run.exit_code == 0, run.output
    bad, good = json.loads(run.stdout)
    assert bad["path"].endswith("b[1].jpg")
    assert "not a readable image" in bad["error"]
    assert good["school"] in SCHOOLS
    total = good["probability"] + sum(other["probability"] for other in good["alternatives"])
    assert total == pytest.approx(1, abs=1e-3)
    assert [tag["name"] for tag in good["tags"]] == ["Square"]
    table = CliRunner().invoke(app, ["classify", str(scans), "--model", str(model)])
    assert table.exit_code == 0
    assert "not classified" in table.stdout
    none = CliRunner().invoke(app, ["classify", str(scans / "b[1].jpg"), "--model", str(model)])
    assert none.exit_code == 1
    gone = CliRunner().invoke(app, ["classify", "absent.png", "--model", str(model)])
    assert isinstance(gone.exception, PentimentoError)
    assert "absent.png does not exist" in str(gone.exception)


def balance_as(project, method, policy=({"HorizontalFlip": {"p": 0.5}},)):
    """Rebalance the prepared works as the stage prepare does, after most 'Green' ones lost their school."""
    folder = project / "data" / "prepared"
    index = pd.read_parquet(folder / INDEX)
    green = index.index[(index["school"] == "Green") & (index["split"] == "train")]
    index.loc[green[3:], "school"] = None
    balancing = balance.Balancing(method, 0)
    train = (index["split"] == "train") & index["school"].notna()
    use = balancing.plan(index.loc[train, "school"].tolist())
    for column in ("repeat", "weight", "strength"):
        index.loc[train, column] = getattr(use, column)
    index.to_parquet(folder / INDEX, index=False)
    balancing.record(folder)
    augmentation.record(folder, list(policy), None, 0)


@pytest.mark.parametrize("method", ["none", "class_weights", "logit_adjustment", "smote", "augment"])
@pytest.mark.usefixtures("described")
def test_rare_schools_are_compared_with_and_without_rebalancing(prepared, method):
    train, evaluate = stages()
    balance_as(prepared, method, [{"RandomBrightnessContrast": {"p": 1.0}}])
    settle(prepared)
    run_stage(train, prepared)
    judged = run_stage(evaluate, prepared)
    assert "tail" not in judged["test"]
    tail = judged["cross_validated"]["tail"]
    assert tail["schools"] == ["Green"]
    assert tail["works"] == 6
    assert ("gain" in tail) == (method != "none")
    table = pd.read_csv(prepared / "reports/plots/evaluate_classifier/tail.csv")
    assert table["tail"].tolist() == [False, False, True]
    card = json.loads((prepared / "models/classifier/card.json").read_text())
    assert card["balance"] == method
    if method == "smote":  # synthetic works are learnt from; none is judged or counted as a work
        assert card["data"]["train"] == 26
        assert judged["cross_validated"]["school_works"] == table["works"].sum()


@pytest.mark.usefixtures("described")
def test_every_way_of_rebalancing_learns_something_of_its_own(prepared):
    train, _ = stages()
    made = {}
    for method in ("none", "logit_adjustment", "smote", "augment", "class_weights"):
        balance_as(prepared, method, [{"RandomBrightnessContrast": {"p": 1.0}}])
        settle(prepared, epochs=2)
        run_stage(train, prepared)
        made[method] = tree_sha256(prepared / "models/classifier/weights.safetensors")
    assert len(set(made.values())) == len(made)


@pytest.mark.parametrize(
    ("method", "changes", "words"),
    [
        ("smote", {"family": "cnn"}, "smote, which makes descriptions without pictures.*logit_adjustment"),
        ("smote", {"family": "fine_tune"}, "train_classifier.family to frozen"),
        ("augment", {"frozen__views": 0}, "frozen.views is 0.*set train_classifier.frozen.views to 3"),
        (
            "none",
            {"mixing__cutmix": 1.0},
            "mixing.cutmix: a frozen trunk's descriptions have no place to cut",
        ),
    ],
)
def test_settings_that_do_not_go_together_are_named_at_once(prepared, method, changes, words, monkeypatch):
    monkeypatch.setattr(descriptions.Describer, "_run", lambda *_: pytest.fail("described before"))
    balance_as(prepared, method)
    settle(prepared, **changes)
    with pytest.raises(PentimentoError, match=words):
        run_stage(stages()[0], prepared)


@pytest.mark.parametrize(
    ("family", "mixing"),
    [("frozen", {"mixup": 0.4}), ("cnn", {"mixup": 0.4}), ("cnn", {"cutmix": 1.0})],
)
def test_mixed_batches_change_what_is_learnt_and_the_seed_decides(prepared, family, mixing):
    train, evaluate = stages()
    made = []
    for changes in ({}, mixing, mixing):
        settle(prepared, family=family, epochs=3, **{f"mixing__{name}": a for name, a in changes.items()})
        shutil.rmtree(prepared / ".state", ignore_errors=True)
        run_stage(train, prepared)
        made.append(tree_sha256(prepared / "models/classifier/weights.safetensors"))
    assert made[0] != made[1] == made[2]
    judged = run_stage(evaluate, prepared)
    assert ("cross_validated" in judged) == (family == "frozen")
    assert judged["test"]["school_works"] == 4
