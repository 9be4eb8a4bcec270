"""The recipe of the colour network: give faded and yellowed pictures their colours back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from pipeline.params import StageParams
from pipeline.recipes.recipe import Params, Recipe

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import nn

    from pipeline.recipes.pictures import Pictures
    from pipeline.training.colour import ColourTask, Damage

    Pixels = NDArray[np.float32]  # (H, W, 3), values in [0, 1]

KINDS = ("fading", "varnish")
LIMITS = (
    "one curve a channel for the whole picture; cannot tell a warm light that was painted from thin yellow "
    "varnish; sRGB statistics of paintings"
)


class Network(StageParams):
    """The network's size: see ColourNet."""

    widths: tuple[int, ...] = Field(min_length=1)
    histogram_widths: tuple[int, ...] = Field(min_length=1)
    hidden: int = Field(ge=1)
    dropout: float = Field(ge=0, lt=1)


class ColourParams(Params):
    """The network, and how its examples are made."""

    network: Network
    identity: float = Field(ge=0, le=1)
    both: float = Field(ge=0, le=1)
    pictures: int = Field(ge=1)
    weight_decay: float = Field(ge=0)
    least_change: float = Field(ge=0)


def _task(params: ColourParams, network: nn.Module, pictures: Pictures) -> ColourTask:
    from pipeline.damage import age, damage
    from pipeline.training.colour import ColourTask

    def aged(pixels: Pixels, rng: np.random.Generator) -> Pixels:
        most = 2 if rng.random() < params.both else 1
        return age(pixels, rng, kinds=KINDS, most=most, identity=params.identity).pixels

    def only(kind: str) -> Damage:
        return lambda pixels, rng: damage(pixels, [kind], rng)[0]

    return ColourTask(
        network,
        train=pictures.train,
        validation=pictures.validation,
        damage=aged,
        judged={"none": lambda pixels, _: pixels} | {kind: only(kind) for kind in KINDS},
        pictures=params.pictures,
        batch_size=params.batch_size,
        learning_rate=params.learning_rate,
        weight_decay=params.weight_decay,
        seed=params.seed,
    )


def _card(params: ColourParams) -> dict[str, Any]:
    return {
        "purpose": "tells from a reduced picture which curves undo fading and yellow varnish",
        "kinds": list(KINDS),
        "least_change": params.least_change,
        "limits": LIMITS,
    }


COLOUR = Recipe(
    name="colour",
    params=ColourParams,
    architecture="colour_net",
    arguments=lambda params: params.network.model_dump(mode="json"),
    task=_task,
    card=_card,
)
