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
CLASSICAL, LEARNT = "classical", "learnt"  # names of methods in settings and in steps.json


@dataclass(frozen=True)
class Step:
    """A step of a restoration.

    name: the step's name in chains, in params.yaml and as an option of the command.
    changes: what the step may change. It determines the interface of the step's methods (interface.py):
        'mask': Detector, 'masked pixels': Filler, 'page' (all pixels of a page): Enhancer, 'size' (a larger
        page): Enhancer. The steps of a chain follow the order of `ORDER`.
    help: the help text of the option.
    fallback: the method that takes over where a method fails, or the setting that names it.
    optional: whether the method 'none' leaves the step out.
    seconds: time of one worker on a typical machine for a megapixel of the result
        (benchmarks/throughput.py).
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
        """The factors by which the step can enlarge the sides of a picture."""
        return SCALES if self.changes == "size" else (1,)

    def measured_as(self, scale: int) -> str:
        """The key in models/steps.json under which `auto` finds the best method."""
        return f"{self.name}_x{scale}" if self.changes == "size" else self.name


@dataclass(frozen=True)
class Opening:
    """The arguments for the builder of a method.

    engine: the engine that runs networks (see inference.AnyEngine).
    scale: 2 or 4, for steps that change the size.
    folders: name of weights -> the folder that holds them.
    """

    engine: Any
    scale: int
    folders: Mapping[str, Path]


@dataclass(frozen=True)
class Method:
    """A method of a step.

    build: makes the method; the result has the interface of the step.
    weights: names of the model folders that the method needs; '{scale}' stands for the scale. The first
        folder holds the method's own network. Each further folder holds the network of the attribute of the
        same name.
    libraries: distributions that results depend on, besides those of every restoration.
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
    """Add a step; settings and options include it from now on.

    Raises:
        ValueError: when there is a step of that name already.
    """
    if step.name in _STEPS:
        raise ValueError(f"the step '{step.name}' is declared twice")
    _STEPS[step.name] = step
    _tell()
    return step


def method(
    step: str, name: str, *, weights: tuple[str, ...] = (), libraries: tuple[str, ...] = ()
) -> Callable[[Callable[[Opening], Any]], Callable[[Opening], Any]]:
    """Decorator: register the builder of a method for a step; see Method for the arguments.

    Raises:
        ValueError: when the step has a method of that name already, or the name is reserved.
    """

    def add(build: Callable[[Opening], Any]) -> Callable[[Opening], Any]:
        known = _METHODS.setdefault(step, {})
        if name in known or name in (AUTO, NONE):
            raise ValueError(f"the step '{step}' has a method '{name}' already")
        known[name] = Method(step, name, build, weights, libraries)
        return build

    return add


def remove(step: str, name: str | None = None) -> None:
    """Remove a method, or the whole step when no name is given."""
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
    """Call a function now, and again whenever a step is added or removed."""
    _LISTENERS.append(listener)
    listener()


def _tell() -> None:
    for listener in _LISTENERS:
        listener()
