"""Generate: write N pictures of the trained generator, and a grid of them."""

from __future__ import annotations

from pydantic import Field

from pipeline import paths
from pipeline.archive.atomic import atomic_path
from pipeline.generation.batch import generate
from pipeline.params import StageParams
from pipeline.stage import Context, Files, Metrics, Stage
from pipeline.training.families import generators


class Params(StageParams):
    """Which pictures."""

    count: int = Field(ge=1)
    seed: int = Field(ge=0)
    truncation: float = Field(ge=0, le=1)


def run(params: Params, inputs: Files, outputs: Files, ctx: Context) -> Metrics:
    """Write pictures 000000.png …, grid.png and request.json, which says what made them."""
    generator = generators.load(inputs["generator"])
    with atomic_path(outputs["generated"]) as out:
        generate(generator, inputs["generator"], out, **params.model_dump())
    return {"pictures": params.count, "side": generator.side}


STAGE = Stage(
    "generate",
    Params,
    run,
    inputs={"generator": paths.GENERATOR},
    outputs={"generated": paths.GENERATED},
)
