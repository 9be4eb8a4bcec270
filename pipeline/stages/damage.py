"""Damage: build a small damaged archive from test works, to restore it and compare it with the truth."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image
from pydantic import Field

from pipeline import paths
from pipeline.archive.atomic import atomic_path
from pipeline.archive.shards import INDEX
from pipeline.catalog.originals import read_originals, works_of
from pipeline.damage import MASKED, damage
from pipeline.damage.texture import Pixels
from pipeline.errors import PentimentoError
from pipeline.params import StageParams
from pipeline.progress import track
from pipeline.restoration.work.masks import write_mask
from pipeline.stage import Context, Files, Metrics, Stage

FORMATS = ("jpeg", "png", "tiff8", "tiff16")
_SUFFIX = {"jpeg": ".jpg", "png": ".png", "tiff8": ".tif", "tiff16": ".tiff"}


class Params(StageParams):
    """The size of the damaged archive."""

    works: int = Field(ge=1)
    max_side: int = Field(ge=64)
    seed: int = Field(ge=0)


def run(params: Params, inputs: Files, outputs: Files, ctx: Context) -> Metrics:
    """Write works/KIND/NAME, masks/KIND/NAME.png (white = damage), truth/KIND/NAME.png."""
    works = works_of(inputs["works"], inputs["prepared"] / INDEX, "test")
    works = works.sort_values("id")[: params.works]
    if works.empty:
        raise PentimentoError("damage: the test split is empty; raise prepare.split's last share")
    rows: list[dict[str, Any]] = []
    with atomic_path(outputs["damaged"]) as folder:
        originals = track(read_originals(works, ctx.root, params.max_side), "damage", len(works))
        for number, (key, truth) in enumerate(zip(works["id"], originals, strict=True)):
            kind = MASKED[number % len(MASKED)]
            layout = FORMATS[(number + number // len(MASKED)) % len(FORMATS)]
            name = f"{kind}/{_file_name(str(key))}{_SUFFIX[layout]}"
            rng = np.random.default_rng([params.seed, number])
            clean = truth.astype(np.float32) / np.float32(255)
            damaged, mask = damage(clean, [kind], rng)
            _write_work(_made(folder / paths.DAMAGED_WORKS / name), damaged, layout)
            write_mask(folder / paths.DAMAGED_MASKS / f"{name}.png", mask, kind)
            Image.fromarray(truth).save(_made(folder / paths.DAMAGED_TRUTH / f"{name}.png"))
            rows.append({"path": name, "id": key, "kind": kind, "format": layout, "share": mask.mean()})
        table = pd.DataFrame(rows)
        table.to_csv(folder / paths.MANIFEST, index=False, float_format="%.4f", lineterminator="\n")
    return {
        "works": len(table),
        "damaged_share": round(float(table["share"].mean()), 4),
        "kinds": {kind: int((table["kind"] == kind).sum()) for kind in MASKED},
    }


def _file_name(key: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]+", "-", key).strip("-")


def _made(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _write_work(path: Path, pixels: Pixels, layout: str) -> None:
    if layout == "tiff16":
        import tifffile

        deep = np.round(pixels * 65535).astype(np.uint16)
        tifffile.imwrite(
            path, deep, photometric="rgb", compression="zlib", metadata=None, software=False,
            resolution=(300, 300), resolutionunit="INCH",
        )  # fmt: skip
        return
    picture = Image.fromarray(np.round(pixels * 255).astype(np.uint8))
    if layout == "jpeg":
        picture.save(path, quality=92, subsampling=0, dpi=(300, 300))
    elif layout == "tiff8":
        picture.save(path, compression="tiff_lzw", dpi=(300, 300))
    else:
        picture.save(path, dpi=(300, 300))


STAGE = Stage(
    "damage",
    Params,
    run,
    inputs={"works": paths.WORKS, "prepared": paths.PREPARED},
    outputs={"damaged": paths.DAMAGED},
)
