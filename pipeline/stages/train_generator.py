"""Train the generator: a GAN that learns what the archive's paintings look like, at 64 pixels."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from pydantic import Field

from pipeline import paths
from pipeline.archive.atomic import atomic_path
from pipeline.archive.fixity import tree_sha256
from pipeline.archive.shards import Shards
from pipeline.errors import PentimentoError
from pipeline.models.gan import Discriminator, Generator
from pipeline.models.registry import load_model, save_model
from pipeline.progress import track
from pipeline.stage import Context, Files, Metrics, Stage
from pipeline.training.gan import Adversarial, GANTask, views
from pipeline.training.loop import Trainer, first_only, make_fabric
from pipeline.training.task import Schedule


class Params(Schedule):
    """The two networks, the pictures they see, and how they are trained."""

    side: int = Field(ge=32, le=256)
    views: int = Field(ge=1)
    latent: int = Field(ge=8, le=1024)
    width: int = Field(ge=4, le=256)
    discriminator_width: int = Field(ge=4, le=256)
    projected: bool
    start_from: str | None
    adversarial: Adversarial


def run(params: Params, inputs: Files, outputs: Files, ctx: Context) -> Metrics:
    """Train on views of the training split; the averaged generator becomes the model."""
    shards = Shards(inputs["prepared"])
    pictures = training_pictures(shards, params.side, params.views, params.seed)
    torch.manual_seed(params.seed)
    generator, discriminator = networks(params)
    folder, start_sha256 = ctx.checkpoints, None
    if params.start_from is not None:
        start_sha256 = start(ctx.root / params.start_from, generator, discriminator)
        folder = folder / f"from-{start_sha256[:16]}"
    task = GANTask(
        pictures,
        generator,
        discriminator,
        params.adversarial,
        learning_rate=params.learning_rate,
        batch_size=params.batch_size,
        seed=params.seed,
        grids=folder / "samples",
    )
    fabric = make_fabric()
    trainer = Trainer(task, params, folder, fabric)
    trained = trainer.fit("train generator")
    first_only(fabric)
    card = {
        "kind": "generator of paintings",
        "trained_on": {"works": len(shards.rows("train")), "views_of_each": params.views},
        "recipe": params.model_dump(mode="json"),
        "start_sha256": start_sha256,
        "limits": "Made at low resolution from few paintings: pictures are studies of colour and "
        "composition, not works of any artist.",
    }
    with atomic_path(outputs["generator"]) as model:
        save_model(model, trained, "gan_generator", generator_arguments(params), card)
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
            "generator": sum(p.numel() for p in generator.parameters()),
            "discriminator": sum(p.numel() for p in discriminator.parameters()),
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


def networks(params: Params) -> tuple[Generator, Discriminator]:
    """New networks, initialised from torch's global generator."""
    return (
        Generator(**generator_arguments(params)),
        Discriminator(params.discriminator_width, params.side, params.projected),
    )


def generator_arguments(params: Params) -> dict[str, int]:
    """What a generator is built from."""
    return {"latent": params.latent, "width": params.width, "side": params.side}


def start(folder: Path, generator: Generator, discriminator: Discriminator) -> str:
    """Fill both networks with the weights saved in a folder; their SHA-256.

    Raises:
        PentimentoError: when the folder is missing, or its networks are of another shape.
    """
    for path, network in ((folder, generator), (folder / "discriminator", discriminator)):
        saved, _ = load_model(path)
        try:
            network.load_state_dict(saved.state_dict())
        except RuntimeError:
            raise PentimentoError(
                f"{path} does not fit train_generator's side, latent, width, discriminator_width and "
                "projected; set those of its card.json, or start_from: null"
            ) from None
    return tree_sha256(folder)


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
