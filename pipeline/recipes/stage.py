"""The training stage of a recipe: its start weights are taken over, or trained on the archive's own works."""

from __future__ import annotations

import json
import shutil
from functools import partial
from pathlib import Path
from typing import Any

from pipeline import paths
from pipeline.archive.atomic import atomic_path
from pipeline.archive.fixity import file_sha256
from pipeline.errors import PentimentoError
from pipeline.recipes.recipe import P, Recipe, first_network, require, save, train
from pipeline.stage import Context, Files, Metrics, Stage


def training_stage(recipe: Recipe[Any]) -> Stage[Any]:
    """The stage train_NAME of a recipe."""
    return Stage(
        recipe.section,
        recipe.params,
        partial(run, recipe),
        inputs={
            "works": paths.WORKS,
            "prepared": paths.PREPARED,
            "start weights": paths.PRETRAINED / recipe.name,
        },
        outputs={"model": paths.MODELS / recipe.name},
    )


def run(recipe: Recipe[P], params: P, inputs: Files, outputs: Files, ctx: Context) -> Metrics:
    """Take the start weights over (epochs: 0), or train, keeping the epoch that is best on val works."""
    if params.epochs == 0:
        return take_over(recipe, params, ctx.root, outputs["model"])
    from pipeline.recipes.pictures import of_archive
    from pipeline.training.loop import first_only, make_fabric

    originals = recipe.originals(params) if recipe.originals else None
    pictures = of_archive(inputs["works"], inputs["prepared"], ctx.root, originals)
    fabric = make_fabric()
    trained = train(
        recipe, params, pictures, first_network(recipe, params, ctx.root), ctx.checkpoints, fabric
    )
    first_only(fabric)
    card = save(outputs["model"], recipe, params, pictures, trained)
    return {
        "epochs": len(trained.history),
        "parameters": sum(weights.numel() for weights in trained.network.parameters()),
        **card["figures"],
    }


def take_over(recipe: Recipe[P], params: P, root: Path, target: Path) -> Metrics:
    """Copy the start weights as they are.

    Raises:
        PentimentoError: when there are none, or they are those of another network.
    """
    if params.start_from is None:
        raise PentimentoError(
            f"{recipe.section}: epochs is 0 and start_from is null, so there is neither a "
            "training nor weights to take over; set one of them"
        )
    folder = root / params.start_from
    try:
        card = json.loads((folder / paths.CARD).read_text(encoding="utf-8"))
        require(recipe, params, card)
        with atomic_path(target) as made:
            made.mkdir()
            for name in (paths.CARD, paths.WEIGHTS):
                shutil.copyfile(folder / name, made / name)
    except FileNotFoundError as error:
        raise PentimentoError(
            f"{recipe.section}.start_from: no model in {folder}: {error.filename} is missing"
        ) from None
    except ValueError as error:
        raise PentimentoError(f"{folder / paths.CARD} is not valid JSON: {error}") from None
    return {"epochs": 0, "weights_sha256": file_sha256(target / paths.WEIGHTS)}
