"""Evaluate classifier: figures on the test split, and cross-validated over all recorded works."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from pipeline import paths
from pipeline.archive.atomic import atomic_path
from pipeline.archive.fixity import value_sha256
from pipeline.archive.shards import Shards
from pipeline.catalog.augmentation import build
from pipeline.evaluation.classification import Scored, confusion_rows, judge, per_class, roc_curves
from pipeline.evaluation.cross_validation import out_of_fold
from pipeline.models.classifier import Classifier, load_classifier, probabilities
from pipeline.params import StageParams
from pipeline.stage import Context, Files, Metrics, Stage
from pipeline.training.classifier import NO_SCHOOL, Labels, Losses, Recipe, read_labels, train_fold
from pipeline.training.descriptions import Augmentation, Describer
from pipeline.training.loop import Schedule, make_fabric


class Params(StageParams):
    """How the classifier is judged."""

    folds: int = Field(ge=0, le=20)
    bootstrap: int = Field(ge=100, le=100_000)
    seed: int = Field(ge=0)


def run(params: Params, inputs: Files, outputs: Files, ctx: Context) -> Metrics:
    """Judge the model on works it has not seen; cross-validate its recipe where the trunk is frozen."""
    shards = Shards(inputs["prepared"])
    classifier = load_classifier(inputs["model"])
    rows = np.array(shards.rows("test"), np.int64)
    labels = read_labels(shards.index, classifier.card["classes"], completed_weight=0)
    learnt = labels.school[_recorded(labels, shards.rows("train"))]
    common = int(np.bincount(learnt, minlength=1).argmax())
    logits = classifier.logits([shards[n] for n in rows])
    test = _scored(classifier, labels[rows], logits, np.full(len(rows), common))
    sets = {"test": (rows, test)}
    if params.folds >= 2 and classifier.card["recipe"]["model"] == "frozen":
        known = _recorded(labels, range(len(shards)))
        sets["cross_validated"] = (known, _cross_validate(params, classifier, shards, labels, ctx))
    options = {"repeats": params.bootstrap, "seed": params.seed}
    with atomic_path(outputs["plots"]) as folder:
        folder.mkdir()
        _write_plots(folder, shards, classifier, sets)
    return {name: judge(scored, **options) for name, (_, scored) in sets.items()}


def _recorded(labels: Labels, rows: Any) -> NDArray[np.int64]:
    numbers = np.fromiter(rows, np.int64)
    known: NDArray[np.int64] = numbers[labels.school[numbers] != NO_SCHOOL]
    return known


def _scored(
    classifier: Classifier, labels: Labels, logits: NDArray[np.float64], common: NDArray[np.int64]
) -> Scored:
    schools = len(classifier.schools)
    school, tags = probabilities(logits, schools, float(classifier.card["temperature"]))
    return Scored(labels.school, school, labels.tags > 0, tags, common)


def _cross_validate(
    params: Params, classifier: Classifier, shards: Shards, labels: Labels, ctx: Context
) -> Scored:
    """Each work's scores by a head that was trained by the same recipe on the other folds' works."""
    rows = _recorded(labels, range(len(shards)))
    own = labels[rows].drawn_once()
    stored = classifier.card["recipe"]
    recipe = Recipe(
        Losses.model_validate_json(json.dumps(stored["losses"])),
        Schedule.model_validate_json(json.dumps({name: stored[name] for name in Schedule.model_fields})),
        len(classifier.schools),
    )
    policy = json.loads((shards.folder / "augmentation.json").read_text(encoding="utf-8"))
    fabric = make_fabric()
    views = Describer(ctx.state / "ledger.sqlite", stored["side"], fabric.device).views(
        [shards[n] for n in rows],
        Augmentation(partial(build, policy), value_sha256(policy)[:16]),
        stored["views"],
        recipe.schedule.seed,
        "views for cross-validation",
    )
    # The index's weights and draws are the train split's; here each fold balances its own works.
    balance = bool((shards.index[["repeat", "weight"]] != 1).to_numpy().any())

    def fit_predict(fold: int, train: NDArray[np.int64], test: NDArray[np.int64]) -> Any:
        return train_fold(
            views, own, train, test, recipe,
            balance=balance,
            folder=ctx.checkpoints / f"fold-{fold}",
            fabric=fabric,
            label=f"evaluate_classifier: fold {fold + 1}/{params.folds}",
        )  # fmt: skip

    groups = shards.index["group"].to_numpy(np.int64)[rows]
    logits, common = out_of_fold(fit_predict, own.school, groups, params.folds, params.seed)
    return _scored(classifier, own, logits, common)


def _write_plots(
    folder: Path,
    shards: Shards,
    classifier: Classifier,
    sets: dict[str, tuple[NDArray[np.int64], Scored]],
) -> None:
    schools, tags = classifier.schools, classifier.tags
    tables, predictions = [], []
    for name, (rows, scored) in sets.items():
        confusion_rows(scored, schools).to_csv(folder / f"confusion_{name}.csv", index=False)
        roc_curves(scored, schools).to_csv(folder / f"roc_{name}.csv", index=False)
        tables.append(per_class(scored, schools, tags).assign(set=name))
        index = shards.index.iloc[rows]
        predictions.append(
            pd.DataFrame(
                {
                    "set": name,
                    "id": index["id"].to_numpy(),
                    "school": index["school"].to_numpy(),
                    "predicted": [schools[n] for n in scored.school_scores.argmax(1)],
                    "probability": scored.school_scores.max(1).round(4),
                    "tags": index["tags"].to_numpy(),
                    "predicted_tags": [
                        [tag for tag, held in zip(tags, row, strict=True) if held]
                        for row in scored.tag_scores >= classifier.card["tag_threshold"]
                    ],
                }
            )
        )
    pd.concat(tables).to_csv(folder / "per_class.csv", index=False)
    pd.concat(predictions).to_parquet(folder / "predictions.parquet", index=False)


STAGE = Stage(
    "evaluate_classifier",
    Params,
    run,
    inputs={"prepared": paths.PREPARED, "model": paths.CLASSIFIER},
    outputs={"plots": paths.plots("evaluate_classifier")},
)
