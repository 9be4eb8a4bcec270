"""What works are restored with: a chain of steps, each with the methods that are set or measured best."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from itertools import product
from pathlib import Path
from typing import Any

from pipeline import meaning
from pipeline.archive.fixity import tree_sha256, value_sha256
from pipeline.discovery import import_all
from pipeline.models.inference import PACKAGES
from pipeline.restoration.methods.fill import Fillers
from pipeline.restoration.methods.loader import Loader
from pipeline.restoration.methods.registry import Changes, Opening, Step, methods
from pipeline.restoration.methods.settings import Settings

import_all("pipeline.restoration.methods")  # methods register themselves

_LIBRARIES = ("numpy", "opencv-python-headless", "pillow", "pyvips", "pyvips-binary", "scipy", "tifffile")


@dataclass(frozen=True)
class Link:
    """A step of a chain, with its methods.

    method: a Detector, Fillers, or an Enhancer; this follows from what the step changes.
    fallback: takes over where `method` fails: a Detector, Filler or Enhancer.
    """

    step: Step
    method: Any
    fallback: Any

    @property
    def names(self) -> dict[str, str]:
        """The names of the methods in reports, by step, hole shape or kind of damage."""
        if isinstance(self.method, Fillers):
            return self.method.names
        return {self.step.name: self.method.name}


@dataclass(frozen=True)
class Kit:
    """Everything that restoring a work needs: settings, opened methods, and a record of models and code."""

    settings: Settings
    chain: tuple[Link, ...]
    models: Mapping[str, Mapping[str, Any]]  # method name -> hashes and engine of its model
    code_sha256: str
    software: Mapping[str, str]

    def links(self, *changes: Changes) -> list[Link]:
        """The links of the chain whose step makes one of these changes."""
        return [link for link in self.chain if link.step.changes in changes]

    @property
    def recipe(self) -> dict[str, Any]:
        """The settings that a result depends on, as plain values."""
        # Limits and shard sizes change no byte of a result. Models count by their hashes, not by their paths.
        left_out = {"max_failure_ratio", "shard_megapixels", "trained", "pretrained", "models"}
        return self.settings.model_dump(mode="json", exclude=left_out)

    @property
    def fingerprint(self) -> str:
        """A hash of settings, methods, models, code and software; part of every ledger key.

        It leaves out the engine that `auto` chose, so another machine can continue the run.
        """
        chosen = [[link.step.name, link.names] for link in self.chain]
        models = {name: _without_engine(described) for name, described in self.models.items()}
        software = {name: what for name, what in self.software.items() if name not in PACKAGES.values()}
        return value_sha256([self.recipe, chosen, models, self.code_sha256, software])[:16]


def load_kit(settings: Settings, methods: Path) -> Kit:
    """The kit for these settings; the last two kits are cached.

    torch is imported only when a chosen model runs on it.

    Args:
        settings: with resolved paths (see Settings.rooted).
        methods: a methods.json: the measured choice of fillers, for fillers that are set to auto.

    Raises:
        PentimentoError: when a file is missing or broken, or a name is not known.
    """
    return _load(settings.model_dump_json(), methods)


@lru_cache(maxsize=2)
def _load(settings_json: str, methods: Path) -> Kit:
    settings = Settings.model_validate_json(settings_json)
    loader = Loader(settings, methods)
    chain = tuple(Link(step, loader.chosen(step), loader.fallback(step)) for step in settings.chain)
    _one_thread()
    return Kit(
        settings=settings,
        chain=chain,
        models=loader.models,
        code_sha256=code_sha256(),
        software={"pentimento": version("pentimento")} | _versions([*_LIBRARIES, *loader.libraries]),
    )


@dataclass(frozen=True)
class Candidates:
    """All registered methods of a step, for evaluate_steps to measure.

    methods: name in reports -> method.
    weights: name -> network -> 'pretrained' or 'trained', of those that have networks.
    """

    methods: dict[str, Any]
    weights: dict[str, dict[str, str]]


def candidates(step: Step, scale: int, homes: Mapping[str, Path]) -> Candidates:
    """The methods of a step, each with networks once for every variant of its weights.

    Args:
        scale: of a step that changes the size; 1 for others.
        homes: 'pretrained' and 'trained' -> the folder that holds such models.
    """
    found: dict[str, Any] = {}
    weights: dict[str, dict[str, str]] = {}
    for method in methods(step.name).values():
        for name, places in variants(method.name, method.weights_at(scale), homes).items():
            folders = {network: homes[place] / network for network, place in places.items()}
            found[name] = method.build(Opening("auto", scale, folders))
            if places:
                weights[name] = places
    return Candidates(found, weights)


def variants(method: str, networks: Sequence[str], homes: Mapping[str, Path]) -> dict[str, dict[str, str]]:
    """The variants of a method: name -> network -> where its weights lie, a key of `homes`.

    A method has no variant if one of its networks lacks weights. Weights that a training took over unchanged
    are no variant of their own.
    """
    places: list[list[str]] = []
    for network in networks:
        found = {where: home / network for where, home in homes.items() if (home / network).exists()}
        hashes = {where: tree_sha256(folder) for where, folder in found.items()}
        places.append(
            [where for n, where in enumerate(hashes) if hashes[where] not in [*hashes.values()][:n]]
        )
    named: dict[str, dict[str, str]] = {}
    for where in product(*places):
        trained = [network for network, place in zip(networks, where, strict=True) if place == "trained"]
        name = f"{method}, trained {' and '.join(trained)}" if trained else method
        named[name] = dict(zip(networks, where, strict=True))
    return named


def _without_engine(described: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: _without_engine(value) if isinstance(value, Mapping) else value
        for key, value in described.items()
        if key != "engine"
    }


def _versions(libraries: list[str]) -> dict[str, Any]:
    return {name: version(name) for name in sorted(set(libraries))}


def _one_thread() -> None:
    """Limit OpenCV and torch to one thread: workers run in parallel, and one thread gives the same bytes."""
    import cv2

    cv2.setNumThreads(1)
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)


def code_sha256() -> str:
    """The SHA-256 of the meaning of the code that restores a work (see meaning.py)."""
    return meaning.code_sha256("pipeline.restoration.work.engine")
