"""Suspects: labels that are likely wrong, for a person to look at; none is changed."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pipeline import paths
from pipeline.archive.tables import read_table, write_table
from pipeline.catalog import faults
from pipeline.catalog.features import matrix
from pipeline.catalog.missing import recorded_only
from pipeline.params import StageParams
from pipeline.stage import Context, Files, Metrics, Stage


class Params(StageParams):
    """Whose labels are judged, and how."""

    label: Literal["school", "artist", "period"]
    folds: int = Field(ge=2, le=20)
    seed: int = Field(ge=0)


def run(params: Params, inputs: Files, outputs: Files, ctx: Context) -> Metrics:
    """Judge every recorded label by models that have not seen its work."""
    works = read_table(inputs["works"])
    if params.label != "artist":
        works = recorded_only(works, [params.label])
    works = works[works[params.label].notna()]
    described = read_table(inputs["features"])
    works = works[works["sha256"].isin(described["sha256"])]
    labels, groups = works[params.label].astype(str).tolist(), works["group"].tolist()
    features = matrix(described, works["sha256"])
    if len(faults.judged_classes(labels, groups, params.folds)) < 2:
        ctx.log.warning(
            "fewer than two values of %s have %d works: none is judged", params.label, params.folds
        )
        judged = faults.not_judged(labels)
    else:
        judged = faults.suspects(labels, features, groups, params.folds, params.seed)
    judged.insert(0, "id", works["id"].to_numpy())
    write_table(outputs["suspects"], judged)
    return {"judged": int(judged["score"].notna().sum()), "suspect": int(judged["suspect"].sum())}


STAGE = Stage(
    "suspects",
    Params,
    run,
    inputs={"works": paths.WORKS, "features": paths.FEATURES},
    outputs={"suspects": paths.SUSPECTS},
)
