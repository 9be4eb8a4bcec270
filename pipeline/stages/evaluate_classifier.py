"""Evaluate classifier: figures on the test split, and cross-validated over all recorded works."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from pipeline import paths
from pipeline.archive.atomic import atomic_path
from pipeline.archive.shards import Shards
from pipeline.catalog.sets import balance
from pipeline.catalog.sets.balance import Balancing
from pipeline.evaluation.classification import Scored, confusion_rows, judge, per_class, roc_curves
from pipeline.evaluation.tail import by_class, rarest, tail_figures
from pipeline.models.classifier import Classifier, probabilities
from pipeline.params import StageParams
from pipeline.resampling.cross_validation import majority_out_of_fold, out_of_fold, stratified_folds
from pipeline.stage import Context, Files, Metrics, Stage
from pipeline.stages.train_classifier import setup_of
from pipeline.training.families.classifiers import ClassifierParams, Examples, fit_fold, load
from pipeline.training.labels import NO_SCHOOL, Labels, read_labels
from pipeline.training.loop import make_fabric


class Params(StageParams):
    """How the classifier is judged."""

    folds: int = Field(ge=0, le=20)
    bootstrap: int = Field(ge=100, le=100_000)
    seed: int = Field(ge=0)


def run(params: Params, inputs: Files, outputs: Files, ctx: Context) -> Metrics:
    """Judge the model on works it has not seen; cross-validate its recipe where the family trains fast."""
    shards = Shards(inputs["prepared"])
    classifier = load(inputs["model"])
    rows = np.array(shards.rows("test"), np.int64)
    labels = read_labels(shards.index, classifier.card["classes"], completed_weight=0)
    learnt = labels.school[_recorded(labels, shards.rows("train"))]
    common = int(np.bincount(learnt, minlength=1).argmax())
    logits = classifier.logits([shards[n] for n in rows])
    test = _scored(classifier, labels[rows], logits, np.full(len(rows), common))
    sets = {"test": (rows, test)}
    known = _recorded(labels, range(len(shards)))
    balancing, without = balance.recorded(inputs["prepared"]), None
    trained = ClassifierParams.of_card(classifier.card, inputs["model"])
    if params.folds >= 2 and trained.chosen.cross_validated:
        folds = _Folds(params, trained, classifier, inputs["prepared"], ctx)
        sets["cross_validated"] = (known, folds.scored(balancing))
        if balancing.method != "none":
            without = folds.scored(Balancing("none", balancing.seed))
    options = {"repeats": params.bootstrap, "seed": params.seed}
    tail = rarest(np.bincount(labels.school[known], minlength=len(classifier.schools)))
    largest = list(sets)[-1]  # the set with more works of rare schools
    best = sets[largest][1]
    with atomic_path(outputs["plots"]) as folder:
        folder.mkdir()
        _write_plots(folder, shards, classifier, sets)
        by_class(best, without, tail, classifier.schools).to_csv(folder / paths.TAIL, index=False)
    figures = {name: judge(scored, **options) for name, (_, scored) in sets.items()}
    figures[largest]["tail"] = tail_figures(best, without, tail, classifier.schools, **options)
    return figures


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


class _Folds:
    """All works with a recorded school, each scored by a network that has not seen it.

    The networks are trained as the model was: by the family and the parameters that its card states.
    """

    def __init__(
        self, params: Params, trained: ClassifierParams, classifier: Classifier, prepared: Path, ctx: Context
    ) -> None:
        shards = Shards(prepared)
        self.params, self.classifier = params, classifier
        self.checkpoints = trained.checkpoints(ctx.checkpoints)
        fabric = make_fabric(devices=1)  # a fold is trained in about a second
        self.setup = setup_of(trained, classifier.card["classes"], prepared, ctx, fabric)
        labels = read_labels(shards.index, classifier.card["classes"], completed_weight=0)
        rows = _recorded(labels, range(len(shards)))
        self.groups = shards.index["group"].to_numpy(np.int64)[rows]
        # The index's weights and draws are the train split's; here each fold balances its own works.
        known = labels[rows].drawn_once()
        # How strongly a work is augmented hardly differs from fold to fold: its views are made once.
        strength = self.setup.balancing.plan([str(number) for number in known.school]).strength
        pictures = [shards[n] for n in rows]
        inputs = self.setup.family.training_inputs(
            pictures, strength, self.setup, "views for cross-validation"
        )
        self.works = Examples(inputs, known)

    def scored(self, balancing: Balancing) -> Scored:
        """Each work's scores by networks trained on the other folds' works, balanced so."""
        setup = replace(self.setup, balancing=balancing)
        name, count, labels = balancing.method, self.params.folds, self.works.labels

        def fit_predict(fold: int, train: NDArray[np.int64], test: NDArray[np.int64]) -> Any:
            folder = self.checkpoints / f"{name}-{fold}"
            label = f"evaluate_classifier: balance {name}, fold {fold + 1}/{count}"
            return fit_fold(self.works, train, test, setup, folder=folder, label=label)

        folds = stratified_folds(labels.school, self.groups, count, self.params.seed)
        common = majority_out_of_fold(labels.school, folds)
        return _scored(self.classifier, labels, out_of_fold(fit_predict, folds), common)


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
    pd.concat(tables).to_csv(folder / paths.PER_CLASS, index=False)
    pd.concat(predictions).to_parquet(folder / "predictions.parquet", index=False)


STAGE = Stage(
    "evaluate_classifier",
    Params,
    run,
    inputs={"prepared": paths.PREPARED, "model": paths.CLASSIFIER},
    outputs={"plots": paths.plots("evaluate_classifier")},
)
