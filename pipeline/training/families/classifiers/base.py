"""What a family of classifiers is, the registry of all, and the one way to train one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import nn

from pipeline.discovery import Registry, import_all
from pipeline.errors import PentimentoError
from pipeline.models import registry
from pipeline.models.classifier import Classifier, assemble, load_classifier
from pipeline.params import StageParams
from pipeline.training.classifier import ClassifierTask, Losses, Picture, PictureTask, Recipe
from pipeline.training.descriptions import Augmentation
from pipeline.training.families.params import FamilyParams
from pipeline.training.labels import Balancing, Labels, rebalanced
from pipeline.training.mixing import Mixing
from pipeline.training.task import Row

if TYPE_CHECKING:
    from lightning.fabric import Fabric

CLASSIFIERS: Registry[ClassifierFamily] = Registry(
    "classifier family",
    "pentimento.classifiers",
    lambda: import_all("pipeline.training.families.classifiers"),
)


class ClassifierFamily(StageParams):
    """A family of classifiers; its fields are its section in params.yaml.

    By itself it trains a whole network on pictures, which are augmented anew at each draw. Such a family
    states `architecture` and `arguments` alone. A family that learns from something else also overrides
    `training_inputs`, `inputs`, `task` and `logits`.
    """

    architecture: ClassVar[str]  # of the network that is saved, as pipeline/models/registry.py knows it
    cross_validated: ClassVar[bool] = False  # whether it trains fast enough to be trained once more per fold

    def check(self, params: ClassifierParams, balance: str) -> None:
        """Refuse settings that do not go together, before anything is computed.

        Args:
            params: all parameters of the training.
            balance: `prepare.balance`.

        Raises:
            PentimentoError: naming the settings and what to set instead.
        """
        if balance == "smote":
            raise PentimentoError(
                "prepare.balance is smote, which makes descriptions without pictures; "
                f"train_classifier.family {params.family} learns from pictures: set prepare.balance to "
                "logit_adjustment, class_weights or augment, or train_classifier.family to frozen"
            )

    def arguments(self, outputs: int) -> dict[str, Any]:
        """What the network is built from; `outputs` is the number of its logits."""
        return {"outputs": outputs}

    def training_inputs(
        self, pictures: Sequence[Picture], strength: NDArray[np.float64], setup: Setup, label: str
    ) -> Any:
        """What the network learns from, one entry per picture (H, W, 3).

        Args:
            pictures: 8-bit sRGB.
            strength: (N,) of the augmentation beyond the policy's, 0 to 1.
            setup: of the training.
            label: what the progress bar says.
        """
        return pictures

    def inputs(self, pictures: Sequence[Picture], setup: Setup, label: str) -> Any:
        """What the network is judged on, one entry per picture (H, W, 3), 8-bit sRGB."""
        return pictures

    def task(self, train: Examples, val: Examples, setup: Setup) -> ClassifierTask:
        """A new network, and what is to be learnt, for the training loop."""
        torch.manual_seed(setup.params.seed)
        return PictureTask(
            registry.build(self.architecture, self.arguments(setup.outputs)),
            (train.inputs, train.labels),
            (val.inputs, val.labels),
            setup.recipe,
            side=setup.params.side,
            augmenter=setup.augmentation.build,
        )

    def logits(self, network: nn.Module, inputs: Any, setup: Setup) -> NDArray[np.float64]:
        """Logits (N, S + T) of works by a trained network, from their `training_inputs`.

        As in use, a work's logits are the mean of its picture's and the mirrored picture's.
        """
        card = {"classes": setup.classes, "side": setup.params.side}
        return Classifier(assemble(network), card).logits(inputs)


class ClassifierParams(FamilyParams):
    """What is trained, and how."""

    families = CLASSIFIERS
    renamed: ClassVar[dict[str, str]] = {
        "model": "family",
        "views": "frozen.views",
        "dropout": "cnn.dropout",
    }

    side: int = Field(ge=32, le=1024)
    tag_threshold: float = Field(gt=0, lt=1)
    losses: Losses
    mixing: Mixing


@dataclass(frozen=True)
class Examples:
    """N works: what a family makes of their pictures, and their labels."""

    inputs: Any
    labels: Labels

    def __getitem__(self, rows: NDArray[np.int64]) -> Examples:
        return Examples(_take(self.inputs, rows), self.labels[rows])


@dataclass(frozen=True)
class Setup:
    """What a training is given beside its works.

    `classes` names the logits: {"school": [...], "tags": [...]}. `ledger` is the file in which
    computed descriptions are kept.
    """

    params: ClassifierParams
    classes: dict[str, list[str]]
    augmentation: Augmentation
    balancing: Balancing
    ledger: Path
    fabric: Fabric

    @property
    def family(self) -> ClassifierFamily:
        """The family that is trained."""
        family: ClassifierFamily = self.params.chosen
        return family

    @property
    def outputs(self) -> int:
        """The number of logits."""
        return len(self.classes["school"]) + len(self.classes["tags"])

    @property
    def recipe(self) -> Recipe:
        """What a task is told of the training."""
        params, schools = self.params, len(self.classes["school"])
        return Recipe(params.losses, params, schools, params.mixing, self.balancing)


def fit(
    train: Examples, val: Examples, setup: Setup, *, folder: Path, label: str
) -> tuple[nn.Module, list[Row]]:
    """Train a network of the chosen family; the network, on the CPU, and its history.

    Args:
        train: works to learn from.
        val: works that the history's figures are of; may be empty.
        setup: of the training.
        folder: of the checkpoints.
        label: what the progress bar says.
    """
    from pipeline.training.loop import Trainer

    trainer = Trainer(setup.family.task(train, val, setup), setup.params, folder, setup.fabric)
    return trainer.fit(label).cpu(), trainer.history


def fit_fold(
    works: Examples,
    train: NDArray[np.int64],
    test: NDArray[np.int64],
    setup: Setup,
    *,
    folder: Path,
    label: str,
) -> NDArray[np.float64]:
    """Logits of the works `test` by a network trained on the works `train`, both given as rows.

    Rare schools are made to count by the setup's method, planned for the works `train` alone.
    """
    learnt = Examples(_take(works.inputs, train), rebalanced(works.labels[train], setup.balancing))
    nothing = works[np.array([], np.int64)]
    network, _ = fit(learnt, nothing, setup, folder=folder, label=label)
    return setup.family.logits(network, _take(works.inputs, test), setup)


def _take(inputs: Any, rows: NDArray[np.int64]) -> Any:
    """Some of the inputs of works: rows of an array, or entries of a list."""
    return inputs[rows] if isinstance(inputs, np.ndarray) else [inputs[int(row)] for row in rows]


def load(folder: Path) -> Classifier:
    """The classifier saved in a folder, of any registered family, on the CPU.

    Raises:
        PentimentoError: when there is none, or the model there is no classifier.
    """
    CLASSIFIERS.classes()  # a family may register a network of its own
    return load_classifier(folder)
