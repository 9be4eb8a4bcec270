"""What a family of generators is, and the registry of all."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from torch import nn

from pipeline.discovery import Registry, import_all
from pipeline.errors import PentimentoError
from pipeline.models.generator import PictureGenerator, load_generator
from pipeline.models.registry import load_model
from pipeline.params import StageParams
from pipeline.training.families.params import FamilyParams
from pipeline.training.task import Task

GENERATORS: Registry[GeneratorFamily] = Registry(
    "generator family",
    "pentimento.generators",
    lambda: import_all("pipeline.training.families.generators"),
)
GENERATOR = "generator"  # the name of the network that is kept; a family may train others beside it


class GeneratorFamily(StageParams):
    """A family of generators; its fields are its section in params.yaml."""

    architecture: ClassVar[str]  # of the generator, as pipeline/models/registry.py knows it

    def arguments(self, side: int) -> dict[str, Any]:
        """What the generator is built from, for pictures of `side` pixels a side."""
        raise NotImplementedError

    def networks(self, side: int) -> dict[str, nn.Module]:
        """New networks, initialised from torch's global generator; 'generator' is a `PictureGenerator`."""
        raise NotImplementedError

    def task(
        self,
        networks: Mapping[str, nn.Module],
        pictures: NDArray[np.uint8],
        params: GeneratorParams,
        grids: Path,
    ) -> Task:
        """What is to be learnt, for the training loop; its averaged network is the generator.

        Args:
            networks: as `networks` made them, maybe with start weights.
            pictures: (N, side, side, 3), 8-bit sRGB.
            params: all parameters of the training.
            grids: folder for samples-NNNN.png, drawn after epoch NNNN.
        """
        raise NotImplementedError


class GeneratorParams(FamilyParams):
    """The networks, the pictures they see, and how they are trained."""

    families = GENERATORS
    renamed: ClassVar[dict[str, str]] = {
        key: f"gan.{key}" for key in ("latent", "width", "discriminator_width", "projected", "adversarial")
    }

    side: int = Field(ge=32, le=256)
    views: int = Field(ge=1)
    start_from: str | None


def load_start_weights(networks: Mapping[str, nn.Module], folder: Path, family: str) -> None:
    """Fill networks with saved weights: the generator's in `folder`, the others' in folders of their names.

    Raises:
        PentimentoError: when a folder is missing, or its network is of another shape.
    """
    for name, network in networks.items():
        path = folder if name == GENERATOR else folder / name
        saved, _ = load_model(path)
        try:
            network.load_state_dict(saved.state_dict())
        except RuntimeError:
            raise PentimentoError(
                f"{path} does not fit train_generator: set side and the keys of {family} to those of its "
                "card.json, or start_from: null"
            ) from None


def load(folder: Path) -> PictureGenerator:
    """The generator saved in a folder, of any registered family, on the device of the environment.

    Raises:
        PentimentoError: when the folder holds no generator.
    """
    GENERATORS.classes()  # a family may register a network of its own
    return load_generator(folder)
