"""Methods by name: classical ones, networks of ours, models of users."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from pipeline import paths
from pipeline.archive.fixity import file_sha256
from pipeline.errors import PentimentoError
from pipeline.restoration.methods.choice import CLASSICAL, LEARNT, Choice, choose, choose_steps
from pipeline.restoration.methods.classical import Lanczos, LevelsAndDenoise
from pipeline.restoration.methods.colour import ColourModel
from pipeline.restoration.methods.detect import ClassicalDetector
from pipeline.restoration.methods.fill import fillers
from pipeline.restoration.methods.interface import Detector, Enhancer, Filler
from pipeline.restoration.methods.learnt_detector import LearntDetector
from pipeline.restoration.methods.learnt_enhancer import LearntEnhancer, LearntUpscaler
from pipeline.restoration.methods.learnt_filler import LearntFiller
from pipeline.restoration.methods.settings import Settings
from pipeline.restoration.methods.shapes import SHAPES
from pipeline.restoration.methods.shelf import STEPS


class _Learnt(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def engine(self) -> str: ...

    @property
    def libraries(self) -> tuple[str, ...]: ...


class Loader:
    """Methods by name, each loaded once; keeps account of the models among them."""

    def __init__(self, settings: Settings, methods: Path) -> None:
        self.settings, self.methods = settings, methods
        self.fillers: dict[str, Filler] = dict(fillers())
        self.models: dict[str, dict[str, Any]] = {}
        self.libraries: list[str] = []

    @cached_property
    def choice(self) -> Choice:
        """What was measured, read when it is first asked for."""
        return choose(self.methods)

    @cached_property
    def steps(self) -> dict[str, str]:
        """What was measured of the other steps; nothing, where no file says it."""
        shelf = self.settings.shelf
        return choose_steps(shelf.find(STEPS)) if shelf.has(STEPS) else {}

    def all_fillers(self) -> tuple[dict[str, Filler], dict[str, Filler]]:
        """Fillers by shape and by kind of damage."""
        name = self.settings.fill
        if name != "auto":
            return dict.fromkeys(SHAPES, self._filler(name)), {}
        by_shape, by_kind = self.choice.shapes, self.choice.kinds
        return (
            {shape: self._filler(name) for shape, name in by_shape.items()},
            {kind: self._filler(name) for kind, name in by_kind.items()},
        )

    def detector(self) -> Detector | None:
        """What looks for damage."""
        name = self.settings.detect
        if name == "none":
            return None
        if name == "auto":
            name = self.steps.get("detect", CLASSICAL)
        if name == CLASSICAL:
            return ClassicalDetector()
        if name == LEARNT:
            folder = self.settings.shelf.find("detector")
            detector = LearntDetector(folder, self.settings.engine)
            self._note(detector, folder)
            return detector
        found: Detector = self._own(name, "detect", ["none", "auto", CLASSICAL, LEARNT])
        return found

    def improver(self) -> tuple[Enhancer | None, Enhancer | None]:
        """What the mode's last step is done with, and its classical counterpart."""
        settings = self.settings
        if settings.mode == "conserve":
            return None, None
        upscale = settings.mode == "upscale"
        classical: Enhancer = Lanczos(settings.scale) if upscale else LevelsAndDenoise()
        if not upscale:
            self.libraries.append("scikit-image")
        name = settings.upscale if upscale else settings.enhance
        if name == "auto":
            step = f"upscale_x{settings.scale}" if upscale else "enhance"
            name = self.steps.get(step, CLASSICAL)
        if name == CLASSICAL:
            return classical, classical
        if name == LEARNT:
            return (self._upscaler() if upscale else self._enhancer()), classical
        own: Enhancer = self._own(name, settings.mode, ["auto", CLASSICAL, LEARNT])
        if own.scale != classical.scale:
            raise PentimentoError(
                f"the model '{name}' enlarges {own.scale} times, but restore.scale is {settings.scale}"
            )
        return own, classical

    def _filler(self, name: str) -> Filler:
        if name not in self.fillers:
            if name == LEARNT:
                folder = self.settings.shelf.find("restorer")
                filler = LearntFiller(folder, self.settings.engine)
                self._note(filler, folder)
                self.fillers[name] = filler
            else:
                self.fillers[name] = self._own(name, "fill", [*self.fillers, LEARNT, "auto"])
        return self.fillers[name]

    def _enhancer(self) -> Enhancer:
        shelf, engine = self.settings.shelf, self.settings.engine
        folder, colours = shelf.find("enhancer"), shelf.find("colour")
        colour = ColourModel(colours, engine)
        enhancer = LearntEnhancer(folder, engine, colour=colour)
        self._note(enhancer, folder)
        self.models[enhancer.name]["colour"] = _described(colours, colour.engine)
        return enhancer

    def _upscaler(self) -> Enhancer:
        folder = self.settings.shelf.find(f"upscaler_x{self.settings.scale}")
        upscaler = LearntUpscaler(folder, self.settings.engine)
        self._note(upscaler, folder)
        return upscaler

    def _note(self, method: _Learnt, folder: Path) -> None:
        self.models[method.name] = _described(folder, method.engine)
        self.libraries += method.libraries

    def _own(self, name: str, step: str, others: list[str]) -> Any:
        from pipeline.restoration.methods.own_loader import describe, load_own

        model = self.settings.models.get(name)
        if model is None or model.step != step:
            mine = [key for key, value in self.settings.models.items() if value.step == step]
            known = ", ".join(dict.fromkeys([*others, *mine]))
            raise PentimentoError(f"restore.{step}: unknown method '{name}'; known are: {known}")
        self.models[name] = dict(describe(name, model, Path("/")))
        return load_own(name, model, Path("/"))


def _described(folder: Path, engine: str) -> dict[str, Any]:
    """What is written down of a model of ours."""
    return {
        "card_sha256": file_sha256(folder / paths.CARD),
        "weights_sha256": file_sha256(folder / paths.WEIGHTS),
        "engine": engine,
    }
