"""Cross-validated figures of the classifier, against two comparisons, in one run.

    python benchmarks/classifier.py [--folds 5] [--quick] [--json]

Compared: a linear head on the frozen EfficientNet-Lite0 (the settings of params.yaml), a CNN from
scratch, and always guessing the most frequent class. School by macro-F1, tags by mAP, each with a
95% bootstrap interval. Folds are stratified by school and never split a group of near-duplicates;
`--by-artist` also keeps all works of an artist in one fold, which is harder.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from pipeline import environment, paths
from pipeline.archive.fixity import value_sha256
from pipeline.archive.shards import Shards
from pipeline.catalog.sets import augmentation, balance
from pipeline.catalog.sets.augmentation import build
from pipeline.errors import PentimentoError
from pipeline.evaluation.classification import Scored, judge
from pipeline.models.classifier import Classifier, assemble, probabilities
from pipeline.models.cnn import PlainCNN
from pipeline.params import load_params
from pipeline.resampling.cross_validation import majority_out_of_fold, out_of_fold, stratified_folds
from pipeline.stages.train_classifier import Params
from pipeline.training.classifier import Losses, PictureTask, Recipe
from pipeline.training.descriptions import Augmentation
from pipeline.training.families.classifiers import Examples, Setup, fit_fold
from pipeline.training.labels import NO_SCHOOL, read_labels, rebalanced
from pipeline.training.loop import Trainer, make_fabric
from pipeline.training.task import Schedule

# The from-scratch network's own settings: those of a linear head would starve it.
CNN_SIDE = 64
CNN_LOSSES = Losses(l2_school=0.0, l2_tags=0.0, label_smoothing=0.0, completed_weight=0.0)
CNN_SCHEDULE = Schedule(
    epochs=30, batch_size=16, learning_rate=2e-3, cosine=True, ema_decay=0.9, clip_norm=1.0, patience=0,
    seed=0,
)  # fmt: skip


class Benchmark:
    """The recorded works of a prepared archive, their labels, and what is run on them."""

    def __init__(self, root: Path, folds: int, by_artist: bool, scratch: Path) -> None:
        self.root, self.folds, self.scratch, self.fabric = root, folds, scratch, make_fabric()
        shards = Shards(root / paths.PREPARED)
        read = partial(Path.read_text, encoding="utf-8")
        self.classes = json.loads(read(shards.folder / "classes.json"))
        self.policy = augmentation.recorded(shards.folder)
        self.balancing = balance.recorded(shards.folder)
        labels = read_labels(shards.index, self.classes, completed_weight=0)
        rows = np.flatnonzero(labels.school != NO_SCHOOL)
        self.labels = labels[rows].drawn_once()
        self.pictures = [shards[int(n)] for n in rows]
        index = shards.index.iloc[rows]
        self.groups = index["group"].to_numpy(np.int64)
        if by_artist:
            own = "group " + index["group"].astype(str)  # unknown artists stay apart
            self.groups = pd.factorize(index["artist"].fillna(own))[0]
        self.schools = len(self.classes["school"])

    def frozen(self) -> Any:
        """Logits and most frequent classes by folds: the head of params.yaml on the frozen trunk."""
        params = load_params(self.root / paths.PARAMS, "train_classifier", Params)
        if params.family != "frozen":
            raise PentimentoError(f"train_classifier.family is {params.family}; set it to frozen")
        setup = Setup(
            params,
            self.classes,
            Augmentation(partial(build, self.policy), value_sha256(self.policy)[:16]),
            self.balancing,
            environment.state_dir(self.root) / paths.LEDGER,
            self.fabric,
        )
        plain = np.zeros(len(self.pictures))  # no work is augmented more strongly than the policy says
        views = setup.family.training_inputs(self.pictures, plain, setup, "views")
        works = Examples(views, self.labels)

        def fit_predict(fold: int, train: Any, test: Any) -> Any:
            folder = self.scratch / f"head-{fold}"
            return fit_fold(works, train, test, setup, folder=folder, label=f"head {fold + 1}")

        return self._cross_validate(fit_predict)

    def scratch_cnn(self, epochs: int) -> Any:
        """Logits and most frequent classes by folds: the CNN from scratch."""
        schedule = CNN_SCHEDULE.model_copy(update={"epochs": epochs})
        card = {"classes": self.classes, "side": CNN_SIDE, "temperature": 1.0}

        def fit_predict(fold: int, train: Any, test: Any) -> Any:
            torch.manual_seed(fold)
            none = self.labels[np.array([], np.int64)]
            task = PictureTask(
                PlainCNN(self.schools + self.labels.tags.shape[1]),
                ([self.pictures[n] for n in train], rebalanced(self.labels[train], self.balancing)),
                ([], none),
                Recipe(CNN_LOSSES, schedule, self.schools),
                side=CNN_SIDE,
                augmenter=partial(build, self.policy),
            )
            trainer = Trainer(task, schedule, self.scratch / f"cnn-{fold}", self.fabric)
            network = trainer.fit(f"cnn {fold + 1}").cpu()
            return Classifier(assemble(network), card).logits([self.pictures[n] for n in test])

        return self._cross_validate(fit_predict)

    def _cross_validate(self, fit_predict: Any) -> Any:
        folds = stratified_folds(self.labels.school, self.groups, self.folds, 0)
        return out_of_fold(fit_predict, folds), majority_out_of_fold(self.labels.school, folds)

    def judge(self, logits: Any, common: Any) -> dict[str, Any]:
        """All figures of out-of-fold logits."""
        school, tags = probabilities(logits, self.schools)
        return judge(Scored(self.labels.school, school, self.labels.tags > 0, tags, common))


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--by-artist", action="store_true", help="keep an artist's works in one fold")
    parser.add_argument("--quick", action="store_true", help="2 folds, a CNN of 5 epochs: a trial")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    folds = 2 if options.quick else options.folds
    with tempfile.TemporaryDirectory() as scratch:
        bench = Benchmark(paths.project_root(), folds, options.by_artist, Path(scratch))
        started = time.monotonic()
        head = bench.judge(*bench.frozen())
        middle = time.monotonic()
        cnn = bench.judge(*bench.scratch_cnn(5 if options.quick else CNN_SCHEDULE.epochs))
        seconds = {"frozen": middle - started, "cnn": time.monotonic() - middle}
    results = {
        "works": len(bench.pictures), "folds": folds, "by_artist": options.by_artist,
        "seconds": {name: round(value, 1) for name, value in seconds.items()},
        "frozen_lite0": head, "cnn": cnn, "most_frequent": head["most_frequent"],
    }  # fmt: skip
    if options.json:
        json.dump(results, sys.stdout, indent=1)
        print()
        return
    print(f"{len(bench.pictures)} works, {folds} folds; 95% bootstrap intervals")
    for name in ("frozen_lite0", "cnn", "most_frequent"):
        cells = [
            f"{label} {figure['value']:.3f} [{figure['low']:.3f}, {figure['high']:.3f}]"
            for label, figure in (
                ("school macro-F1", results[name]["school"]["macro_f1"]),
                ("accuracy", results[name]["school"]["accuracy"]),
                ("tags mAP", results[name]["tags"]["map"]),
            )
        ]
        print(f"{name:14}", "  ".join(cells))


if __name__ == "__main__":
    main()
