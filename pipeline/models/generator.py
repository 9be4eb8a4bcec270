"""What every network that makes pictures offers, whatever its family."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from pipeline import environment
from pipeline.errors import PentimentoError
from pipeline.models.registry import load_model


class PictureGenerator(nn.Module):
    """A network that makes square pictures, each a function of (weights, seed, index, truncation).

    `side` is their size in pixels.
    """

    side: int

    def draw(self, seed: int, start: int, stop: int, truncation: float = 1.0) -> NDArray[np.uint8]:
        """The pictures of indices start to stop: (stop - start, side, side, 3), 8-bit sRGB.

        `truncation` in [0, 1]: lower gives more typical pictures and less variety.
        """
        raise NotImplementedError


def load_generator(folder: Path) -> PictureGenerator:
    """The generator saved in a folder, on the device of the environment.

    Raises:
        PentimentoError: when the folder holds no generator.
    """
    network, card = load_model(folder)
    if not isinstance(network, PictureGenerator):
        raise PentimentoError(f"{folder} holds a model of kind '{card['architecture']}', not a generator")
    torch.set_num_threads(environment.threads())
    return network.to(_device())


def _device() -> str:
    wanted = environment.device()
    if wanted != "auto":
        return wanted
    return "cuda" if torch.cuda.is_available() else "cpu"
