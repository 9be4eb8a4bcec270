"""Clean: quarantine unusable works, normalise labels, complete missing ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from pipeline import paths
from pipeline.archive.reasons import commonest
from pipeline.archive.tables import read_table, write_table
from pipeline.catalog.checks.schemas import LABELS, OnViolation, validate
from pipeline.catalog.features import matrix
from pipeline.catalog.location import NO_PICTURE
from pipeline.catalog.missing import Method, complete
from pipeline.catalog.records.labels import normalise
from pipeline.catalog.records.merge import merge
from pipeline.errors import PentimentoError
from pipeline.params import StageParams
from pipeline.stage import Context, Files, Metrics, Stage


class Missing(StageParams):
    """The method for each label's gaps."""

    school: Method
    year: Method
    period: Method


class Params(StageParams):
    """The limits for usable works, and the methods for gaps."""

    min_side: int = Field(ge=1)
    max_failure_ratio: float = Field(ge=0, le=1)
    missing: Missing
    seed: int = Field(ge=0)
    on_violation: OnViolation


def run(params: Params, inputs: Files, outputs: Files, ctx: Context) -> Metrics:
    """Judge every work once, by its content; then normalise and complete the labels of the good ones."""
    listed = read_table(inputs["catalog"])
    # The inventory lists the sources in the order of its params: the first counts most.
    catalog, conflicts = merge(listed, list(dict.fromkeys(listed["source"])))
    catalog = catalog.set_index("id", drop=False)
    reasons = {row.id: reason for row in catalog.itertuples() if (reason := _fault(row, params))}
    first: dict[str, str] = {}
    for work, sha256 in catalog.loc[~catalog["id"].isin(reasons), ["id", "sha256"]].itertuples(index=False):
        if first.setdefault(sha256, work) != work:
            reasons[work] = f"the same file as {first[sha256]}"

    _check_budget(reasons, len(catalog), params.max_failure_ratio)
    good = catalog.drop(index=list(reasons))
    described = read_table(inputs["features"], ["sha256", "features"])
    works = _labelled(good, matrix(described, good["sha256"]), params)
    dropped = works["dropped"].dropna()
    reasons |= dropped.to_dict()
    works = works.drop(index=dropped.index, columns=["dropped", "problem"])
    quarantine = catalog.loc[catalog["id"].isin(reasons), ["id", "source", "location", "path", "sha256"]]
    quarantine["reason"] = quarantine["id"].map(reasons).astype("string")
    _check_budget(reasons, len(catalog), params.max_failure_ratio)

    broken = validate(works, "works", params.on_violation, ctx.log)
    write_table(outputs["works"], works)
    write_table(outputs["quarantine"], quarantine)
    write_table(outputs["conflicts"], conflicts)
    return {
        "works": len(works),
        "quarantined": len(quarantine),
        "merged": len(listed) - len(catalog),
        "conflicts": len(conflicts),
        "broken_rules": broken,
        "labels": {label: _origins(works[f"{label}_origin"]) for label in LABELS},
        "schools": {str(k): int(v) for k, v in works["school"].value_counts().items()},
    }


def _fault(row: Any, params: Params) -> str | None:
    """The fault in a work's own catalog row, if any."""
    if pd.notna(row.problem):
        return str(row.problem)
    if min(row.width, row.height) < params.min_side:
        size = f"{row.width} x {row.height} pixels"
        return f"has only {size}, less than clean.min_side = {params.min_side}"
    return None


def _labelled(works: pd.DataFrame, features: NDArray[np.float32], params: Params) -> pd.DataFrame:
    """The good works with normalised and completed labels."""
    labels = normalise(works)
    labels["period_written"] = works["period"]
    works = works.drop(columns=["artist", "tags", "period"]).join(labels)
    methods = {label: getattr(params.missing, label) for label in LABELS}
    return complete(works, methods, features, params.seed)


def _check_budget(reasons: dict[str, str], total: int, ratio: float) -> None:
    # A record without a picture goes to quarantine, but it is no failure.
    failed = {key: reason for key, reason in reasons.items() if reason != NO_PICTURE}
    total -= len(reasons) - len(failed)
    reasons = failed
    if total == 0:
        raise PentimentoError("clean: no record names a picture: there is nothing to learn from")
    if len(reasons) > ratio * total or len(reasons) == total:
        (most,) = commonest(reasons, 1)
        raise PentimentoError(
            f"clean: {len(reasons)} of {total} works would be quarantined, more than "
            f"clean.max_failure_ratio = {ratio:g} allows; the commonest reason ({most['works']} times): "
            f"{reasons[most['example']]}"
        )


def _origins(column: pd.Series[Any]) -> dict[str, int]:
    counts = column.fillna("missing").value_counts()
    return {str(name): int(counts[name]) for name in sorted(counts.index)}


STAGE = Stage(
    "clean",
    Params,
    run,
    inputs={"catalog": paths.CATALOG, "features": paths.FEATURES},
    outputs={"works": paths.WORKS, "quarantine": paths.QUARANTINE, "conflicts": paths.CONFLICTS},
)
