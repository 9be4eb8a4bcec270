"""A linear head on descriptions of works, which the frozen trunk (models/lite0.py) computes once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from pipeline.errors import PentimentoError
from pipeline.models.lite0 import DESCRIPTION, LinearHead
from pipeline.training.classifier import ClassifierTask, Picture, Recipe
from pipeline.training.descriptions import Describer
from pipeline.training.families.classifiers.base import (
    CLASSIFIERS,
    ClassifierFamily,
    ClassifierParams,
    Examples,
    Setup,
)
from pipeline.training.labels import Descriptions, Labels, with_synthetic


@CLASSIFIERS.register("frozen")
class Frozen(ClassifierFamily):
    """`family: frozen`: `views` augmented views of each work beside its plain and its mirrored view.

    It learns from descriptions (N, 2 + views, D). Only the head is saved.
    """

    architecture = "linear_head"
    cross_validated = True
    views: int = Field(ge=0, le=64)

    def check(self, params: ClassifierParams, balance: str) -> None:
        """Refuse what descriptions cannot do; see `ClassifierFamily.check`."""
        if params.mixing.cutmix > 0:
            raise PentimentoError(
                "train_classifier.mixing.cutmix: a frozen trunk's descriptions have no place to cut; set it "
                "to 0 (mixup works on descriptions), or set train_classifier.family to fine_tune or cnn"
            )
        if balance == "augment" and self.views == 0:
            raise PentimentoError(
                "train_classifier.frozen.views is 0, and prepare.balance is augment, which needs augmented "
                "views of rare works; set train_classifier.frozen.views to 3, say, or choose another balance"
            )

    def arguments(self, outputs: int) -> dict[str, Any]:
        """What the head is built from."""
        return {"inputs": DESCRIPTION, "outputs": outputs}

    def training_inputs(
        self, pictures: Sequence[Picture], strength: NDArray[np.float64], setup: Setup, label: str
    ) -> Descriptions:
        """Descriptions (N, 2 + views, D): of the plain, the mirrored and the augmented views."""
        seed = setup.params.seed
        return _describer(setup).views(pictures, setup.augmentation, self.views, seed, label, strength)

    def inputs(self, pictures: Sequence[Picture], setup: Setup, label: str) -> Descriptions:
        """Descriptions (N, 1, D) of the pictures as they are."""
        return _describer(setup).plain(pictures, label)[:, None]

    def task(self, train: Examples, val: Examples, setup: Setup) -> DescriptionTask:
        """A new head; where rare schools are balanced by SMOTE, it learns from synthetic works, too."""
        views, labels = train.inputs, train.labels
        if setup.balancing.method == "smote":
            views, labels = with_synthetic(views, labels, setup.balancing)
        return DescriptionTask(views, labels, val.inputs[:, 0], val.labels, setup.recipe)

    def logits(self, network: nn.Module, inputs: Descriptions, setup: Setup) -> NDArray[np.float64]:
        """Logits (N, S + T): the mean of the plain and the mirrored view's (the first two)."""
        with torch.inference_mode():
            logits: Tensor = network(torch.from_numpy(inputs[:, :2])).double().mean(dim=1)
        return logits.numpy()


class DescriptionTask(ClassifierTask):
    """A linear head on descriptions (N, views, D) of the works, one of the views at each draw."""

    def __init__(
        self,
        views: Descriptions,
        train: Labels,
        val_descriptions: Descriptions,
        val: Labels,
        recipe: Recipe,
    ) -> None:
        outputs = recipe.schools + train.tags.shape[1]
        head = LinearHead(views.shape[2], outputs)
        flat = torch.from_numpy(views.reshape(-1, views.shape[2]))
        head.mean.copy_(flat.mean(dim=0))
        head.scale.copy_(flat.std(dim=0, correction=0) + 1e-3)
        nn.init.zeros_(head.linear.weight)
        super().__init__(head, train, val, recipe)
        self.monitor = None  # a convex problem: the last epoch is the best that there is
        self.views = torch.from_numpy(views)
        self.val_descriptions = torch.from_numpy(val_descriptions)

    def inputs(self, rows: NDArray[np.int64], rng: np.random.Generator) -> Tensor:
        """Descriptions of one view of each work, drawn at random."""
        return self.views[rows, rng.integers(0, self.views.shape[1], len(rows))]

    def val_inputs(self) -> Iterator[Tensor]:
        """Descriptions of the validation works."""
        yield self.val_descriptions


def _describer(setup: Setup) -> Describer:
    return Describer(setup.ledger, setup.params.side, setup.fabric.device)
