"""The recipe of the restorer: refine a classical filling of holes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from pydantic import Field

from pipeline.damage import MASKED, damage
from pipeline.errors import PentimentoError
from pipeline.params import StageParams
from pipeline.recipes.pictures import Pictures
from pipeline.recipes.recipe import Params, Recipe
from pipeline.restoration.methods.fill import fillers
from pipeline.restoration.methods.interface import Mask, Pixels
from pipeline.restoration.methods.steps import ClassicalName
from pipeline.training.adversarial import PatchAdversarial
from pipeline.training.restorer import Examples, RestorerTask

LIMITS = "invents no motifs: wide holes become smooth; 8-bit sRGB statistics"


class Network(StageParams):
    """The network's size: see ResidualUNet."""

    widths: tuple[int, ...] = Field(min_length=2)
    blocks: int = Field(ge=1)
    dilations: tuple[int, ...] = Field(min_length=1)


class RestorerParams(Params):
    """The damage, the network, and its training."""

    kinds: tuple[str, ...] = Field(min_length=1)
    start: ClassicalName
    epochs: int = Field(ge=1)
    network: Network
    examples: Examples
    fft_weight: float = Field(ge=0.0)
    bf16: bool
    adversarial: PatchAdversarial


def make_task(
    network: torch.nn.Module,
    params: RestorerParams,
    train: Sequence[Any],
    validation: Sequence[Any],
) -> RestorerTask:
    """The task for the loop, with this project's damage and classical start."""
    unknown = sorted(set(params.kinds) - set(MASKED))
    if unknown:
        raise PentimentoError(
            f"train_restorer.kinds: {', '.join(unknown)} leaves no holes to fill; "
            f"allowed are {', '.join(MASKED)}"
        )

    def one_kind(pixels: Pixels, rng: np.random.Generator) -> tuple[Pixels, Mask]:
        return damage(pixels, [params.kinds[int(rng.integers(len(params.kinds)))]], rng)

    return RestorerTask(
        network,
        train=train,
        validation=validation,
        damage=one_kind,
        start=fillers()[params.start],
        examples=params.examples,
        batch_size=params.batch_size,
        learning_rate=params.learning_rate,
        fft_weight=params.fft_weight,
        bf16=params.bf16,
        seed=params.seed,
    )


def _task(params: RestorerParams, network: torch.nn.Module, pictures: Pictures) -> RestorerTask:
    if params.adversarial.weight:
        raise PentimentoError("a recipe of the restorer has adversarial.weight 0; the stage can do more")
    return make_task(network, params, pictures.train, pictures.validation)


def _card(params: RestorerParams) -> dict[str, Any]:
    return {
        "start": params.start,
        "purpose": "refines a classical filling of holes in pictures of paintings",
        "kinds": list(params.kinds),
        "limits": LIMITS,
    }


RESTORER = Recipe(
    name="restorer",
    params=RestorerParams,
    architecture="residual_unet",
    arguments=lambda params: params.network.model_dump(mode="json"),
    required=lambda params: {"start": params.start},
    task=_task,
    card=_card,
)
