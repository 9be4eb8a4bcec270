"""A trained classifier in use: pictures in, probabilities of schools and tags out.

Every classifier gives one row of logits per picture: first the schools (exactly one applies:
softmax), then the tags (each applies or not: sigmoid). With a frozen trunk only the head is stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from pipeline.errors import PentimentoError
from pipeline.models.lite0 import LinearHead, Lite0Classifier, to_input
from pipeline.models.registry import load_model
from pipeline.paths import CARD

Picture = NDArray[np.uint8]
Probabilities = NDArray[np.float64]


@dataclass(frozen=True)
class Classifier:
    """A network with its card's classes, input side (pixels) and temperature."""

    network: nn.Module
    card: dict[str, Any]

    @property
    def schools(self) -> list[str]:
        """The names of the first columns."""
        return list(self.card["classes"]["school"])

    @property
    def tags(self) -> list[str]:
        """The names of the further columns."""
        return list(self.card["classes"]["tags"])

    def predict(self, pictures: Sequence[Picture]) -> tuple[Probabilities, Probabilities]:
        """Probabilities of schools (N, S), rows adding up to 1, and of tags (N, T).

        The logits of each picture (H, W, 3) and of its mirror image are averaged. A
        picture's result does not depend on its neighbours.
        """
        temperature = float(self.card["temperature"])
        return probabilities(self.logits(pictures), len(self.schools), temperature)

    def logits(self, pictures: Sequence[Picture]) -> NDArray[np.float64]:
        """Logits (N, S + T) of pictures, each the mean of the picture's and its mirror image's."""
        rows = np.zeros((len(pictures), len(self.schools) + len(self.tags)))
        for row, picture in enumerate(pictures):
            tensor = to_input(picture, int(self.card["side"]))
            with torch.inference_mode():
                both = self.network(torch.stack([tensor, tensor.flip(-1)]))
            rows[row] = both.double().mean(dim=0).numpy()
        return rows


def load_classifier(folder: Path) -> Classifier:
    """The classifier saved in a folder, on the CPU.

    Raises:
        PentimentoError: when there is none, or the model there is no classifier.
    """
    network, card = load_model(folder)
    missing = [key for key in ("classes", "side", "temperature") if key not in card]
    if missing:
        raise PentimentoError(
            f"{folder / CARD} is no classifier's card: {', '.join(missing)} missing; "
            "`dvc repro train_classifier` makes one"
        )
    return Classifier(assemble(network), card)


def assemble(network: nn.Module) -> nn.Module:
    """The whole network from pictures to logits: a bare head is put on the pretrained trunk."""
    if isinstance(network, LinearHead):
        whole = Lite0Classifier(network.linear.out_features, frozen=True)
        whole.head = network
        network = whole
    return network.eval()


def probabilities(
    logits: NDArray[np.floating[Any]], schools: int, temperature: float = 1.0
) -> tuple[Probabilities, Probabilities]:
    """Logits (N, S + T) to probabilities of S schools (softmax) and of T tags (sigmoid)."""
    tensor = torch.from_numpy(np.asarray(logits, np.float64))
    school = torch.softmax(tensor[:, :schools] / temperature, dim=1)
    return school.numpy(), torch.sigmoid(tensor[:, schools:]).numpy()


def best_temperature(logits: NDArray[np.floating[Any]], school: NDArray[np.int64]) -> float:
    """The temperature of least cross-entropy on held-out pictures (Guo et al. 2017), in 1/8 to 8.

    Args:
        logits: of schools only, (N, S).
        school: class numbers (N,); none of them negative.
    """
    if len(school) == 0:
        return 1.0
    candidates = np.geomspace(1 / 8, 8, 97)
    rows = np.arange(len(school))
    losses = []
    for temperature in candidates:
        chosen = probabilities(logits, logits.shape[1], float(temperature))[0][rows, school]
        losses.append(-np.log(np.maximum(chosen, 1e-12)).mean())
    return round(float(candidates[int(np.argmin(losses))]), 4)
