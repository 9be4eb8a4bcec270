"""Train classifier: learn to tell a painting's school and its subject tags."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from lightning.fabric import Fabric
from torch import nn

from pipeline import paths
from pipeline.archive.atomic import atomic_path
from pipeline.archive.fixity import value_sha256
from pipeline.archive.shards import Shards
from pipeline.catalog.sets import augmentation, balance
from pipeline.catalog.sets.augmentation import build
from pipeline.errors import PentimentoError
from pipeline.models.classifier import Classifier, assemble, best_temperature
from pipeline.models.registry import save_model
from pipeline.stage import Context, Files, Metrics, Stage
from pipeline.training.descriptions import Augmentation
from pipeline.training.families.classifiers import ClassifierParams, Examples, Setup, fit
from pipeline.training.labels import NO_SCHOOL, Labels, read_labels
from pipeline.training.loop import first_only, make_fabric

Params = ClassifierParams


def run(params: Params, inputs: Files, outputs: Files, ctx: Context) -> Metrics:
    """Train on the train split, watch the val split, save the model with its card."""
    classes = json.loads((inputs["prepared"] / paths.CLASSES).read_text(encoding="utf-8"))
    if not classes["school"] and not classes["tags"]:
        raise PentimentoError(
            f"train_classifier: no school and no tag to learn in {inputs['prepared'] / 'classes.json'}; "
            "lower prepare.min_class_size or prepare.min_tag_size"
        )
    fabric = make_fabric()
    setup = setup_of(params, classes, inputs["prepared"], ctx, fabric)
    family = setup.family
    family.check(params, setup.balancing.method)
    pictures, labels = _load(setup, inputs["prepared"])
    learnt = family.training_inputs(pictures["train"], labels["train"].strength, setup, "training views")
    judged = family.inputs(pictures["val"], setup, "validation works")
    network, history = fit(
        Examples(learnt, labels["train"]),
        Examples(judged, labels["val"]),
        setup,
        folder=params.checkpoints(ctx.checkpoints),
        label="train_classifier",
    )
    first_only(fabric)
    card = _card(setup, pictures["val"], labels, network)
    with atomic_path(outputs["model"]) as folder:
        save_model(folder, network, family.architecture, family.arguments(setup.outputs), card)
    with atomic_path(outputs["plots"]) as folder:
        folder.mkdir()
        table = pd.DataFrame(history, index=pd.RangeIndex(1, len(history) + 1, name="epoch"))
        table.round(6).to_csv(folder / paths.HISTORY)
    last = {name: round(value, 4) for name, value in history[-1].items()}
    return {**card["data"], "epochs": len(history), "temperature": card["temperature"], **last}


def setup_of(
    params: Params, classes: dict[str, list[str]], prepared: Path, ctx: Context, fabric: Fabric
) -> Setup:
    """What a training on prepared works is given; `classes` names its logits."""
    policy = augmentation.recorded(prepared)
    return Setup(
        params,
        classes,
        Augmentation(partial(build, policy), value_sha256(policy)[:16]),
        balance.recorded(prepared),
        ctx.state / paths.LEDGER,
        fabric,
    )


def _load(setup: Setup, prepared: Path) -> tuple[dict[str, list[Any]], dict[str, Labels]]:
    """Pictures and labels of the train and the val split."""
    shards = Shards(prepared)
    rows = {split: shards.rows(split) for split in ("train", "val")}
    # Validation figures are of recorded schools alone.
    completed = {"train": setup.params.losses.completed_weight, "val": 0.0}
    pictures = {split: [shards[n] for n in numbers] for split, numbers in rows.items()}
    return pictures, {
        split: read_labels(shards.index.iloc[numbers], setup.classes, completed[split])
        for split, numbers in rows.items()
    }


def _card(setup: Setup, val: list[Any], labels: dict[str, Labels], network: nn.Module) -> dict[str, Any]:
    params, classes = setup.params, setup.classes
    card: dict[str, Any] = {"classes": classes, "side": params.side, "temperature": 1.0}
    logits = Classifier(assemble(network), card).logits(val)
    school = labels["val"].school
    known = school != NO_SCHOOL
    temperature = best_temperature(logits[known, : len(classes["school"])], school[known])
    return card | {
        "temperature": temperature,
        "tag_threshold": params.tag_threshold,
        "recipe": params.recipe(),
        "balance": setup.balancing.method,
        "data": {"train": len(labels["train"]), "val": len(labels["val"])},
        "limits": "Learnt from the works of one archive: its answers are suggestions for a curator, "
        "not attributions.",
    }


STAGE = Stage(
    "train_classifier",
    Params,
    run,
    inputs={"prepared": paths.PREPARED},
    outputs={"model": paths.CLASSIFIER, "plots": paths.plots("train_classifier")},
)
