"""How many injected wrong labels are found: recall and precision of the suspects, with intervals.

    python benchmarks/faults.py --index FOLDER/index.csv [--share 0.1] [--seeds 0 1 2 3 4] [--json]

Folds and limits are those of the section `suspects` of params.yaml. The index has the columns `file`
(relative to its folder) and `artist`. Artists with at least `--least` works are taken; a share of their
labels, drawn by seed, is replaced by another artist drawn at random. The rule and its settings were
chosen on seeds 100 to 109; the seeds reported are others. Intervals: 95%, bootstrap over works within
seeds, all seeds pooled.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline import paths
from pipeline.archive.images import read_rgb
from pipeline.catalog.checks.duplicates import near_groups
from pipeline.catalog.checks.faults import Limits, suspects
from pipeline.catalog.describing import describe
from pipeline.catalog.reading import perceptual_hash
from pipeline.params import load_params
from pipeline.resampling.bootstrap import interval
from pipeline.stages.suspects import Params


def inject(labels: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Labels of which a share is replaced by another class at random."""
    rng = np.random.default_rng(seed)
    names, codes = np.unique(labels, return_inverse=True)
    rows = rng.choice(len(codes), round(share * len(codes)), replace=False)
    codes[rows] = (codes[rows] + rng.integers(1, len(names), len(rows))) % len(names)
    return names[codes]


def measure(table: pd.DataFrame, wrong: np.ndarray) -> dict[str, Any]:
    """Recall and precision of the flags and how often the suggestion is the true label."""
    flagged = table["suspect"].to_numpy()
    return {
        "flagged": int(flagged.sum()),
        "recall": round(float(flagged[wrong].mean()), 4) if wrong.any() else None,
        "precision": round(float(wrong[flagged].mean()), 4) if flagged.any() else None,
        "suggestion_right": round(float((table["suggested"] == table["true"])[flagged & wrong].mean()), 4)
        if (flagged & wrong).any()
        else None,
    }


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--index", type=Path, required=True)
    parser.add_argument("--least", type=int, default=19, help="works of an artist, at least")
    parser.add_argument("--share", type=float, default=0.1, help="of labels made wrong")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    index = pd.read_csv(options.index)
    sizes = index["artist"].map(index["artist"].value_counts())
    index = index[sizes >= options.least].reset_index(drop=True)
    pictures = [read_rgb(options.index.parent / file, 512) for file in index["file"]]
    features = describe(pictures)
    groups = near_groups([perceptual_hash(picture) for picture in pictures], 4)
    true = index["artist"].to_numpy(str)
    params = load_params(paths.project_root() / paths.PARAMS, "suspects", Params)
    limits = Limits(least_works=params.least_works, margin=params.margin, most=params.most)
    rows, pooled, seconds = [], [], 0.0
    for seed in options.seeds:
        given = inject(true, options.share, seed)
        started = time.monotonic()
        table = suspects(list(given), features, groups.tolist(), params.folds, seed, limits)
        seconds += time.monotonic() - started
        table["true"] = true
        rows.append({"seed": seed} | measure(table, given != true))
        pooled.append(np.stack([table["suspect"].to_numpy(), given != true], axis=1))
    pairs = np.concatenate(pooled)
    result = {
        "works": len(index), "classes": len(set(true)), "share": options.share,
        "seconds_per_run": round(seconds / len(options.seeds), 1), "seeds": rows,
    }  # fmt: skip
    if options.share > 0:
        result["recall"] = interval(lambda p: p[p[:, 1], 0].mean(), pairs)
        result["precision"] = interval(lambda p: p[p[:, 0], 1].mean(), pairs)
    if options.json:
        json.dump(result, sys.stdout, indent=1)
        print()
        return
    print(f"{len(index)} works of {len(set(true))} artists, {options.share:.0%} of the labels wrong")
    print(pd.DataFrame(rows).to_string(index=False))
    for name in ("recall", "precision"):
        if name in result:
            print(
                f"{name} {result[name]['value']:.3f} [{result[name]['low']:.3f}, {result[name]['high']:.3f}]"
            )


if __name__ == "__main__":
    main()
