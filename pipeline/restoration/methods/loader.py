"""From a name to a method: a registered method, or a model of the user's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from pipeline import paths
from pipeline.archive.fixity import file_sha256
from pipeline.errors import PentimentoError
from pipeline.restoration.methods.fill import Fillers
from pipeline.restoration.methods.interface import Enhancer
from pipeline.restoration.methods.measured import best_fillers, best_methods
from pipeline.restoration.methods.own_loader import describe, load_own
from pipeline.restoration.methods.registry import AUTO, CLASSICAL, NONE, Method, Opening, Step, methods
from pipeline.restoration.methods.settings import Settings
from pipeline.restoration.methods.shapes import SHAPES


@dataclass
class Loader:
    """Opens methods by name, each once, and records their models.

    settings: with resolved paths.
    measured: a methods.json: the measured choice of fillers, for fillers that are set to auto.
    models: name of an opened method -> hashes and engine of its model, for sidecar and ledger.
    libraries: the distributions that the opened methods depend on.
    opened: (step, name) -> method.
    """

    settings: Settings
    measured: Path
    models: dict[str, dict[str, Any]] = field(default_factory=dict)
    libraries: list[str] = field(default_factory=list)
    opened: dict[tuple[str, str], Any] = field(default_factory=dict)

    def chosen(self, step: Step) -> Any:
        """The method that the settings give for a step; for a step that fills, its `Fillers`.

        Raises:
            PentimentoError: when a name is not known, or a file is missing or broken.
        """
        name = self.settings.method_of(step)
        if step.changes == "masked pixels":
            return self._fillers(step, name)
        if name == AUTO:
            name = self._best.get(step.measured_as(self.settings.value("scale")), CLASSICAL)
        return self.open(step, name)

    def fallback(self, step: Step) -> Any:
        """The method that takes over where the step's method fails."""
        return self.open(step, self.settings.fallback_of(step))

    def open(self, step: Step, name: str) -> Any:
        """Open a method by its name, or return it when it is open already.

        Raises:
            PentimentoError: when the name is not known, or a file is missing or broken.
        """
        key = (step.name, name)
        if key not in self.opened:
            known = methods(step.name).get(name)
            self.opened[key] = self._build(known) if known else self._own(step, name)
        return self.opened[key]

    @cached_property
    def _best(self) -> Mapping[str, str]:
        """The best method of each measured step; empty without a steps.json."""
        weights = self.settings.weights
        return best_methods(weights.find(paths.STEPS.name)) if weights.has(paths.STEPS.name) else {}

    def _fillers(self, step: Step, name: str) -> Fillers:
        coarse = self.open(step, "tension")
        if name != AUTO:
            return Fillers(dict.fromkeys(SHAPES, self.open(step, name)), {}, coarse)
        best = best_fillers(self.measured)
        return Fillers(
            {shape: self.open(step, one) for shape, one in best.shapes.items()},
            {kind: self.open(step, one) for kind, one in best.kinds.items()},
            coarse,
        )

    def _build(self, method: Method) -> Any:
        scale = int(self.settings.value("scale"))
        folders = {name: self.settings.weights.find(name) for name in method.weights_at(scale)}
        made = method.build(Opening(self.settings.engine, scale, folders))
        self.libraries += [*method.libraries, *getattr(made, "libraries", ())]
        if folders:
            (_, first), *others = folders.items()
            self.models[made.name] = _described(first, made.engine) | {
                name: _described(folder, getattr(made, name).engine) for name, folder in others
            }
        return made

    def _own(self, step: Step, name: str) -> Any:
        """A model that the user declared for this step."""
        model = self.settings.models.get(name)
        if model is None or model.step != step.name:
            mine = [key for key, value in self.settings.models.items() if value.step == step.name]
            known = [*([NONE] if step.optional else []), AUTO, *methods(step.name), *mine]
            raise PentimentoError(
                f"restore.{step.name}: unknown method '{name}'; known are: {', '.join(dict.fromkeys(known))}"
            )
        self.models[name] = dict(describe(name, model, Path("/")))
        made = load_own(name, model, Path("/"))
        if step.changes == "size":
            enlarging: Enhancer = made  # type: ignore[assignment]
            scale = self.settings.value("scale")
            if enlarging.scale != scale:
                raise PentimentoError(
                    f"the model '{name}' enlarges {enlarging.scale} times, but restore.scale is {scale}"
                )
        return made


def _described(folder: Path, engine: str) -> dict[str, Any]:
    """The record of one of Pentimento's models, for sidecar and ledger."""
    return {
        "card_sha256": file_sha256(folder / paths.CARD),
        "weights_sha256": file_sha256(folder / paths.WEIGHTS),
        "engine": engine,
    }
