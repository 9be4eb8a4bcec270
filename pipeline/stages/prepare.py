"""Prepare: split, rebalance, and pack the pictures for training; show the augmentation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Discriminator, Field, Tag

from pipeline import paths
from pipeline.archive.atomic import atomic_path, write_json
from pipeline.archive.fixity import value_sha256
from pipeline.archive.packs import Reduced
from pipeline.archive.shards import INDEX, Planned, Shards, renew_shards
from pipeline.archive.tables import read_table
from pipeline.catalog.checks.duplicates import with_groups
from pipeline.catalog.checks.schemas import OnViolation, validate
from pipeline.catalog.location import file_of
from pipeline.catalog.missing import completed, keep_in_train
from pipeline.catalog.sets import augmentation
from pipeline.catalog.sets.augmentation import Policy
from pipeline.catalog.sets.balance import Balance, Balancing, Rare, handle_rare
from pipeline.catalog.sets.presets import PresetName, objections, preset_policy
from pipeline.catalog.sets.split import GroupBy, leak_groups, split_groups
from pipeline.errors import ItemError, PentimentoError
from pipeline.meaning import meaning_of
from pipeline.params import StageParams
from pipeline.progress import track
from pipeline.stage import Context, Files, Metrics, Stage

MIN_HELD_OUT = 8  # works
Share = Annotated[float, Field(gt=0, lt=1)]
Steps = tuple[dict[str, dict[str, Any]], ...]
SHOWN = 6  # works on the augmentation's sheet


class Params(StageParams):
    """How the training set is made."""

    side: int = Field(ge=64, le=2048)
    split: tuple[Share, Share, Share]
    group_by: GroupBy
    min_class_size: int = Field(ge=1)
    rare: Rare
    min_tag_size: int = Field(ge=1)
    balance: Balance
    seed: int = Field(ge=0)
    augmentation: Annotated[
        Annotated[PresetName, Tag("preset")] | Annotated[Steps, Tag("policy")],
        Discriminator(lambda value: "preset" if isinstance(value, str) else "policy"),
    ]
    on_violation: OnViolation


def run(params: Params, inputs: Files, outputs: Files, ctx: Context) -> Metrics:
    """Pack every work at `side` pixels, in the order of the catalog, with its split, labels and weights."""
    if abs(sum(params.split) - 1) > 1e-6:
        raise PentimentoError(f"prepare.split: the shares add up to {sum(params.split):g}, not to 1")
    balancing = Balancing(params.balance, params.seed)
    policy = _policy(params, ctx)
    works = with_groups(read_table(inputs["works"]), read_table(inputs["groups"])).reset_index(drop=True)
    index = _labels(works, params)
    groups = leak_groups(works["group"].tolist(), works["artist"].tolist(), params.group_by).tolist()
    index["group"] = groups
    splits = split_groups(groups, index["school"].fillna("").tolist(), params.split, params.seed)
    # Completed labels serve for training, but no model is evaluated on them.
    index["split"] = keep_in_train(splits, groups, completed(works, ["school"]))
    _require_enough(index["split"])
    train = (index["split"] == "train") & index["school"].notna()
    index["repeat"], index["weight"], index["strength"] = 1, 1.0, 0.0
    use = balancing.plan(index.loc[train, "school"].tolist())
    for column in ("repeat", "weight", "strength"):
        index.loc[train, column] = getattr(use, column)
    with atomic_path(outputs["prepared"]) as folder, Reduced(ctx.state, params.side) as pictures:
        places = _pack(folder, works, pictures, ctx)
        index = index.merge(places, on="id", validate="1:1")
        broken = validate(index, "index", params.on_violation, ctx.log)
        index.to_parquet(folder / INDEX, index=False)
        write_json(folder / paths.CLASSES, _classes(index))
        augmentation.record(folder, policy, _preset(params), params.seed)
        balancing.record(folder)
    _draw(outputs, params, policy, index)
    drawn = index[train].groupby("school")["repeat"].sum()
    return {
        "works": len(index),
        "broken_rules": broken,
        "splits": {str(k): int(v) for k, v in index["split"].value_counts().items()},
        "schools": {str(k): int(v) for k, v in index["school"].value_counts().items()},
        "balance": params.balance,
        "drawn_per_epoch": {str(k): int(v) for k, v in drawn.items()},
        "tags_learnt": len(_classes(index)["tags"]),
    }


def _preset(params: Params) -> PresetName | None:
    return params.augmentation if isinstance(params.augmentation, str) else None


def _policy(params: Params, ctx: Context) -> Policy:
    """The requested policy, after a test at its strongest with albumentations."""
    if isinstance(params.augmentation, str):
        policy = preset_policy(params.augmentation)
    else:
        policy = params.augmentation
        for offence in objections(policy, "school"):
            ctx.log.warning("prepare.augmentation: %s", offence)
    if params.balance == "augment" and not policy:
        raise PentimentoError(
            "prepare.balance is augment, and prepare.augmentation holds no transform to alter rare works by; "
            "name a preset there, or choose another balance"
        )
    augmentation.build(policy, params.seed, strength=1.0 if params.balance == "augment" else 0.0)
    return policy


def _require_enough(splits: pd.Series) -> None:
    """Stop here, before hours of training, if there are too few works to evaluate a model."""
    held_out = splits[splits != "train"]
    if len(held_out) < MIN_HELD_OUT or held_out.nunique() < 2:
        raise PentimentoError(
            f"prepare: of {len(splits)} works {len(held_out)} would be held out for val and test; "
            f"{MIN_HELD_OUT} are needed to judge a model. Add works (about 30 suffice), or raise the last "
            "two shares of prepare.split"
        )


def _labels(works: pd.DataFrame, params: Params) -> pd.DataFrame:
    index = works[["id", "title", "artist", "year", "school", "school_origin", "tags", "group"]].copy()
    index["school"], _ = handle_rare(index["school"], params.min_class_size, params.rare)
    counts = index["tags"].explode().value_counts()
    learnt = set(counts[counts >= params.min_tag_size].index)
    index["tags"] = index["tags"].map(lambda tags: [tag for tag in tags if tag in learnt])
    return index


def _classes(index: pd.DataFrame) -> dict[str, list[str]]:
    return {
        "school": sorted(index["school"].dropna().unique()),
        "tags": sorted(index["tags"].explode().dropna().unique()),
    }


def _pack(folder: Path, works: pd.DataFrame, pictures: Reduced, ctx: Context) -> pd.DataFrame:
    """Pack every work's picture; earlier decoded pictures and unchanged shards are reused."""
    rows = works[["sha256", "location", "path"]].itertuples(index=False)
    files = [(str(row.sha256), partial(file_of, row.location, row.path, ctx.root)) for row in rows]
    shapes = pictures.shapes(files)
    planned: list[Planned] = []
    for work, (sha256, _) in zip(
        track(works["id"].astype(str).tolist(), "prepare: sizes"), files, strict=True
    ):
        try:
            planned.append(Planned(work, sha256, *next(shapes)))
        except ItemError as error:
            raise PentimentoError(
                f"prepare: {work} was sound when it was ingested, and now {error}"
            ) from None

    def read(positions: Sequence[int]) -> Iterator[NDArray[np.uint8]]:
        return pictures.read_all([files[position] for position in positions])

    code = value_sha256([pictures.space, meaning_of(renew_shards)])
    kept = ctx.state / "shards" / f"{pictures.side}-{code[:16]}"
    return renew_shards(folder, planned, read, kept, "prepare: packing")


