"""The registry of a restoration's steps and their methods.

A step is declared once (steps.py): its name, what it may change, its settings, what `auto` goes by. The
settings in params.yaml, the options of the command, the estimate, the sidecar and the measurements follow
from that declaration. A method registers itself next to its code, with the decorator `method`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pipeline.errors import PentimentoError

Changes = Literal["mask", "masked pixels", "page", "size"]
ORDER: tuple[Changes, ...] = ("mask", "masked pixels", "page", "size")
SCALES = (2, 4)
AUTO, NONE = "auto", "none"
CLASSICAL, LEARNT = "classical", "learnt"  # what methods are called in settings and in steps.json


@dataclass(frozen=True)
class Step:
    """A step of a restoration.

    name: in chains, in params.yaml and as an option of the command.
    changes: what it may change; the interface of its methods follows (interface.py): 'mask' (where the
        damage is: Detector), 'masked pixels' (Filler), 'page' (all pixels of a page: Enhancer) or 'size'
        (a larger page: Enhancer). Steps of a chain stand in the order of `ORDER`.
    help: what the option says.
    fallback: the setting's name, or the method's, that takes over where a method fails.
    optional: whether 'none' leaves the step out.
    seconds: of one worker of a typical machine for a megapixel of the result (benchmarks/throughput.py).
    undoes: kinds of damage on which evaluate_steps measures the methods of a step that changes whole pages:
        'noise', or those of pipeline/damage. It measures detectors on all kinds that leave a mask.
    settings: further settings, name -> (type, help of the option or None); params.yaml holds their values.
    """

    name: str
    changes: Changes
    help: str
    fallback: str = CLASSICAL
    optional: bool = False
    seconds: float = 0.0
    undoes: tuple[str, ...] = ()
    settings: Mapping[str, tuple[Any, str | None]] = field(default_factory=dict)

    @property
    def scales(self) -> tuple[int, ...]:
        """How many times larger the result can be."""
        return SCALES if self.changes == "size" else (1,)

    def measured_as(self, scale: int) -> str:
        """The key of models/steps.json that `auto` goes by."""
        return f"{self.name}_x{scale}" if self.changes == "size" else self.name


@dataclass(frozen=True)
class Opening:
    """What the builder of a method may use.

    engine: what runs networks (see inference.AnyEngine).
    scale: of steps that change the size.
    folders: name of weights -> the folder that holds them.
    """

    engine: Any
    scale: int
    folders: Mapping[str, Path]


@dataclass(frozen=True)
class Method:
    """A method of a step.

    build: makes it; what it makes has the interface of the step.
    weights: names of the model folders that it needs ('{scale}' stands for the scale). The first one is the
        method's network; another one is the network of its attribute of that name.
    libraries: distributions that results depend on, beside those of every restoration.
    """

    step: str
    name: str
    build: Callable[[Opening], Any]
    weights: tuple[str, ...] = ()
    libraries: tuple[str, ...] = ()

    def weights_at(self, scale: int) -> tuple[str, ...]:
        """The names of the model folders for this scale."""
        return tuple(name.format(scale=scale) for name in self.weights)


_STEPS: dict[str, Step] = {}
_METHODS: dict[str, dict[str, Method]] = {}
_LISTENERS: list[Callable[[], None]] = []


def register(step: Step) -> Step:
    """Add a step; settings and options know it from now on.

    Raises:
        ValueError: when a step of that name is declared already.
    """
    if step.name in _STEPS:
        raise ValueError(f"the step '{step.name}' is declared twice")
    _STEPS[step.name] = step
    _tell()
    return step


def method(
    step: str, name: str, *, weights: tuple[str, ...] = (), libraries: tuple[str, ...] = ()
) -> Callable[[Callable[[Opening], Any]], Callable[[Opening], Any]]:
    """Decorator: register the builder of a method under a step.

    Raises:
        ValueError: when the step has a method of that name already.
    """

    def add(build: Callable[[Opening], Any]) -> Callable[[Opening], Any]:
        known = _METHODS.setdefault(step, {})
        if name in known or name in (AUTO, NONE):
            raise ValueError(f"the step '{step}' has a method '{name}' already")
        known[name] = Method(step, name, build, weights, libraries)
        return build

    return add


def remove(step: str, name: str | None = None) -> None:
    """Take back a method, or with no name the whole step."""
    if name is not None:
        del _METHODS[step][name]
        return
    _METHODS.pop(step, None)
    del _STEPS[step]
    _tell()


def steps() -> tuple[Step, ...]:
    """All steps, in the order in which they were declared."""
    return tuple(_STEPS.values())


def step(name: str) -> Step:
    """The step of that name.

    Raises:
        PentimentoError: when there is none.
    """
    if name not in _STEPS:
        raise PentimentoError(f"unknown step '{name}'; known are: {', '.join(_STEPS)}")
    return _STEPS[name]


def methods(step: str) -> Mapping[str, Method]:
    """The methods of a step, by name; complete once the package's modules are imported (kit.py does it)."""
    return _METHODS.get(step, {})


def networks(*changes: Changes) -> list[str]:
    """The names of all model folders that the methods of steps with these changes need, sorted."""
    found = {
        network
        for step in steps()
        if step.changes in changes
        for scale in step.scales
        for method in methods(step.name).values()
        for network in method.weights_at(scale)
    }
    return sorted(found)


def on_change(listener: Callable[[], None]) -> None:
    """Call a function now, and whenever a step is added or taken back."""
    _LISTENERS.append(listener)
    listener()


def _tell() -> None:
    for listener in _LISTENERS:
        listener()
