"""A recipe: what a network's training needs beside the loop, and how its result is saved with a card."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from pydantic import Field

from pipeline import paths
from pipeline.archive.atomic import atomic_path
from pipeline.archive.fixity import tree_sha256
from pipeline.errors import PentimentoError
from pipeline.training.task import Row, Schedule

if TYPE_CHECKING:  # torch takes seconds to load, and weights can be taken over without it
    from lightning.fabric import Fabric
    from torch import nn

    from pipeline.recipes.pictures import Originals, Pictures
    from pipeline.training.task import Task


class Params(Schedule):
    """What the parameters of every recipe begin from."""

    epochs: int = Field(ge=0)
    start_from: str | None


P = TypeVar("P", bound=Params)
P_contra = TypeVar("P_contra", bound=Params, contravariant=True)


class MakeTask(Protocol[P_contra]):
    """Makes the task of a network, with these parameters, on these pictures."""

    def __call__(self, params: P_contra, network: nn.Module, pictures: Pictures, /) -> Task: ...  # noqa: D102


def _nothing(folder: Path, params: Any, pictures: Pictures, task: Task) -> dict[str, Any]:
    del folder, params, pictures, task
    return {}


@dataclass(frozen=True)
class Recipe(Generic[P]):
    """How one network is trained.

    name: of its folder in models/ and pretrained/; its stage is train_NAME.
    params: what can be set.
    architecture: see pipeline.models.registry.
    arguments: what a new network is built from.
    required: what start weights must state, among their card or the network's arguments.
    task: what the training loop needs.
    card: what the card says beside data, parameters and figures.
    originals: how the originals that it learns from are read; None: it learns from data/prepared.
    finish: called with the saved model's folder and the task; gives further entries of the card.
    """

    name: str
    params: type[P]
    architecture: str
    arguments: Callable[[P], dict[str, Any]]
    task: MakeTask[P]
    card: Callable[[P], Mapping[str, Any]]
    required: Callable[[P], Mapping[str, Any]] = lambda params: {}
    originals: Callable[[P], Originals] | None = None
    finish: Callable[[Path, P, Pictures, Task], Mapping[str, Any]] = field(default=_nothing)

    @property
    def section(self) -> str:
        """The section of params.yaml, and the stage."""
        return f"train_{self.name}"


@dataclass(frozen=True)
class Trained:
    """A network after its training.

    network: its averaged weights of the best epoch.
    arguments: what it was built from.
    started_from: 'new', or the hash of the start weights.
    history: figures of every epoch.
    kept: which epoch is the best one, from 0.
    task: what it was trained by, with all its networks.
    """

    network: nn.Module
    arguments: dict[str, Any]
    started_from: str
    history: list[Row]
    kept: int
    task: Task


def first_network(recipe: Recipe[P], params: P, root: Path) -> tuple[nn.Module, dict[str, Any], str]:
    """The network to train, its arguments, and what it starts from: 'new' or a hash of weights.

    Raises:
        PentimentoError: when the start weights are missing or are those of another network.
    """
    import torch

    from pipeline.models.registry import build, load_model

    if params.start_from is None:
        torch.manual_seed(params.seed)
        arguments = recipe.arguments(params)
        return build(recipe.architecture, arguments), arguments, "new"
    folder = root / params.start_from
    network, card = load_model(folder)
    require(recipe, params, card)
    return network.float(), card["arguments"], tree_sha256(folder)[:16]


def require(recipe: Recipe[P], params: P, card: Mapping[str, Any]) -> None:
    """Check that a card is one of start weights for this recipe.

    Raises:
        PentimentoError: naming what differs.
    """
    stated = {**card, **card.get("arguments", {})}
    for key, wanted in {"architecture": recipe.architecture, **recipe.required(params)}.items():
        if stated.get(key) != wanted:
            raise PentimentoError(
                f"{recipe.section}.start_from: {params.start_from} has {key} {stated.get(key)!r}, not "
                f"{wanted!r}; name other start weights, or null for a new network"
            )


def train(
    recipe: Recipe[P],
    params: P,
    pictures: Pictures,
    first: tuple[nn.Module, dict[str, Any], str],
    checkpoints: Path,
    fabric: Fabric,
    minutes: float | None = None,
) -> Trained:
    """Train a first network (see first_network) on pictures; from the last checkpoint, if there is one.

    Args:
        recipe: the network's.
        params: the recipe's parameters; one epoch at least.
        pictures: train and validation pictures.
        first: the network, its arguments, what it starts from.
        checkpoints: the folder of the checkpoints.
        fabric: the devices.
        minutes: see Trainer.
    """
    from pipeline.training.loop import Trainer

    network, arguments, started_from = first
    task = recipe.task(params, network, pictures)
    trainer = Trainer(task, params, checkpoints / started_from, fabric, minutes)
    best = trainer.fit(recipe.section)
    return Trained(best, arguments, started_from, trainer.history, int(trainer.best["epoch"]), task)


def save(
    folder: Path, recipe: Recipe[P], params: P, pictures: Pictures, trained: Trained, **more: Any
) -> dict[str, Any]:
    """Write a trained network in half precision, with its card and the figures of every epoch; the card.

    Args:
        folder: of the model; what was there is replaced.
        recipe: the network's.
        params: what it was trained with.
        pictures: what it was trained on.
        trained: the result.
        more: further entries of the card.
    """
    import pandas as pd

    card = {
        **recipe.card(params),
        "licence": "Apache-2.0",
        "started_from": trained.started_from,
        "trained_on": {**pictures.described, "epochs": len(trained.history)},
        "recipe": params.model_dump(mode="json"),
        "figures": {name: round(value, 4) for name, value in trained.history[trained.kept].items()},
        **more,
    }
    with atomic_path(folder) as made:
        save_half(made, trained.network, recipe.architecture, trained.arguments, card)
        if further := recipe.finish(made, params, pictures, trained.task):
            card |= further
            save_half(made, trained.network, recipe.architecture, trained.arguments, card)
        history = pd.DataFrame(trained.history)
        history.insert(0, "epoch", range(1, len(history) + 1))
        history.round(5).to_csv(made / paths.HISTORY, index=False, lineterminator="\n")
    return card


def save_half(
    folder: Path, network: nn.Module, architecture: str, arguments: dict[str, Any], card: dict[str, Any]
) -> None:
    """Save a network in half precision; the network itself stays as it is."""
    from pipeline.models.registry import build, save_model

    half = build(architecture, arguments)
    half.load_state_dict(network.state_dict())
    save_model(folder, half.half(), architecture, arguments, card)
