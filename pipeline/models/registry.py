"""Models by name: built from a card, saved as safetensors beside it.

A saved model is a folder with `weights.safetensors` and `card.json` (architecture, its arguments,
and the trainer's record: data, recipe, figures, limits).
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import nn

from pipeline.archive.atomic import write_bytes, write_json
from pipeline.archive.versions import read_json
from pipeline.errors import PentimentoError
from pipeline.paths import CARD, WEIGHTS

VERSION = 1  # of a saved model's format; version 1 is not stated

N = TypeVar("N", bound=type[nn.Module])
ARCHITECTURES = {
    "cnn": ("pipeline.models.cnn", "PlainCNN"),
    "lite0": ("pipeline.models.lite0", "Lite0Classifier"),
    "linear_head": ("pipeline.models.lite0", "LinearHead"),
    "residual_unet": ("pipeline.models.unet", "ResidualUNet"),
    "damage_detector": ("pipeline.models.detector", "DamageDetector"),
    "enhancer": ("pipeline.models.enhancer", "Enhancer"),
    "upscaler": ("pipeline.models.enhancer", "Upscaler"),
    "colour_net": ("pipeline.models.colour", "ColourNet"),
    "gan_generator": ("pipeline.models.gan", "Generator"),
    "gan_discriminator": ("pipeline.models.gan", "Discriminator"),
}


def architecture(name: str) -> Callable[[N], N]:
    """A decorator that adds a network to the table under a name: for one that stands in a family's own file.

    Raises:
        PentimentoError: when another network has that name.
    """

    def add(network: N) -> N:
        row = (network.__module__, network.__qualname__)
        if ARCHITECTURES.setdefault(name, row) != row:
            raise PentimentoError(f"two networks are called '{name}': {ARCHITECTURES[name]} and {row}")
        return network

    return add


def build(architecture: str, arguments: dict[str, Any]) -> nn.Module:
    """A new network of that architecture."""
    if architecture not in ARCHITECTURES:
        known = ", ".join(sorted(ARCHITECTURES))
        raise PentimentoError(f"unknown architecture '{architecture}'; known are: {known}")
    module, name = ARCHITECTURES[architecture]
    try:
        network: nn.Module = getattr(importlib.import_module(module), name)(**arguments)
    except TypeError as error:
        raise PentimentoError(f"architecture '{architecture}': {error}") from None
    return network


def save_model(
    folder: Path, network: nn.Module, architecture: str, arguments: dict[str, Any], card: dict[str, Any]
) -> None:
    """Write a network's weights and its card to `folder`."""
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    folder.mkdir(parents=True, exist_ok=True)
    write_bytes(folder / WEIGHTS, save(state))
    write_json(folder / CARD, {"architecture": architecture, "arguments": arguments, **card})


def load_card(folder: Path) -> dict[str, Any]:
    """The card of a saved model, without its format version.

    Raises:
        PentimentoError: when there is none, or it is no card, or of a version that is not known.
    """
    try:
        remedy = "train the model again"
        card: dict[str, Any] = read_json(folder / CARD, "model card", VERSION, remedy)
    except FileNotFoundError:
        raise PentimentoError(f"no model in {folder}: {CARD} is missing") from None
    except ValueError as error:
        raise PentimentoError(f"{folder / CARD} is not valid JSON: {error}") from None
    if (
        not isinstance(card, dict)
        or not isinstance(card.get("arguments"), dict)
        or "architecture" not in card
    ):
        raise PentimentoError(f"{folder / CARD} is no model card: it names no architecture with arguments")
    return card


def load_model(folder: Path) -> tuple[nn.Module, dict[str, Any]]:
    """A saved network, in evaluation mode on the CPU, and its card.

    Raises:
        PentimentoError: when the folder holds no model, or weights that do not fit its card.
    """
    card = load_card(folder)
    network = build(card["architecture"], card["arguments"])
    try:
        network.load_state_dict(load_file(folder / WEIGHTS))
    except FileNotFoundError:
        raise PentimentoError(f"no model in {folder}: {WEIGHTS} is missing") from None
    except SafetensorError as error:
        raise PentimentoError(f"{folder / WEIGHTS} is damaged: {error}") from None
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        raise PentimentoError(f"{folder / WEIGHTS} does not fit its card: {reason}") from None
    return network.eval(), card
