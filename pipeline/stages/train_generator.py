"""Train the generator: a network that learns to make pictures like the archive's, at 64 pixels."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from pipeline import paths
from pipeline.archive.atomic import atomic_path
from pipeline.archive.fixity import tree_sha256
from pipeline.archive.shards import Shards
from pipeline.errors import PentimentoError
from pipeline.models.registry import save_model
from pipeline.progress import track
from pipeline.stage import Context, Files, Metrics, Stage
from pipeline.training.families.generators import GeneratorFamily, GeneratorParams, load_start_weights
from pipeline.training.loop import Trainer, first_only, make_fabric
from pipeline.training.squares import views

Params = GeneratorParams


def run(params: Params, inputs: Files, outputs: Files, ctx: Context) -> Metrics:
    """Train on views of the training split; the averaged generator becomes the model."""
    shards = Shards(inputs["prepared"])
    pictures = training_pictures(shards, params.side, params.views, params.seed)
    family: GeneratorFamily = params.chosen
    torch.manual_seed(params.seed)
    networks = family.networks(params.side)
    folder, start_sha256 = params.checkpoints(ctx.checkpoints), None
    if params.start_from is not None:
        load_start_weights(networks, ctx.root / params.start_from, params.family)
        start_sha256 = tree_sha256(ctx.root / params.start_from)
        folder = folder / f"from-{start_sha256[:16]}"
    task = family.task(networks, pictures, params, folder / "samples")
    fabric = make_fabric()
    trainer = Trainer(task, params, folder, fabric)
    trained = trainer.fit("train generator")
    first_only(fabric)
    card = {
        "kind": "generator of paintings",
        "trained_on": {"works": len(shards.rows("train")), "views_of_each": params.views},
        "recipe": params.recipe(),
        "start_sha256": start_sha256,
        "limits": "Made at low resolution from few paintings: pictures are studies of colour and "
        "composition, not works of any artist.",
    }
    with atomic_path(outputs["generator"]) as model:
        save_model(model, trained, family.architecture, family.arguments(params.side), card)
    last = trainer.history[-1]
    with atomic_path(outputs["plots"]) as plots:
        plots.mkdir()
        history = pd.DataFrame(trainer.history)
        history.insert(0, "epoch", range(1, len(history) + 1))
        history.round(5).to_csv(plots / paths.HISTORY, index=False)
        _copy_grids(folder / "samples", plots, len(trainer.history))
    return {
        "epochs": len(trainer.history),
        "pictures": len(pictures),
        "parameters": {
            name: sum(p.numel() for p in network.parameters()) for name, network in networks.items()
        },
        **{name: round(value, 4) for name, value in last.items()},
    }


def training_pictures(shards: Shards, side: int, count: int, seed: int) -> NDArray[np.uint8]:
    """`count` square views of every picture of the training split, (N, side, side, 3).

    Raises:
        PentimentoError: when the split is empty.
    """
    rng = np.random.default_rng(seed)
    rows = shards.rows("train")
    if not rows:
        raise PentimentoError(f"{shards.folder} has no picture in its training split")
    found = [views(shards[row], side, count, rng) for row in track(rows, "views of the pictures")]
    return np.stack([view for group in found for view in group])


def _copy_grids(source: Path, target: Path, epochs: int) -> None:
    for path in sorted(source.glob("samples-*.png")):
        if int(path.stem.removeprefix("samples-")) <= epochs:
            shutil.copyfile(path, target / path.name)


STAGE = Stage(
    "train_generator",
    Params,
    run,
    inputs={"prepared": paths.PREPARED, "start weights": paths.PRETRAINED / "generator"},
    outputs={"generator": paths.GENERATOR, "plots": paths.plots("train_generator")},
)
