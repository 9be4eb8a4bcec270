"""Suspects: list labels that are likely wrong, for a person to check; none is changed."""

from __future__ import annotations

from functools import partial
from typing import Literal

from pydantic import Field

from pipeline import paths
from pipeline.archive.tables import read_table, write_table
from pipeline.catalog.checks import faults
from pipeline.catalog.checks.duplicates import with_groups
from pipeline.catalog.features import matrix
from pipeline.catalog.missing import recorded_only
from pipeline.params import StageParams
from pipeline.stage import Context, Files, Metrics, Stage


class Params(StageParams):
    """The judged label, and the limits for suspect works."""

    label: Literal["school", "artist", "period"]
    folds: int = Field(ge=2, le=20)
    least_works: int = Field(ge=2)
    margin: float = Field(ge=0, lt=1)
    most: float = Field(gt=0, le=1)
    seed: int = Field(ge=0)


def run(params: Params, inputs: Files, outputs: Files, ctx: Context) -> Metrics:
    """Judge every recorded label by models that were not trained on its work."""
    works = with_groups(read_table(inputs["works"]), read_table(inputs["groups"]))
    if params.label != "artist":
        works = recorded_only(works, [params.label])
    works = works[works[params.label].notna()]
    described = read_table(inputs["features"])
    works = works[works["sha256"].isin(described["sha256"])]
    labels, groups = works[params.label].astype(str).tolist(), works["group"].tolist()
    features = matrix(described, works["sha256"])
    least = max(params.folds, params.least_works)
    if len(faults.judged_classes(labels, groups, least)) < 2:
        ctx.log.warning("fewer than two values of %s have %d works: none is judged", params.label, least)
        judged = faults.not_judged(labels)
    else:
        limits = faults.Limits(least_works=least, margin=params.margin, most=params.most)
        judging = faults.Works(labels, features, groups)
        # All works are one item: each is judged by models that were fitted on the others.
        found, _ = ctx.map(
            partial(faults.judge, folds=params.folds, seed=params.seed, limits=limits),
            {judging.sha256: judging},
            "suspects: judging",
            depends_on=params.model_dump(mode="json"),
        )
        judged = faults.as_table(found[judging.sha256])
    judged.insert(0, "id", works["id"].to_numpy())
    write_table(outputs["suspects"], judged)
    unclear = sorted(judged.loc[~judged["told_apart"], "given"].unique())
    if unclear:
        ctx.log.info("not told apart by their pictures, so none is suspect: %s", ", ".join(unclear))
    return {
        "judged": int(judged["score"].notna().sum()),
        "suspect": int(judged["suspect"].sum()),
        "too_rare": int(judged["score"].isna().sum()),
        "not_told_apart": unclear,
    }


STAGE = Stage(
    "suspects",
    Params,
    run,
    inputs={"works": paths.WORKS, "groups": paths.GROUPS, "features": paths.FEATURES},
    outputs={"suspects": paths.SUSPECTS},
)
