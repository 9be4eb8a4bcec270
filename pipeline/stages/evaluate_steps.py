"""Evaluate steps: measure classical and learnt detection, enhancing and enlarging, and choose the best.

Where a training has changed weights, they are judged beside those that come with Pentimento.

All are measured on the works' originals, as in a restoration. The reduced pictures of data/prepared are
sharper, and the learnt detector is much worse on them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from pipeline import environment, paths
from pipeline.archive.atomic import atomic_path, write_json
from pipeline.archive.canvas import Canvas
from pipeline.archive.shards import INDEX
from pipeline.archive.sheets import contact_sheet
from pipeline.catalog.originals import read_originals, works_of
from pipeline.damage import MASKED, damage
from pipeline.errors import PentimentoError
from pipeline.evaluation.detection import compare
from pipeline.metrics import psnr
from pipeline.params import StageParams
from pipeline.progress import say, track
from pipeline.resampling.bootstrap import mean_interval
from pipeline.restoration.methods.colour import difference
from pipeline.restoration.methods.interface import Detector, Enhancer, Pixels, Position, Preview
from pipeline.restoration.methods.kit import candidates
from pipeline.restoration.methods.registry import CLASSICAL, Changes, Step, networks, steps
from pipeline.restoration.work.enhancing import apply, preview_of
from pipeline.stage import Context, Files, Metrics, Stage

CLEAN = "undamaged"
MEASURED: tuple[Changes, ...] = ("mask", "page", "size")  # evaluate_restorer measures fillers
NOISE = "noise"  # of the levels in the params; every other kind of damage is one of pipeline/damage
SIDE = 1024  # pixels of the longer side; larger originals are reduced to it, as for the detector's training
MIDDLE = 256  # pixels of a side; enhancing and enlarging are judged on so much of the middle: both are local
FALSE_ALARMS = 0.005  # share of an undamaged picture that a detector may have painted over, on average
PRECISION = 0.5  # least share of damage in what a detector marks in damaged pictures, on average

Row = dict[str, Any]


class Params(StageParams):
    """How many works choose and evaluate the methods."""

    choosing: int = Field(ge=1)
    testing: int = Field(ge=2)
    noise: tuple[float, ...] = Field(min_length=1)
    panels: int = Field(ge=1)
    seed: int = Field(ge=0)


def run(params: Params, inputs: Files, outputs: Files, ctx: Context) -> Metrics:
    """Choose by val works, report test works."""
    homes = {"pretrained": ctx.root / paths.PRETRAINED, "trained": ctx.root / paths.MODELS}
    methods = _Methods(homes, ctx.state)
    weights = {step: found.weights for step, found in methods.candidates.items()}
    tables: dict[str, pd.DataFrame] = {}
    sheet: list[list[Pixels]] = []
    for split, most in (("val", params.choosing), ("test", params.testing)):
        chosen = works_of(inputs["works"], inputs["prepared"] / INDEX, split)[:most]
        if chosen.empty:
            raise PentimentoError(f"evaluate_steps: the {split} split is empty; see prepare.split")
        pictures = enumerate(read_originals(chosen, ctx.root, SIDE))
        judge = partial(methods.judged, params=params, test=split == "test")
        rows: list[Row] = []
        # Threads suffice: Python mostly waits for engines, which run on one thread each.
        with ThreadPoolExecutor(environment.workers()) as pool:
            judged = track(pool.map(judge, pictures), f"evaluate_steps: {split}", len(chosen))
            for number, (lines, shown) in enumerate(judged):
                rows += [{"work": number, **line} for line in lines]
                sheet += shown if split == "test" and number < params.panels else []
        tables[split] = pd.DataFrame(rows)
    best = choose(tables["val"], weights)
    for step, entry in best.items():
        if entry["best"] == CLASSICAL and weights[step]:
            say(f"evaluate_steps: {CLASSICAL} is better for {step}: it is chosen")
        for network, where in entry.get("weights", {}).items():
            if len(weights[step]) > 1:
                say(f"evaluate_steps: {network}: the {where} weights are better for {step}")
    write_json(outputs["steps"], best)
    with atomic_path(outputs["plots"]) as folder:
        folder.mkdir()
        means = tables["test"].groupby(["step", "kind", "method"], sort=False).mean(numeric_only=True)
        means.drop(columns="work").round(4).to_csv(folder / paths.BY_KIND, lineterminator="\n")
        headings = ("aged", f"enhanced, {methods.shown}", "truth")
        rounded = [[np.round(pixels * 255).astype(np.uint8) for pixels in line] for line in sheet]
        contact_sheet(folder / paths.ENHANCED, rounded, 320, headings=headings)
    return {
        "best": {step: entry["best"] for step, entry in best.items()},
        "weights": {step: entry["weights"] for step, entry in best.items() if "weights" in entry},
        "figures": _figures(tables["test"]),
    }


class _Methods:
    """The methods of every step that is measured here.

    candidates: step as it is measured (see Step.measured_as) -> its methods.
    """

    def __init__(self, homes: Mapping[str, Path], scratch: Path) -> None:
        self.scratch = scratch
        self.candidates = {
            step.measured_as(scale): candidates(step, scale, homes)
            for step in steps()
            if step.changes in MEASURED
            for scale in step.scales
        }
        self.shown = [*self.candidates["enhance"].methods][-1]  # whose results the sheet shows

    def of(self, *changes: Changes) -> Iterator[tuple[Step, int, dict[str, Any]]]:
        """The steps that change one of these, each with its scale and its methods."""
        for step in steps():
            for scale in step.scales if step.changes in changes else ():
                yield step, scale, self.candidates[step.measured_as(scale)].methods

    def judged(
        self, numbered: tuple[int, NDArray[np.uint8]], params: Params, test: bool
    ) -> tuple[list[Row], list[list[Pixels]]]:
        """Every figure of one work, and what to show of it: aged, enhanced, truth."""
        number, picture = numbered
        truth = picture.astype(np.float32) / np.float32(255)
        seeds = [params.seed, int(test), number]
        rows: list[Row] = []
        sheet: list[list[Pixels]] = []
        for step, _, known in self.of("mask"):
            rows += self.detected(step, known, truth, seeds)
        for step, _, known in self.of("page"):
            for row, pictures in self.enhanced(step, known, truth, params.noise, seeds):
                rows.append(row)
                if step.name == "enhance" and row["method"] == self.shown:
                    sheet.append(pictures)
        for step, scale, known in self.of("size"):
            rows += self.enlarged(step, scale, known, _middle(truth))
        return rows, sheet

    def detected(
        self, step: Step, methods: Mapping[str, Detector], truth: Pixels, seeds: list[int]
    ) -> Iterator[Row]:
        """F1 for every kind of damage, and the share of the sound pixels that would be painted over."""
        place = Position(0, 0, *truth.shape[:2])
        for order, kind in enumerate((CLEAN, *MASKED)):
            damaged, mask = truth, np.zeros(truth.shape[:2], np.bool_)
            if kind != CLEAN:
                damaged, mask = damage(truth, [kind], np.random.default_rng([*seeds, order]))
            for name, detector in methods.items():
                found = detector(damaged, place)
                row: Row = {"step": step.name, "kind": kind, "method": name}
                row["sound_changed"] = float(found[~mask].mean())
                row["found"] = float(found.mean())
                if kind == CLEAN:
                    row["copies"] = float(not found.any())
                yield row | (compare(found, mask) if mask.any() else {})

    def enhanced(
        self,
        step: Step,
        methods: Mapping[str, Enhancer],
        truth: Pixels,
        levels: tuple[float, ...],
        seeds: list[int],
    ) -> Iterator[tuple[Row, list[Pixels]]]:
        """PSNR and colour difference (CIEDE2000) of the middle, for each kind of damage that the step undoes.

        Methods derive their settings from the whole picture, as in a restoration.
        """
        aged: dict[str, Pixels] = {CLEAN: truth}
        rng = np.random.default_rng([*seeds, 100])
        for level in levels if NOISE in step.undoes else ():
            noisy = truth + rng.normal(0, level / 255, truth.shape)
            aged[f"noise {level:g}"] = _rounded(noisy)
        for kind in (kind for kind in step.undoes if kind != NOISE):
            aged[kind] = _rounded(damage(truth, [kind], rng)[0])
        truth = _middle(truth)
        for kind, whole in aged.items():
            look, before = self._look(whole), _middle(whole)
            for name, method in methods.items():
                after = apply(method.tuned(look), before)
                row = {"step": step.name, "kind": kind, "method": name}
                figures = {"psnr": psnr(after, truth), "colour": difference(after, truth)}
                figures |= {"psnr_before": psnr(before, truth), "colour_before": difference(before, truth)}
                yield row | figures, [before, after, truth]

    def _look(self, pixels: Pixels) -> Preview:
        """What a restoration of this picture (H, W, 3) would be set by."""
        height, width, channels = pixels.shape
        with Canvas((height, width, channels), np.uint8, channels, self.scratch) as canvas:
            canvas.write((slice(0, height), slice(0, width)), np.rint(pixels * 255).astype(np.uint8))
            return preview_of(canvas)

    def enlarged(
        self, step: Step, scale: int, methods: Mapping[str, Enhancer], truth: Pixels
    ) -> Iterator[Row]:
        """PSNR of luma (ITU-R BT.601) after a bicubic reduction is enlarged again."""
        height, width = (size // scale * scale for size in truth.shape[:2])
        whole = truth[:height, :width]
        small = _rounded(reduced(whole, scale))
        for name, method in methods.items():
            figure = psnr(_luma(apply(method, small)), _luma(whole))
            yield {"step": step.measured_as(scale), "kind": "reduced", "method": name, "psnr": figure}


def choose(
    val: pd.DataFrame, weights: Mapping[str, Mapping[str, dict[str, str]]] | None = None
) -> dict[str, Any]:
    """The best method of each step: what models/steps.json holds.

    Args:
        val: a row per work, step, kind and method.
        weights: step -> method with networks -> network -> 'pretrained' or 'trained' (see kit.variants).
            `best` is then the method without its variant, and `weights` says which variant is the best one.
    """
    found: dict[str, Any] = {}
    for step, rows in val.groupby("step", sort=False):
        if step == "detect":
            clean, damaged = rows[rows["kind"] == CLEAN], rows[rows["kind"] != CLEAN]
            alarms = clean.groupby("method", sort=False)["sound_changed"].mean()
            means = damaged.groupby("method", sort=False)["f1"].mean()
            marked = damaged[damaged["found"] > 0].groupby("method", sort=False)["precision"].mean()
            precision = marked.reindex(means.index, fill_value=0.0)
            # A detector that changes too much sound paint is excluded, however much damage it finds.
            fair = means[(alarms <= FALSE_ALARMS) & (precision >= PRECISION)]
            figures = {"f1": means, "false_alarms": alarms, "precision": precision}
            entry = _best(means, fair if len(fair) else means[[CLASSICAL]], (weights or {}).get(step, {}))
        else:
            # An unchanged undamaged picture has infinite PSNR and would decide alone.
            means = rows[rows["kind"] != CLEAN].groupby("method", sort=False)["psnr"].mean()
            figures = {"psnr": means}
            entry = _best(means, means, (weights or {}).get(str(step), {}))
        found[str(step)] = entry | {name: _by_method(value) for name, value in figures.items()}
    return found


def _best(
    means: pd.Series[float], fair: pd.Series[float], weights: Mapping[str, dict[str, str]]
) -> dict[str, Any]:
    """The best of the fair methods, and the weights of the best learnt one (of the fair ones, if any)."""
    best = str(fair.idxmax())
    entry: dict[str, Any] = {"best": best.partition(",")[0]}  # without the variant of its weights
    if weights:
        learnt = fair[fair.index.isin([*weights])]
        entry["weights"] = weights[str((learnt if len(learnt) else means[[*weights]]).idxmax())]
    return entry


def reduced(pixels: Pixels, scale: int) -> Pixels:
    """A picture (H, W, 3) reduced by antialiased bicubic interpolation, as super-resolution is judged by."""
    from PIL import Image

    size = (pixels.shape[1] // scale, pixels.shape[0] // scale)
    bands = [
        Image.fromarray(np.ascontiguousarray(pixels[..., band])).resize(size, Image.Resampling.BICUBIC)
        for band in range(pixels.shape[2])
    ]
    return np.stack([np.asarray(band, np.float32) for band in bands], axis=2)


def _figures(test: pd.DataFrame) -> dict[str, Any]:
    """step -> kind -> method -> figure -> interval over works."""
    found: dict[str, Any] = {}
    for (step, kind, method), rows in test.groupby(["step", "kind", "method"], sort=False):
        numbers = rows.drop(columns=["work", "step", "kind", "method"]).dropna(axis=1, how="all")
        figures = {str(name): mean_interval(numbers[name].dropna()) for name in numbers}
        found.setdefault(str(step), {}).setdefault(str(kind), {})[str(method)] = figures
    return found


def _by_method(means: pd.Series[float]) -> dict[str, float]:
    return {str(method): round(float(value), 4) for method, value in means.items()}


def _middle(pixels: Pixels) -> Pixels:
    """The middle (h, w, C) of a picture, `MIDDLE` pixels a side where it has so many."""
    top, left = (max(0, (size - MIDDLE) // 2) for size in pixels.shape[:2])
    return pixels[top : top + MIDDLE, left : left + MIDDLE]


def _rounded(pixels: Any) -> Pixels:
    """Rounded to the values of an 8-bit file."""
    return np.asarray(np.round(np.clip(pixels, 0, 1) * 255) / 255, np.float32)


def _luma(pixels: Pixels) -> Pixels:
    luma = cv2.transform(np.ascontiguousarray(pixels), np.array([[0.299, 0.587, 0.114]], np.float32))
    return np.asarray(luma, np.float32).reshape(*pixels.shape[:2], 1)


NETWORKS = networks(*MEASURED)
STAGE = Stage(
    "evaluate_steps",
    Params,
    run,
    inputs={
        "works": paths.WORKS,
        "prepared": paths.PREPARED,
        **{f"pretrained {name}": paths.PRETRAINED / name for name in NETWORKS},
        **{f"trained {name}": paths.MODELS / name for name in NETWORKS},
    },
    outputs={"plots": paths.plots("evaluate_steps"), "steps": paths.STEPS},
)
