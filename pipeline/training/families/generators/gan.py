"""A generative adversarial network (models/gan.py), trained by training/gan.py."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from torch import nn

from pipeline.models.gan import Discriminator, Generator
from pipeline.training.families.generators.base import GENERATORS, GeneratorFamily, GeneratorParams
from pipeline.training.gan import GanAdversarial, GANTask


@GENERATORS.register("gan")
class GAN(GeneratorFamily):
    """`family: gan`: a generator and a discriminator."""

    architecture = "gan_generator"
    latent: int = Field(ge=8, le=1024)
    width: int = Field(ge=4, le=256)
    discriminator_width: int = Field(ge=4, le=256)
    projected: bool
    adversarial: GanAdversarial

    def arguments(self, side: int) -> dict[str, Any]:
        """What models/gan.py builds the generator from."""
        return {"latent": self.latent, "width": self.width, "side": side}

    def networks(self, side: int) -> dict[str, nn.Module]:
        """A new generator and a new discriminator."""
        return {
            "generator": Generator(**self.arguments(side)),
            "discriminator": Discriminator(self.discriminator_width, side, self.projected),
        }

    def task(
        self,
        networks: Mapping[str, nn.Module],
        pictures: NDArray[np.uint8],
        params: GeneratorParams,
        grids: Path,
    ) -> GANTask:
        """The two networks against each other; see `GANTask`."""
        return GANTask(
            pictures,
            cast("Generator", networks["generator"]),
            cast("Discriminator", networks["discriminator"]),
            self.adversarial,
            learning_rate=params.learning_rate,
            batch_size=params.batch_size,
            seed=params.seed,
            grids=grids,
        )
