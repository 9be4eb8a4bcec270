"""What each rebalancing does for rare classes: tail macro-F1 on an archive made long-tailed, as a table.

    python benchmarks/balance.py --index FOLDER/index.csv [--repeats 30] [--without-views] [--json]

The index has the columns `file` and `artist`; artists with at least `--least` works are taken. In each
repeat 6 works of every artist are held out, and the others cut to an exponential tail from 40 works to
2 (20:1), in a random order of the artists as far as their works allow. A logistic regression on frozen
features learns from them. Tail: the 4 artists with the fewest works; head: the 4 with the most. Each
method has the L2 penalty that suits it best, found on repeats 1000 to 1011, which are not reported.
Intervals: 95%, bootstrap over repeats; of the gain over `none` on the same repeat, paired.
"""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score

from pipeline.archive.images import read_rgb
from pipeline.catalog.describing import describe
from pipeline.catalog.sets.augmentation import build, strengthen
from pipeline.catalog.sets.balance import METHODS, plan, synthesise
from pipeline.catalog.sets.presets import preset_policy
from pipeline.resampling.bootstrap import mean_interval

LARGEST, RATIO, HELD_OUT, PART = 40, 20, 6, 4
# Inverse strengths of the L2 penalty: each method's best of 0.01 to 1000 for the tail, on other repeats.
PENALTIES = {
    "none": 1000.0,
    "oversample": 0.01,
    "undersample": 0.03,
    "class_weights": 0.01,
    "effective_number": 0.01,
    "logit_adjustment": 0.1,
    "smote": 0.01,
    "augment": 0.01,  # as for oversample
}
VIEWS = 3  # different augmented views of a work
SPREAD = np.sqrt(1280) / 5  # features are scaled by it


class Trial:
    """One long-tailed training set, and the balanced works that it is judged by."""

    def __init__(self, archive: Archive, seed: int) -> None:
        self.archive, self.seed = archive, seed
        rng = np.random.default_rng(seed)
        count = len(archive.names)
        sizes = np.round(LARGEST * RATIO ** (-np.arange(count) / (count - 1))).astype(int)
        free, self.order, train, test = set(range(count)), [], [], []
        for size in sizes:
            able = [k for k in sorted(free) if archive.sizes[k] - HELD_OUT >= size]
            chosen = int(rng.choice(able))
            free.remove(chosen)
            self.order.append(chosen)
            rows = rng.permutation(np.flatnonzero(archive.codes == chosen))
            test.append(rows[:HELD_OUT])
            train.append(rows[HELD_OUT : HELD_OUT + size])
        self.train, self.test = np.concatenate(train), np.concatenate(test)
        self.classes = [archive.names[code] for code in archive.codes[self.train]]
        self.centre = archive.features[self.train].mean(axis=0)

    def f1(self, method: str) -> tuple[float, float, float]:
        """Macro-F1 of the tail, the head and all classes."""
        names = self.archive.names
        rows, codes = self.archive.features[self.train], self.archive.codes[self.train]
        use = plan(self.classes, method, self.seed)
        prior = np.zeros(len(names))
        if method == "logit_adjustment":
            counts = np.bincount(codes, minlength=len(names))
            prior = np.log(np.maximum(counts, 0.5) / len(codes))
        if method == "smote":
            new, classes = synthesise(rows, self.classes, self.seed)
            rows = np.concatenate([rows, new])
            codes = np.concatenate([codes, np.searchsorted(names, classes)])
            weight = np.ones(len(codes))
        else:
            drawn = np.repeat(np.arange(len(codes)), use.repeat)
            rows = self.views(use, drawn) if method == "augment" else rows[drawn]
            codes, weight = codes[drawn], use.weight[drawn]
        model = LogisticRegression(C=PENALTIES[method], max_iter=500)
        model.fit((rows - self.centre) * SPREAD, codes, weight)
        logits = model.decision_function((self.archive.features[self.test] - self.centre) * SPREAD)
        scores = f1_score(
            self.archive.codes[self.test], (logits - prior).argmax(axis=1),
            labels=range(len(names)), average=None, zero_division=0,
        )  # fmt: skip
        return scores[self.order[-PART:]].mean(), scores[self.order[:PART]].mean(), scores.mean()

    def views(self, use: Any, drawn: np.ndarray) -> np.ndarray:
        """Features of each draw: a work as it is at first, then augmented views in turn."""
        seen: dict[int, int] = {}
        rows = []
        for n in drawn:
            number = seen.get(n, 0)
            seen[n] = number + 1
            strength = round(float(use.strength[n]) * 2) / 2  # in halves, so that views are shared
            row = int(self.train[n])
            if number == 0:
                rows.append(self.archive.features[row])
            else:
                rows.append(self.archive.view(row, strength, (number - 1) % VIEWS))
        return np.stack(rows)


class Archive:
    """Pictures, features and artists' numbers of all works taken."""

    def __init__(self, index: Path, least: int) -> None:
        table = pd.read_csv(index)
        table = table[table["artist"].map(table["artist"].value_counts()) >= least]
        self.pictures = [read_rgb(index.parent / file, 384) for file in table["file"]]
        self.names, self.codes = np.unique(table["artist"].to_numpy(str), return_inverse=True)
        self.sizes = np.bincount(self.codes)
        self.features = describe(self.pictures)
        self.view = cache(self._view)

    def _view(self, row: int, strength: float, number: int) -> np.ndarray:
        seed = int(np.random.SeedSequence([row, int(strength * 2), number]).generate_state(1)[0])
        alter = build(strengthen(preset_policy("artist"), strength), seed)
        return describe([alter(self.pictures[row])])[0]


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--index", type=Path, required=True)
    parser.add_argument("--least", type=int, default=19, help="works of an artist, at least")
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--first", type=int, default=0, help="seed of the first repeat")
    parser.add_argument("--without-views", action="store_true", help="leave out `augment`, which is slow")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # that a fit stopped at its 500th step
    archive = Archive(options.index, options.least)
    methods = [m for m in METHODS if not (m == "augment" and options.without_views)]
    trials = [Trial(archive, seed) for seed in range(options.first, options.first + options.repeats)]
    scores = {m: np.array([trial.f1(m) for trial in trials]) for m in methods}
    result = {
        method: {
            name: mean_interval(values)
            for name, values in (
                ("tail", found[:, 0]),
                ("gain", found[:, 0] - scores["none"][:, 0]),
                ("head", found[:, 1]),
                ("all", found[:, 2]),
            )
        }
        for method, found in scores.items()
    }
    if options.json:
        json.dump(result, sys.stdout, indent=1)
        print()
        return
    print(f"{len(archive.codes)} works of {len(archive.names)} artists, {options.repeats} repeats\n")
    print("| balance | tail macro-F1 | gain over none | head macro-F1 | macro-F1 |")
    print("| --- | --- | --- | --- | --- |")
    for method, row in result.items():
        cells = [f"{v['value']:.3f} [{v['low']:.3f}, {v['high']:.3f}]" for v in row.values()]
        print(f"| `{method}` | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
