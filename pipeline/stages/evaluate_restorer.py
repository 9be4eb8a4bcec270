"""Evaluate restorer: measure every method on every kind of damage, and choose the best for each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from pipeline import paths
from pipeline.archive.atomic import atomic_path, write_json
from pipeline.archive.shards import Shards
from pipeline.archive.sheets import contact_sheet
from pipeline.damage import MASKED, damage
from pipeline.errors import PentimentoError
from pipeline.evaluation.restoration import best_methods, score, summary
from pipeline.metrics import psnr
from pipeline.params import StageParams
from pipeline.progress import say, track
from pipeline.resampling.bootstrap import mean_interval
from pipeline.restoration.methods.fill import fillers
from pipeline.restoration.methods.interface import Filler, Mask, Pixels
from pipeline.restoration.methods.learnt_filler import LearntFiller
from pipeline.restoration.methods.shapes import by_shape
from pipeline.stage import Context, Files, Metrics, Stage

LEARNT = LearntFiller.name

_PANEL = 160  # pixels of a picture that a panel shows, around its damage


class Params(StageParams):
    """How many works choose and evaluate the methods."""

    choosing: int = Field(ge=1)
    testing: int = Field(ge=2)
    panels: int = Field(ge=0)
    seed: int = Field(ge=0)


def run(params: Params, inputs: Files, outputs: Files, ctx: Context) -> Metrics:
    """Choose the best methods on val works, report all of them on test works."""
    shards = Shards(inputs["prepared"])
    methods: dict[str, Filler] = {**fillers(), LEARNT: LearntFiller(inputs["restorer"])}
    tables: dict[str, pd.DataFrame] = {}
    panels: dict[str, list[list[NDArray[np.uint8]]]] = {kind: [] for kind in MASKED}
    for split, most in (("val", params.choosing), ("test", params.testing)):
        rows: list[dict[str, Any]] = []
        chosen = shards.rows(split)[:most]
        if not chosen:
            raise PentimentoError(f"evaluate_restorer: the {split} split is empty")
        for number, row in enumerate(track(chosen, f"evaluate_restorer: {split}")):
            truth = shards[row].astype(np.float32) / np.float32(255)
            for order, kind in enumerate(MASKED):
                rng = np.random.default_rng([params.seed, number, order])
                damaged, mask = damage(truth, [kind], rng)
                filled = {name: method(damaged, mask) for name, method in methods.items()}
                labels = {"id": str(shards.index["id"].iloc[row]), "kind": kind}
                rows.extend(_scored(labels, filled, truth, mask))
                if split == "test" and number < params.panels:
                    panels[kind].append(_panel(damaged, mask, filled, truth))
        tables[split] = pd.DataFrame(rows)
    test = tables["test"]
    choice = choose(tables["val"], test)
    write_json(outputs["methods"], choice)
    worse = [kind for kind, entry in choice["by_kind"].items() if entry["best"] != LEARNT]
    if worse:
        say(f"evaluate_restorer: a classical method is better for {', '.join(worse)}: it is chosen")
    with atomic_path(outputs["plots"]) as folder:
        folder.mkdir()
        _write_table(folder / paths.BY_KIND, test)
        for kind, lines in panels.items():
            if lines:
                headings = ("damaged", "mask", "best classical", LEARNT, "truth")
                contact_sheet(folder / f"{kind}.png", lines, _PANEL * 2, headings=headings)
    return {
        "psnr": summary(test, "kind", "psnr"),
        "ssim": summary(test, "kind", "ssim"),
        "psnr_by_shape": summary(_shapes(test), "shape", "psnr"),
        "psnr_outside_lowest": round(float(test["psnr_outside"].min()), 2),
        "gain_over_best_classical": gains(test),
        "best": {kind: entry["best"] for kind, entry in choice["by_kind"].items()},
        "classical_better_for": worse,
    }


def choose(val: pd.DataFrame, test: pd.DataFrame) -> dict[str, Any]:
    """What models/methods.json holds: the best method by kind and by shape, chosen on val works."""
    parts = (("by_kind", "kind", val, test), ("by_shape", "shape", _shapes(val), _shapes(test)))
    found: dict[str, Any] = {}
    for name, column, chosen_on, reported_on in parts:
        entries = best_methods(chosen_on, column)
        figures = summary(reported_on, column, "psnr")
        found[name] = {
            group: {
                "best": entry["best"],
                "val_psnr": entry["psnr"],
                "test_psnr": figures.get(group, {}),
            }
            for group, entry in entries.items()
        }
    return found


def gains(test: pd.DataFrame) -> dict[str, Any]:
    """By kind: dB that the learnt method is above the classical one that is best in the mean."""
    found: dict[str, Any] = {}
    for kind, rows in test.groupby("kind", sort=False):
        wide = rows.pivot_table(index="id", columns="method", values="psnr")
        classical = wide.drop(columns=LEARNT)
        best = str(classical.mean().idxmax())
        found[str(kind)] = {"against": best, **mean_interval((wide[LEARNT] - wide[best]).dropna())}
    return found


def _scored(
    labels: dict[str, str], filled: dict[str, Pixels], truth: Pixels, mask: Mask
) -> list[dict[str, Any]]:
    shapes = by_shape(mask)
    rows = []
    for method, pixels in filled.items():
        by = {f"psnr_{shape}": psnr(pixels, truth, part) for shape, part in shapes.items()}
        rows.append({**labels, "method": method, **score(pixels, truth, mask), **by})
    return rows


def _shapes(table: pd.DataFrame) -> pd.DataFrame:
    """The table with one row per shape: its PSNR is that of the holes of this shape."""
    parts = [
        table[["id", "kind", "method"]].assign(shape=shape, psnr=table[f"psnr_{shape}"])
        for shape in ("thin", "wide")
    ]
    return pd.concat(parts, ignore_index=True)


def _write_table(path: Path, test: pd.DataFrame) -> None:
    figures = test.groupby(["kind", "method"], sort=False)[["psnr", "ssim", "ssim_whole"]].mean()
    figures.round(4).to_csv(path, lineterminator="\n")


def _panel(damaged: Pixels, mask: Mask, filled: dict[str, Pixels], truth: Pixels) -> list[NDArray[np.uint8]]:
    """Five pictures of the same window, where the damage is densest."""
    import cv2

    side = min(_PANEL, *mask.shape)
    dense = cv2.boxFilter(mask.astype(np.float32), -1, (side, side), borderType=cv2.BORDER_CONSTANT)
    centre = np.array(np.unravel_index(int(dense.argmax()), mask.shape))
    top, left = np.clip(centre - side // 2, 0, np.array(mask.shape) - side)
    window = (slice(top, top + side), slice(left, left + side))
    classical = {name: psnr(filled[name], truth, mask) for name in fillers()}
    best = max(classical, key=lambda name: classical[name])
    white = np.repeat(mask[..., None], 3, axis=2).astype(np.float32)
    pictures = (damaged, white, filled[best], filled[LEARNT], truth)
    return [np.round(picture[window] * 255).astype(np.uint8) for picture in pictures]


STAGE = Stage(
    "evaluate_restorer",
    Params,
    run,
    inputs={"prepared": paths.PREPARED, "restorer": paths.RESTORER},
    outputs={"plots": paths.plots("evaluate_restorer"), "methods": paths.METHODS},
)
