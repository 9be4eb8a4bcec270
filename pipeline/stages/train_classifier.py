"""Train classifier: learn to tell a painting's school and its subject tags."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from pydantic import Field

from pipeline import paths
from pipeline.archive.atomic import atomic_path
from pipeline.archive.fixity import value_sha256
from pipeline.archive.shards import Shards
from pipeline.catalog.sets import augmentation, balance
from pipeline.catalog.sets.augmentation import build
from pipeline.errors import PentimentoError
from pipeline.stage import Context, Files, Metrics, Stage
from pipeline.training.classifier import Losses, PictureTask, Recipe
from pipeline.training.descriptions import Augmentation, Describer
from pipeline.training.head import fit_head
from pipeline.training.labels import NO_SCHOOL, Labels, read_labels
from pipeline.training.loop import Trainer, first_only, make_fabric
from pipeline.training.mixing import Mixing
from pipeline.training.task import Row, Schedule


class Params(Schedule):
    """What is trained, and how."""

    model: Literal["frozen", "fine_tune", "cnn"]
    side: int = Field(ge=32, le=1024)
    views: int = Field(ge=0, le=64)
    dropout: float = Field(ge=0, lt=1)
    tag_threshold: float = Field(gt=0, lt=1)
    losses: Losses
    mixing: Mixing


@dataclass(frozen=True)
class _Data:
    pictures: dict[str, list[Any]]  # by split, 'train' and 'val'
    labels: dict[str, Labels]
    augmentation: Augmentation
    balancing: balance.Balancing
    classes: dict[str, list[str]]


@dataclass(frozen=True)
class _Trained:
    network: Any
    history: list[Row]
    architecture: str
    arguments: dict[str, Any]


def run(params: Params, inputs: Files, outputs: Files, ctx: Context) -> Metrics:
    """Train on the train split, watch the val split, save the model with its card."""
    from pipeline.models.registry import save_model

    data = _load(params, inputs["prepared"])
    train = _train_head if params.model == "frozen" else _train_network
    trained = train(params, data, ctx)
    card = _card(params, data, trained)
    with atomic_path(outputs["model"]) as folder:
        save_model(folder, trained.network, trained.architecture, trained.arguments, card)
    history = trained.history
    with atomic_path(outputs["plots"]) as folder:
        folder.mkdir()
        table = pd.DataFrame(history, index=pd.RangeIndex(1, len(history) + 1, name="epoch"))
        table.round(6).to_csv(folder / paths.HISTORY)
    last = {name: round(value, 4) for name, value in history[-1].items()}
    return {**card["data"], "epochs": len(history), "temperature": card["temperature"], **last}


def _load(params: Params, prepared: Path) -> _Data:
    shards = Shards(prepared)
    classes = json.loads((prepared / paths.CLASSES).read_text(encoding="utf-8"))
    if not classes["school"] and not classes["tags"]:
        raise PentimentoError(
            f"train_classifier: no school and no tag to learn in {prepared / paths.CLASSES}; "
            "lower prepare.min_class_size or prepare.min_tag_size"
        )
    policy, balancing = augmentation.recorded(prepared), balance.recorded(prepared)
    _require_fit(params, balancing.method)
    rows = {split: shards.rows(split) for split in ("train", "val")}
    completed = {"train": params.losses.completed_weight, "val": 0.0}  # only what is recorded judges
    return _Data(
        {split: [shards[n] for n in numbers] for split, numbers in rows.items()},
        {s: read_labels(shards.index.iloc[rows[s]], classes, completed[s]) for s in rows},
        Augmentation(partial(build, policy), value_sha256(policy)[:16]),
        balancing,
        classes,
    )


def _require_fit(params: Params, method: str) -> None:
    """Say before anything is computed which of the settings do not go together."""
    frozen = params.model == "frozen"
    if frozen and params.mixing.cutmix > 0:
        raise PentimentoError(
            "train_classifier.mixing.cutmix: a frozen trunk's descriptions have no place to cut; set it to 0 "
            "(mixup works on descriptions), or set train_classifier.model to fine_tune or cnn"
        )
    if frozen and method == "augment" and params.views == 0:
        raise PentimentoError(
            "train_classifier.views is 0, and prepare.balance is augment, which needs augmented views of "
            "rare works; set train_classifier.views to 3, say, or choose another balance"
        )
    if not frozen and method == "smote":
        raise PentimentoError(
            f"prepare.balance is smote, which makes descriptions without pictures; train_classifier.model "
            f"{params.model} learns from pictures: set prepare.balance to logit_adjustment, class_weights or "
            "augment, or train_classifier.model to frozen"
        )


def _train_head(params: Params, data: _Data, ctx: Context) -> _Trained:
    fabric = make_fabric()
    describer = Describer(ctx.state / paths.LEDGER, params.side, fabric.device)
    views = describer.views(
        data.pictures["train"],
        data.augmentation,
        params.views,
        params.seed,
        "training views",
        data.labels["train"].strength,
    )
    val = describer.plain(data.pictures["val"], "validation works")
    head, history = fit_head(
        views,
        data.labels["train"],
        val,
        data.labels["val"],
        _recipe(params, data),
        folder=ctx.checkpoints,
        fabric=fabric,
        label="train_classifier",
    )
    first_only(fabric)
    arguments = {"inputs": head.linear.in_features, "outputs": head.linear.out_features}
    return _Trained(head, history, "linear_head", arguments)


def _train_network(params: Params, data: _Data, ctx: Context) -> _Trained:
    import torch

    from pipeline.models import registry

    outputs = sum(len(names) for names in data.classes.values())
    architecture, arguments = "lite0", dict[str, Any](outputs=outputs)
    if params.model == "cnn":
        architecture, arguments = "cnn", {"outputs": outputs, "dropout": params.dropout}
    fabric = make_fabric()
    torch.manual_seed(params.seed)
    task = PictureTask(
        registry.build(architecture, arguments),
        (data.pictures["train"], data.labels["train"]),
        (data.pictures["val"], data.labels["val"]),
        _recipe(params, data),
        side=params.side,
        augmenter=data.augmentation.build,
    )
    trainer = Trainer(task, params, ctx.checkpoints, fabric)
    network = trainer.fit("train_classifier").cpu()
    first_only(fabric)
    return _Trained(network, trainer.history, architecture, arguments)


def _recipe(params: Params, data: _Data) -> Recipe:
    return Recipe(params.losses, params, len(data.classes["school"]), params.mixing, data.balancing)


def _card(params: Params, data: _Data, trained: _Trained) -> dict[str, Any]:
    from pipeline.models.classifier import Classifier, assemble, best_temperature

    card: dict[str, Any] = {"classes": data.classes, "side": params.side, "temperature": 1.0}
    logits = Classifier(assemble(trained.network), card).logits(data.pictures["val"])
    school = data.labels["val"].school
    known = school != NO_SCHOOL
    temperature = best_temperature(logits[known, : len(data.classes["school"])], school[known])
    return card | {
        "temperature": temperature,
        "tag_threshold": params.tag_threshold,
        "recipe": params.model_dump(mode="json") | {"balance": data.balancing.method},
        "data": {"train": len(data.labels["train"]), "val": len(data.labels["val"])},
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
