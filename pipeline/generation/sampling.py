"""Sampling: pictures from a saved generator, each a function of (model, seed, index, truncation).

A network's last bits may change with the size of a batch. So pictures are always computed in the
same aligned groups of `GROUP`, whatever is asked for: picture 5 is the same in a request for 6
pictures, for 6,000, and in one that was interrupted.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline import environment
from pipeline.errors import PentimentoError
from pipeline.models.gan import Generator, latents, to_pixels
from pipeline.models.registry import load_model

GROUP = 16


def load_generator(folder: Path) -> Generator:
    """The generator saved in a folder, on the device of the environment.

    Raises:
        PentimentoError: when the folder holds no generator.
    """
    network, card = load_model(folder)
    if not isinstance(network, Generator):
        raise PentimentoError(f"{folder} holds a model of kind '{card['architecture']}', not a generator")
    torch.set_num_threads(environment.threads())
    return network.to(_device())


def sample(
    generator: Generator, seed: int, start: int, stop: int, truncation: float = 1.0
) -> NDArray[np.uint8]:
    """The pictures of indices start to stop: (stop - start, side, side, 3), 8-bit sRGB."""
    device = generator.start.weight.device
    found = []
    first = start - start % GROUP
    for group in range(first, stop, GROUP):
        z = latents(seed, group, group + GROUP, generator.latent).to(device)
        with torch.inference_mode():
            found.append(to_pixels(generator(z, truncation)))
    side = generator.side
    if not found:
        return np.zeros((0, side, side, 3), np.uint8)
    return np.concatenate(found)[start - first : stop - first]


def _device() -> str:
    wanted = environment.device()
    if wanted != "auto":
        return wanted
    return "cuda" if torch.cuda.is_available() else "cpu"
