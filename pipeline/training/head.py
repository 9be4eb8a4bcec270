"""A linear head on descriptions of works, which the frozen trunk (models/lite0.py) has computed once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from lightning.fabric import Fabric
from numpy.typing import NDArray
from torch import Tensor, nn

from pipeline.models.lite0 import LinearHead
from pipeline.training.classifier import ClassifierTask, Recipe
from pipeline.training.labels import Descriptions, Labels, rebalanced, with_synthetic
from pipeline.training.loop import Trainer
from pipeline.training.task import Row


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


def fit_head(
    views: Descriptions,
    train: Labels,
    val_descriptions: Descriptions,
    val: Labels,
    recipe: Recipe,
    *,
    folder: Path,
    fabric: Fabric,
    label: str,
) -> tuple[LinearHead, list[Row]]:
    """A linear head trained on descriptions, on the CPU, and its history; see `DescriptionTask`.

    Where the recipe's method is `smote`, synthetic works are among those that it is trained on.
    """
    if recipe.balancing and recipe.method == "smote":
        views, train = with_synthetic(views, train, recipe.balancing)
    task = DescriptionTask(views, train, val_descriptions, val, recipe)
    trainer = Trainer(task, recipe.schedule, folder, fabric)
    head = trainer.fit(label).cpu()
    assert isinstance(head, LinearHead)
    return head, trainer.history


def train_fold(
    views: Descriptions,
    labels: Labels,
    train: NDArray[np.int64],
    test: NDArray[np.int64],
    recipe: Recipe,
    *,
    folder: Path,
    fabric: Fabric,
    label: str,
) -> NDArray[np.float64]:
    """Logits of the rows `test` by a head trained on the rows `train` of views (N, views, D).

    Rare schools are made to count by the recipe's method, planned for the rows `train` alone. As in
    use, a work's logits are the mean of its plain and its mirrored view's (the first two).
    """
    own = rebalanced(labels[train], recipe.balancing)
    none = np.array([], np.int64)
    head, _ = fit_head(
        views[train], own, views[none, 0], labels[none], recipe, folder=folder, fabric=fabric, label=label
    )  # fmt: skip
    with torch.inference_mode():
        logits: Tensor = head(torch.from_numpy(views[test, :2])).double().mean(dim=1)
    return logits.numpy()
