"""The recipe of the detector: find damage made to order, then the rule by which its map becomes a mask."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from pipeline.params import StageParams
from pipeline.recipes.recipe import Params, Recipe
from pipeline.training.examples import DamagedExamples

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

    from pipeline.recipes.pictures import Originals, Pictures
    from pipeline.training.detector import DetectorTask
    from pipeline.training.task import Task

LIMITS = "paint that looks like damage is taken for it; hairs and specks on dark paint are missed"
# It stands in the card until the rule is chosen: every pixel that is more probably damage than not.
ANYTHING = {"probable": 0.5, "certain": 0.5, "core": 1, "evidence": 0.0}


class Network(StageParams):
    """The network's size: see DamageDetector."""

    widths: tuple[int, ...] = Field(min_length=2)
    blocks: tuple[int, ...] = Field(min_length=1)
    dilations: tuple[int, ...] = Field(min_length=1)


class Ageing(StageParams):
    """How pictures are damaged: see pipeline.recipes.ageing."""

    clean: float = Field(ge=0, le=1)
    crumbling: float = Field(ge=0, le=1)
    faint: float = Field(ge=0, le=1)
    near: int = Field(ge=0)
    often: dict[str, float]


class RuleChoice(StageParams):
    """How the rule is chosen, and what it does not choose: see pipeline.recipes.detector_rule."""

    copies: float = Field(gt=0, le=1)
    margin: float = Field(ge=0, lt=0.5)
    rim: int = Field(ge=0, le=32)
    wide: int = Field(ge=0, le=32)
    hint: float = Field(ge=0, le=1)
    draws: int = Field(ge=1)
    enlarged: int = Field(ge=1)


class DetectorParams(Params):
    """The network, its pictures, their damage, and the choice of the rule."""

    network: Network
    side: int = Field(ge=256)
    works: int = Field(ge=1)
    examples: DamagedExamples
    ageing: Ageing
    rule: RuleChoice
    bf16: bool


def _kinds() -> list[str]:
    from pipeline.damage import MASKED

    return list(MASKED)


def _originals(params: DetectorParams) -> Originals:
    from pipeline.recipes.pictures import Originals

    return Originals(params.side, params.works, params.seed)


def _task(params: DetectorParams, network: nn.Module, pictures: Pictures) -> DetectorTask:
    from pipeline.models.detector import DamageDetector
    from pipeline.recipes.ageing import ageing
    from pipeline.training.detector import DetectorTask

    assert isinstance(network, DamageDetector)
    return DetectorTask(
        network,
        train=pictures.train,
        validation=pictures.validation,
        ageing=ageing(**params.ageing.model_dump()),
        examples=params.examples,
        batch_size=params.batch_size,
        learning_rate=params.learning_rate,
        bf16=params.bf16,
        seed=params.seed,
    )


def _card(params: DetectorParams) -> dict[str, Any]:
    del params
    return {"purpose": "finds damage in pictures of paintings, by kind", "limits": LIMITS, "rule": ANYTHING}


def _finish(folder: Path, params: DetectorParams, pictures: Pictures, task: Task) -> dict[str, Any]:
    del task
    from pipeline.recipes.detector_rule import choose

    held_out = pictures.validation[: params.examples.validation_pictures]
    return choose(folder, held_out, params.seed, **params.rule.model_dump())


DETECTOR = Recipe(
    name="detector",
    params=DetectorParams,
    architecture="damage_detector",
    arguments=lambda params: {"kinds": _kinds(), **params.network.model_dump(mode="json")},
    required=lambda params: {"kinds": _kinds()},
    task=_task,
    card=_card,
    originals=_originals,
    finish=_finish,
)
