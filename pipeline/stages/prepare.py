"""Prepare: split, rebalance, and pack the pictures for training; show the augmentation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from pipeline import paths
from pipeline.archive.atomic import atomic_path, write_json
from pipeline.archive.images import read_rgb
from pipeline.archive.packs import Pack
from pipeline.archive.shards import INDEX, Shards, write_shards
from pipeline.archive.sheets import contact_sheet
from pipeline.archive.tables import read_table
from pipeline.catalog.augmentation import build
from pipeline.catalog.balance import Drawn, Rare, rebalance, settle_rare
from pipeline.catalog.missing import completed, keep_in_train
from pipeline.catalog.schemas import OnViolation, validate
from pipeline.catalog.sources import file_of
from pipeline.catalog.split import GroupBy, leak_groups, split_groups
from pipeline.errors import PentimentoError
from pipeline.params import StageParams
from pipeline.progress import track
from pipeline.stage import Context, Files, Metrics, Stage

MIN_HELD_OUT = 8  # works
Share = Annotated[float, Field(gt=0, lt=1)]


class Params(StageParams):
    """How the training set is made."""

    side: int = Field(ge=64, le=2048)
    split: tuple[Share, Share, Share]
    group_by: GroupBy
    min_class_size: int = Field(ge=1)
    rare: Rare
    min_tag_size: int = Field(ge=1)
    balance: Drawn
    seed: int = Field(ge=0)
    augmentation: tuple[dict[str, dict[str, Any]], ...]
    on_violation: OnViolation


def run(params: Params, inputs: Files, outputs: Files, ctx: Context) -> Metrics:
    """Pack every work at `side` pixels, in the order of the catalog, with its split, labels and weights."""
    if abs(sum(params.split) - 1) > 1e-6:
        raise PentimentoError(f"prepare.split: the shares add up to {sum(params.split):g}, not to 1")
    augment = build(params.augmentation, params.seed)
    works = read_table(inputs["works"]).reset_index(drop=True)
    index = _labels(works, params)
    groups = leak_groups(works["group"].tolist(), works["artist"].tolist(), params.group_by).tolist()
    index["group"] = groups
    splits = split_groups(groups, index["school"].fillna("").tolist(), params.split, params.seed)
    # What was completed may be learnt from, but no model is judged by it.
    index["split"] = keep_in_train(splits, groups, completed(works, ["school"]))
    _require_enough(index["split"])
    train = (index["split"] == "train") & index["school"].notna()
    index["repeat"], index["weight"] = 1, 1.0
    repeat, weight = rebalance(index.loc[train, "school"].tolist(), params.balance, params.seed)
    index.loc[train, "repeat"], index.loc[train, "weight"] = repeat, weight
    with atomic_path(outputs["prepared"]) as folder, Pack(ctx.state / f"packs/{params.side}.bin") as pack:
        places = write_shards(folder, _pictures(works, params.side, pack, ctx))
        index = index.merge(places, on="id", validate="1:1")
        broken = validate(index, "index", params.on_violation, ctx.log)
        index.to_parquet(folder / INDEX, index=False)
        write_json(folder / "classes.json", _classes(index))
        write_json(folder / "augmentation.json", list(params.augmentation))
    _draw(outputs, augment, index)
    drawn = index[train].groupby("school")["repeat"].sum()
    return {
        "works": len(index),
        "broken_rules": broken,
        "splits": {str(k): int(v) for k, v in index["split"].value_counts().items()},
        "schools": {str(k): int(v) for k, v in index["school"].value_counts().items()},
        "drawn_per_epoch": {str(k): int(v) for k, v in drawn.items()},
        "tags_learnt": len(_classes(index)["tags"]),
    }


def _require_enough(splits: pd.Series) -> None:
    """Say here, before hours of training, that there are too few works to judge a model by."""
    held_out = splits[splits != "train"]
    if len(held_out) < MIN_HELD_OUT or held_out.nunique() < 2:
        raise PentimentoError(
            f"prepare: of {len(splits)} works {len(held_out)} would be held out for val and test; "
            f"{MIN_HELD_OUT} are needed to judge a model. Add works (about 30 suffice), or raise the last "
            "two shares of prepare.split"
        )


def _labels(works: pd.DataFrame, params: Params) -> pd.DataFrame:
    index = works[["id", "title", "artist", "year", "school", "school_origin", "tags", "group"]].copy()
    index["school"], _ = settle_rare(index["school"], params.min_class_size, params.rare)
    counts = index["tags"].explode().value_counts()
    learnt = set(counts[counts >= params.min_tag_size].index)
    index["tags"] = index["tags"].map(lambda tags: [tag for tag in tags if tag in learnt])
    return index


def _classes(index: pd.DataFrame) -> dict[str, list[str]]:
    return {
        "school": sorted(index["school"].dropna().unique()),
        "tags": sorted(index["tags"].explode().dropna().unique()),
    }


def _pictures(
    works: pd.DataFrame, side: int, pack: Pack, ctx: Context
) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """Every work's picture; those that were decoded before are taken from the pack."""

    def work(place: tuple[str, str]) -> dict[str, int]:
        return pack.append(read_rgb(file_of(*place, ctx.root), side))

    files = {row.sha256: (row.location, row.path) for row in works.itertuples()}
    places, failures = ctx.map(
        work,
        files,
        "prepare: decoding",
        depends_on={"side": side},
        settle=pack.settle,
        valid=pack.holds,
    )
    for key, reason in failures.items():
        location, path = files[key]
        raise PentimentoError(f"prepare: {location}/{path} was sound when it was cleaned, and now {reason}")
    for row in track(list(works.itertuples()), "prepare: packing"):
        yield str(row.id), pack.read(places[row.sha256])


def _draw(outputs: Files, augment: Any, index: pd.DataFrame) -> None:
    """The contact sheet of the augmentation, and the classes before and after rebalancing."""
    shards = Shards(outputs["prepared"])
    chosen = shards.rows("train")[:6]
    rows = [[shards[n], *(augment(shards[n]) for _ in range(5))] for n in chosen]
    headings = ("as it is", *(f"draw {n}" for n in range(1, 6)))
    with atomic_path(outputs["plots"]) as folder:
        folder.mkdir()
        contact_sheet(folder / "augmentation.webp", rows, 160, headings=headings)
        train = index[index["split"] == "train"]
        groups = train.groupby("school")
        table = pd.DataFrame(
            {
                "works": groups.size(),
                "drawn": groups["repeat"].sum(),
                "weight": groups["weight"].mean().round(3),
            }
        )
        table.sort_values("works", ascending=False).to_csv(folder / "balance.csv")


STAGE = Stage(
    "prepare",
    Params,
    run,
    inputs={"works": paths.WORKS},
    outputs={"prepared": paths.PREPARED, "plots": paths.plots("prepare")},
)
