"""The recipe of the generator's start weights: the networks of its family, on views of packed pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from pipeline import environment, paths
from pipeline.errors import PentimentoError
from pipeline.recipes.recipe import Recipe, save_half
from pipeline.training.families.generators import GeneratorFamily, GeneratorParams
from pipeline.training.squares import views

if TYPE_CHECKING:
    from torch import nn

    from pipeline.recipes.pictures import Pictures
    from pipeline.training.task import Task

LIMITS = (
    "Made at low resolution from few paintings: pictures are studies of colour and composition, not works of "
    "any artist."
)


def _task(params: GeneratorParams, network: nn.Module, pictures: Pictures) -> Task:
    if params.start_from is not None:
        raise PentimentoError("a recipe of the generator begins with new networks: set start_from to null")
    family: GeneratorFamily = params.chosen
    rng = np.random.default_rng(params.seed)
    found = [view for picture in pictures.train for view in views(picture, params.side, params.views, rng)]
    networks = {**family.networks(params.side), "generator": network}
    grids = environment.state_dir(paths.project_root()) / paths.LOGS / "generator-samples"
    return family.task(networks, np.stack(found), params, grids)


def _card(params: GeneratorParams) -> dict[str, Any]:
    return {"kind": "start weights of the generator", "views_of_each": params.views, "limits": LIMITS}


def _finish(folder: Path, params: GeneratorParams, pictures: Pictures, task: Task) -> dict[str, Any]:
    """Save the discriminator inside the folder: a training that goes on needs it."""
    del pictures
    gan = params.gan  # type: ignore[attr-defined]  # the family's group
    sizes = {"width": gan.discriminator_width, "side": params.side, "projected": gan.projected}
    card = {"kind": "discriminator beside the generator's start weights", "licence": "Apache-2.0"}
    save_half(folder / "discriminator", task.networks["discriminator"], "gan_discriminator", sizes, card)
    return {}


GENERATOR: Recipe[Any] = Recipe(
    name="generator",
    params=cast("Any", GeneratorParams),
    architecture="gan_generator",
    arguments=lambda params: params.chosen.arguments(params.side),
    task=_task,
    card=_card,
    finish=_finish,
)
