"""Evaluate the generator: compare it with an untrained one and with real pictures."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from pydantic import Field

from pipeline import paths
from pipeline.archive.atomic import atomic_path
from pipeline.archive.shards import Shards
from pipeline.archive.sheets import contact_sheet
from pipeline.errors import PentimentoError
from pipeline.evaluation.generation import (
    kernel_distance_interval,
    manifolds,
    nearest_training,
    spread,
)
from pipeline.generation.sampling import sample
from pipeline.models.generator import PictureGenerator
from pipeline.models.lite0 import embed
from pipeline.models.registry import build, load_card
from pipeline.params import StageParams
from pipeline.stage import Context, Files, Metrics, Stage
from pipeline.training.families import generators
from pipeline.training.squares import views

SHOWN = 12  # samples beside their nearest training pictures
FEWEST = 8  # least pictures of a split for a meaningful figure


class Params(StageParams):
    """How many samples are measured, and how."""

    samples: int = Field(ge=16)
    subset: int = Field(ge=8)
    repeats: int = Field(ge=10)
    neighbours: int = Field(ge=1, le=7)
    seed: int = Field(ge=0)


def run(params: Params, inputs: Files, outputs: Files, ctx: Context) -> Metrics:
    """Measure samples, an untrained generator's samples, and held-out pictures against the training split."""
    generator, card = generators.load(inputs["generator"]), load_card(inputs["generator"])
    train, held_out = _real(Shards(inputs["prepared"]), generator.side)
    trained = sample(generator, params.seed, 0, params.samples)
    torch.manual_seed(card["recipe"]["seed"])
    fresh = build(card["architecture"], card["arguments"]).eval()
    assert isinstance(fresh, PictureGenerator)
    untrained = sample(fresh, params.seed, 0, params.samples)

    reference, real = embed(train), embed(held_out)
    metrics: dict[str, Any] = {}
    features = {"trained": embed(trained), "untrained": embed(untrained), "real": real}
    pictures = {"trained": trained, "untrained": untrained, "real": held_out}
    for name, found in features.items():
        kid = kernel_distance_interval(found, reference, params.subset, params.repeats, params.seed)
        shape = manifolds(reference, found, params.neighbours)
        metrics[name] = {"KID-Lite0": kid, "spread": spread(pictures[name], train), **vars(shape)}
    near = nearest_training(features["trained"], real, reference)
    metrics["nearest_training"] = {
        "share_as_near_as_a_copy": near.copied,
        "median_distance": near.median,
        "median_distance_of_real": near.real_median,
    }
    metrics["pictures"] = {"samples": params.samples, "train": len(train), "held_out": len(held_out)}
    with atomic_path(outputs["plots"]) as plots:
        plots.mkdir()
        rows = [{"pictures": name, **metrics[name]["KID-Lite0"]} for name in features]
        pd.DataFrame(rows).to_csv(plots / "kid.csv", index=False)
        closest = np.argsort(near.distance, kind="stable")[:SHOWN]
        columns = [
            [trained[i] for i in closest],
            [train[near.index[i]] for i in closest],
        ]
        titles = ("samples nearest to a training picture", "that training picture")
        contact_sheet(plots / paths.NEIGHBOURS, columns, 96, titles)
        contact_sheet(plots / "untrained.png", [list(untrained[:SHOWN])], 96)
    return metrics


def _real(shards: Shards, side: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The central square of every training picture, and of every held-out picture (val and test)."""
    rng = np.random.default_rng(0)
    found = []
    for splits in (("train",), ("val", "test")):
        rows = [row for split in splits for row in shards.rows(split)]
        if len(rows) < FEWEST:
            raise PentimentoError(
                f"evaluate_generator needs {FEWEST} pictures in {' and '.join(splits)}, found {len(rows)}; "
                "add works, or change prepare.split"
            )
        found.append(np.stack([views(shards[row], side, 1, rng)[0] for row in rows]))
    return found[0], found[1]


STAGE = Stage(
    "evaluate_generator",
    Params,
    run,
    inputs={"prepared": paths.PREPARED, "generator": paths.GENERATOR},
    outputs={"plots": paths.plots("evaluate_generator")},
)