def _draw(outputs: Files, params: Params, policy: Policy, index: pd.DataFrame) -> None:
    """The contact sheet of the augmentation, and the classes before and after rebalancing."""
    shards = Shards(outputs["prepared"])
    train = index[index["split"] == "train"]
    shown = train.index[:SHOWN].tolist()
    if params.balance == "augment":  # half of the sheet: the works with the strongest augmentation
        rarest = train["strength"].sort_values(ascending=False, kind="stable").index
        shown = list(dict.fromkeys([*shown[: SHOWN // 2], *rarest]))[:SHOWN]
    preset = _preset(params)
    caption = f"{f'preset {preset}' if preset else 'a policy of your own'}, seed {params.seed}:"
    with atomic_path(outputs["plots"]) as folder:
        folder.mkdir()
        augmentation.preview(
            folder / paths.AUGMENTATION,
            [shards[n] for n in shown],
            policy,
            params.seed,
            strength=index.loc[shown, "strength"].tolist(),
            caption=[caption],
        )
        groups = train.groupby("school")
        works = groups.size()
        table = pd.DataFrame(
            {
                "works": works,
                "drawn": groups["repeat"].sum(),
                "weight": groups["weight"].mean().round(3),
                "strength": groups["strength"].mean().round(3),
                "synthetic": works.max() - works if params.balance == "smote" else 0,
            }
        )
        table.sort_values("works", ascending=False).to_csv(folder / paths.BALANCE)


STAGE = Stage(
    "prepare",
    Params,
    run,
    inputs={"works": paths.WORKS, "groups": paths.GROUPS},
    outputs={"prepared": paths.PREPARED, "plots": paths.plots("prepare")},
)
