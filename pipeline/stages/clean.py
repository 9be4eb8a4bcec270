"""Clean: quarantine what cannot be learnt from, normalise labels, complete missing ones."""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from pipeline import paths
from pipeline.archive.images import read_rgb
from pipeline.archive.tables import read_table, write_table
from pipeline.catalog.duplicates import candidate_pairs, group_pairs, near_groups, perceptual_hash
from pipeline.catalog.features import matrix
from pipeline.catalog.labels import normalise
from pipeline.catalog.matching import Sketch, same_work, sketch
from pipeline.catalog.merge import merge
from pipeline.catalog.missing import Method, complete
from pipeline.catalog.schemas import LABELS, OnViolation, validate
from pipeline.catalog.sources import file_of
from pipeline.catalog.sources.table import NO_PICTURE
from pipeline.errors import PentimentoError
from pipeline.params import StageParams
from pipeline.stage import Context, Files, Metrics, Stage

_KIND = re.compile(r"(?<=the same file as) .*|\d+ x \d+ ")  # what differs between reasons of one kind


_SKETCHES = 1024  # kept while pairs are compared: some 300 MB


class Missing(StageParams):
    """The method for each label's gaps."""

    school: Method
    year: Method
    period: Method


class Params(StageParams):
    """What is too bad to learn from, and how gaps are filled."""

    min_side: int = Field(ge=1)
    max_megapixels: float = Field(gt=0)
    duplicate_distance: int = Field(ge=0, le=16)
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
    reasons = {row.id: reason for row in catalog.itertuples() if (reason := _header_fault(row, params))}
    candidates = catalog.drop(index=list(reasons))
    files = {row.sha256: (row.location, row.path) for row in candidates.itertuples()}

    def work(place: tuple[str, str]) -> str:
        return perceptual_hash(read_rgb(file_of(*place, ctx.root), max_side=512))

    hashes, failures = ctx.map(work, files, "clean: decoding", depends_on={})
    first: dict[str, str] = {}
    for row in candidates.itertuples():
        if row.sha256 in failures:
            reasons[row.id] = failures[row.sha256]
        elif first.setdefault(row.sha256, row.id) != row.id:
            reasons[row.id] = f"the same file as {first[row.sha256]}"

    _check_budget(reasons, len(catalog), params.max_failure_ratio)
    good = catalog.drop(index=list(reasons))
    good = good.assign(phash=good["sha256"].map(hashes).astype("string"))
    features = read_table(inputs["features"])
    good["group"] = _groups(good, features, params, ctx)
    works = _labelled(good, matrix(features, good["sha256"]), params)
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
        "near_duplicate_groups": int((works["group"].value_counts() > 1).sum()),
        "labels": {label: _origins(works[f"{label}_origin"]) for label in LABELS},
        "schools": {str(k): int(v) for k, v in works["school"].value_counts().items()},
    }


def _header_fault(row: Any, params: Params) -> str | None:
    """What is wrong with a work by its catalog row alone, before its pixels are touched."""
    if pd.notna(row.problem):
        return str(row.problem)
    size = f"{row.width} x {row.height} pixels"
    if row.width * row.height > params.max_megapixels * 1e6:
        return f"declares {size}, more than clean.max_megapixels = {params.max_megapixels:g}"
    if min(row.width, row.height) < params.min_side:
        return f"has only {size}, less than clean.min_side = {params.min_side}"
    return None


def _groups(works: pd.DataFrame, features: pd.DataFrame, params: Params, ctx: Context) -> NDArray[np.int64]:
    """The near-duplicate group (N,) of each work: hashes that are almost equal, or pictures that match."""
    digests, hashes = works["sha256"].tolist(), works["phash"].tolist()
    whole, middles = (np.nan_to_num(matrix(features, digests, column)) for column in ("features", "centres"))
    pairs = candidate_pairs(hashes, whole, middles)
    places = list(zip(works["location"], works["path"], strict=True))
    keys = [":".join(sorted((digests[a], digests[b]))) for a, b in pairs]

    @lru_cache(_SKETCHES)
    def drawn(place: tuple[str, str]) -> Sketch:
        return sketch(read_rgb(file_of(*place, ctx.root), max_side=512))

    def work(pair: tuple[int, int]) -> bool:
        return same_work(drawn(places[pair[0]]), drawn(places[pair[1]]))

    items = {key: (int(a), int(b)) for key, (a, b) in zip(keys, pairs, strict=True)}
    same, _ = ctx.map(work, items, "clean: comparing pictures", depends_on={})
    alike = near_groups(hashes, params.duplicate_distance)
    links = np.stack([np.arange(len(alike)), alike], axis=1)
    return group_pairs(len(works), np.concatenate([links, pairs[[bool(same.get(key)) for key in keys]]]))


def _labelled(works: pd.DataFrame, features: NDArray[np.float32], params: Params) -> pd.DataFrame:
    """The good works with normalised and completed labels."""
    labels = normalise(works)
    labels["period_written"] = works["period"]
    works = works.drop(columns=["artist", "tags", "period"]).join(labels)
    methods = {label: getattr(params.missing, label) for label in LABELS}
    return complete(works, methods, features, params.seed)


def _check_budget(reasons: dict[str, str], total: int, ratio: float) -> None:
    # A record without a picture is put aside, but it is no failure.
    failed = {key: reason for key, reason in reasons.items() if reason != NO_PICTURE}
    total -= len(reasons) - len(failed)
    reasons = failed
    if total == 0:
        raise PentimentoError("clean: no record names a picture: there is nothing to learn from")
    if len(reasons) > ratio * total or len(reasons) == total:
        kinds = Counter(_KIND.sub("", reason) for reason in reasons.values())
        reason, count = kinds.most_common(1)[0]
        raise PentimentoError(
            f"clean: {len(reasons)} of {total} works would be quarantined, more than "
            f"clean.max_failure_ratio = {ratio:g} allows; the commonest reason ({count} times): {reason}"
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
