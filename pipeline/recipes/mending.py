"""The recipes of the networks of `enhance` and `upscale`: what to add to a noisy or a small picture."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from pydantic import Field

from pipeline.params import StageParams
from pipeline.recipes.recipe import Params, Recipe
from pipeline.training.examples import Crops, Penalty

if TYPE_CHECKING:
    from torch import nn

    from pipeline.recipes.pictures import Originals, Pictures
    from pipeline.training.enhancer import MendingTask

LIMITS = "paintings in 8-bit sRGB; adds no detail that the picture does not suggest"
PROBED = (15, 25)  # levels of noise, of 255, that the enhancer is validated at


class MendingParams(Params):
    """What the enhancer and the upscalers share: pictures, crops and losses."""

    side: int = Field(ge=256)
    works: int = Field(ge=1)
    crops: Crops
    penalty: Penalty
    fft_weight: float = Field(ge=0)
    bf16: bool


class EnhancerNetwork(StageParams):
    """The enhancer's size: see pipeline.models.enhancer."""

    widths: tuple[int, ...] = Field(min_length=1)
    blocks: tuple[int, ...] = Field(min_length=1)


class EnhancerParams(MendingParams):
    """The enhancer: its size, and the noise that it learns to take away."""

    network: EnhancerNetwork
    most_noise: float = Field(gt=0, le=255)
    gaussian: float = Field(ge=0, le=1)


class UpscalerNetwork(StageParams):
    """An upscaler's size: see pipeline.models.enhancer."""

    width: int = Field(ge=4)
    blocks: int = Field(ge=1)


class UpscalerParams(MendingParams):
    """An upscaler: its size."""

    network: UpscalerNetwork


def _originals(params: MendingParams) -> Originals:
    from pipeline.recipes.pictures import Originals

    return Originals(params.side, params.works, params.seed)


def _enhancer_task(params: EnhancerParams, network: nn.Module, pictures: Pictures) -> MendingTask:
    from pipeline.models.enhancer import Enhancer
    from pipeline.training.enhancer import with_noise, worn

    worsen = partial(worn, most=params.most_noise, gaussian=params.gaussian)
    probes = {f"sigma{level}": partial(with_noise, sigma=float(level)) for level in PROBED}
    return _task(params, network, pictures, Enhancer.inputs, worsen, probes)


def _upscaler_task(scale: int, params: UpscalerParams, network: nn.Module, pictures: Pictures) -> MendingTask:
    from pipeline.models.enhancer import Upscaler
    from pipeline.restoration.methods.classical import lanczos
    from pipeline.training.enhancer import reduced

    worsen = partial(reduced, scale=scale, enlarge=lanczos)
    return _task(params, network, pictures, Upscaler.inputs, worsen, {f"x{scale}": worsen})


def _task(
    params: MendingParams, network: nn.Module, pictures: Pictures, inputs: Any, worsen: Any, probes: Any
) -> MendingTask:
    from pipeline.training.enhancer import MendingTask, enlarged

    # Finer scans are smoother: each probe is made of enlarged pictures, too.
    finer = {f"{name}_enlarged": partial(enlarged, worsen=make, ratio=2) for name, make in probes.items()}
    return MendingTask(
        network,
        inputs=list(inputs),
        train=pictures.train,
        validation=pictures.validation,
        worsen=worsen,
        probes=probes | finer,
        crops=params.crops,
        batch_size=params.batch_size,
        learning_rate=params.learning_rate,
        fft_weight=params.fft_weight,
        bf16=params.bf16,
        seed=params.seed,
        penalty=params.penalty,
    )


def _upscaler(scale: int, times: str) -> Recipe[UpscalerParams]:
    purpose = f"enlarges {times}: what to add to Lanczos interpolation"
    return Recipe(
        name=f"upscaler_x{scale}",
        params=UpscalerParams,
        architecture="upscaler",
        arguments=lambda params: {"scale": scale, **params.network.model_dump(mode="json")},
        required=lambda params: {"scale": scale},
        task=partial(_upscaler_task, scale),
        card=lambda params: {"purpose": purpose, "limits": LIMITS},
        originals=_originals,
    )


UPSCALER_X2 = _upscaler(2, "twice")
UPSCALER_X4 = _upscaler(4, "four times")
ENHANCER = Recipe(
    name="enhancer",
    params=EnhancerParams,
    architecture="enhancer",
    arguments=lambda params: params.network.model_dump(mode="json"),
    task=_enhancer_task,
    card=lambda params: {
        "purpose": "takes noise away; its level is an input; some examples: other noise, JPEG, slight blur",
        "limits": LIMITS,
    },
    originals=_originals,
)
