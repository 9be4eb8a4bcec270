"""Restore: restore the damaged archive with the engine of `pentimento restore`; compare with the truth."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from pipeline import paths
from pipeline.archive.atomic import atomic_path
from pipeline.archive.images import read_rgb
from pipeline.errors import PentimentoError
from pipeline.metrics import psnr
from pipeline.params import read_params
from pipeline.restoration.methods.kit import load_kit
from pipeline.restoration.methods.registry import networks
from pipeline.restoration.methods.settings import Settings
from pipeline.restoration.work.kept import copy_kept, key_of, restore_kept, stands
from pipeline.restoration.work.work import Tree, Work
from pipeline.stage import Context, Files, Metrics, Stage

PANEL_SIDE = 400  # pixels of a picture's longer side in the report's panels
QUALITY = 85

Pixels = NDArray[np.uint8]


def run(params: Settings, inputs: Files, outputs: Files, ctx: Context) -> Metrics:
    """Restore every work of the manifest; figures by kind of damage, panels for the report."""
    manifest = pd.read_csv(inputs["damaged"] / paths.MANIFEST)
    _require_deps(params, ctx.root)
    settings = params.rooted(ctx.root).with_masks()
    kit = load_kit(settings, inputs["methods"])
    keep = ctx.state / paths.RESTORED_WORKS / kit.fingerprint
    kept = Tree(keep / "works", keep / "proof", keep / "partial")
    works = [_work(inputs["damaged"], str(name)) for name in manifest["path"]]
    keys = [key_of(work) for work in works]
    known, reasons = ctx.map(
        partial(restore_kept, kept=kept, kit=kit),
        dict(zip(keys, works, strict=True)),
        "restore",
        depends_on={"kit": kit.fingerprint},
        valid=partial(stands, kept=kept),
        workers=1,  # a model's engine takes one picture at a time
    )
    rows: list[dict[str, Any]] = []
    failures: dict[str, str] = {}
    with atomic_path(outputs["restored"]) as folder, atomic_path(outputs["plots"]) as plots:
        tree = Tree(folder / "works", folder / "proof", folder / "partial")
        plots.mkdir(parents=True)
        for number, (item, work, key) in enumerate(
            zip(manifest.to_dict("records"), works, keys, strict=True)
        ):
            name = work.path
            if key in reasons:
                failures[name] = reasons[key]
                ctx.log.warning("%s: %s", name, reasons[key])
                continue
            done = known[key]
            copy_kept(done, kept, tree)
            proof = json.loads((tree.proof / done["proof"]).read_text(encoding="utf-8"))
            before, after = read_rgb(work.source), read_rgb(tree.works / done["output"])
            truth = read_rgb(inputs["damaged"] / paths.DAMAGED_TRUTH / f"{name}.png")
            hole = _hole(inputs["damaged"] / paths.DAMAGED_MASKS / f"{name}.png")
            panel = f"{number:03d}.webp"
            _panel([before, after, truth]).save(plots / panel, quality=QUALITY, method=4)
            rows.append(
                {"path": name, "kind": item["kind"], "format": item["format"], "panel": panel}
                | _figures(before, after, truth, hole)
                | {"damage": done["damage"], "fallbacks": done["fallbacks"], "methods": _methods(proof)}
                | {"outside_difference": proof["outside_mask"]["largest_difference"]}
            )
        limit = params.max_failure_ratio * len(manifest)
        if len(failures) > limit or not rows:
            first = next(iter(failures.items()), ("", "the manifest is empty"))
            raise PentimentoError(
                f"restore: {len(failures)} of {len(manifest)} works failed (limit {limit:g}); "
                f"the first: {first[0]}: {first[1]}"
            )
        table = pd.DataFrame(rows)
        table.to_csv(plots / paths.BY_WORK, index=False, float_format="%.4f", lineterminator="\n")
    return _metrics(table, failures)


def _work(damaged: Path, name: str) -> Work:
    return Work(damaged / paths.DAMAGED_WORKS / name, name, damaged / paths.DAMAGED_MASKS / f"{name}.png")


def _require_deps(params: Settings, root: Path) -> None:
    """Refuse a model of the user's that DVC does not watch: replacing its file would change nothing.

    Raises:
        PentimentoError: naming the file and the command that adds it.
    """
    deps = read_params(root / paths.DAG)["stages"]["restore"]["deps"]
    for name, model in params.models.items():
        if str(model.path) not in deps:
            raise PentimentoError(
                f"restore.models.{name}: dvc.yaml does not list {model.path} among the deps of restore, so "
                "DVC would not notice another file there; run `python -m pipeline deps`"
            )


def _metrics(table: pd.DataFrame, failures: dict[str, str]) -> Metrics:
    figures = ["inside_before", "inside_after", "whole_before", "whole_after"]
    means = table.groupby("kind", sort=True)[figures].mean().round(3)
    lossless = table.loc[table["format"] != "jpeg", "outside_difference"]
    jpeg = table.loc[table["format"] == "jpeg", "outside_difference"]
    return {
        "works": len(table),
        "failed": failures,
        "psnr": {str(kind): {name: float(row[name]) for name in figures} for kind, row in means.iterrows()},
        "psnr_all": {name: round(float(table[name].mean()), 3) for name in figures},
        "pixels_by_method": _total(table["methods"]),
        "works_with_fallback": int((table["fallbacks"] > 0).sum()),
        "outside_difference_lossless": int(lossless.max()) if len(lossless) else 0,
        "outside_difference_jpeg": int(jpeg.max()) if len(jpeg) else 0,
    }


def _figures(before: Pixels, after: Pixels, truth: Pixels, hole: NDArray[np.bool_]) -> dict[str, float]:
    """PSNR in dB of 8-bit sRGB against the truth, inside the mask and over the whole picture."""
    return {
        f"{where}_{when}": psnr(pixels, truth, mask, peak=255)
        for when, pixels in (("before", before), ("after", after))
        for where, mask in (("inside", hole), ("whole", np.ones_like(hole)))
    }


def _methods(proof: dict[str, Any]) -> str:
    shapes = proof["methods"].items()
    return " ".join(
        f"{shape}:{method}:{pixels}"
        for shape, account in shapes
        for method, pixels in account["pixels_by_method"].items()
    )


def _total(texts: pd.Series[str]) -> dict[str, dict[str, int]]:
    total: dict[str, dict[str, int]] = {}
    for part in " ".join(texts).split():
        shape, method, pixels = part.split(":")
        counts = total.setdefault(shape, {})
        counts[method] = counts.get(method, 0) + int(pixels)
    return total


def _hole(path: Path) -> NDArray[np.bool_]:
    return np.asarray(np.asarray(Image.open(path).convert("L")) > 127)


def _panel(pictures: list[Pixels]) -> Image.Image:
    """Damaged, restored and true picture side by side."""
    height, width = pictures[0].shape[:2]
    scale = min(1.0, PANEL_SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    panel = Image.new("RGB", (len(pictures) * size[0] + (len(pictures) - 1) * 4, size[1]), "white")
    for place, pixels in enumerate(pictures):
        small = Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS)
        panel.paste(small, (place * (size[0] + 4), 0))
    return panel


# Which of the two is used, models/steps.json says. There is always a restorer that was trained here.
NETWORKS = networks("mask", "page", "size")
STAGE = Stage(
    "restore",
    Settings,
    run,
    inputs={
        "damaged": paths.DAMAGED,
        "model": paths.RESTORER,
        "methods": paths.METHODS,
        "steps": paths.STEPS,
        **{f"pretrained {name}": paths.PRETRAINED / name for name in NETWORKS},
        **{f"trained {name}": paths.MODELS / name for name in NETWORKS},
    },
    outputs={"restored": paths.RESTORED, "plots": paths.plots("restore")},
)
