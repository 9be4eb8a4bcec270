"""What a work is restored with: for every step the method that settings and measurements name."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pipeline.archive.fixity import file_sha256, tree_sha256, value_sha256
from pipeline.errors import PentimentoError
from pipeline.restoration.classical import Lanczos, LevelsAndDenoise
from pipeline.restoration.detect import ClassicalDetector
from pipeline.restoration.fill import fillers
from pipeline.restoration.inference import PACKAGES
from pipeline.restoration.settings import Settings
from pipeline.restoration.shapes import SHAPES
from pipeline.restoration.steps import Detector, Enhancer, Filler

LEARNT = "learnt"
CLASSICAL = "classical"
_LIBRARIES = ("numpy", "opencv-python-headless", "pillow", "pyvips", "pyvips-binary", "scipy", "tifffile")
_CODE = (
    "archive",
    "models/registry.py",
    "models/surroundings.py",
    "models/unet.py",
    "models/export.py",
    "restoration",
)
_NO_PART = ("__pycache__", ".pyc", "damage")  # damage is only made for training


@dataclass(frozen=True)
class Kit:
    """All that a work is restored with."""

    settings: Settings
    by_shape: Mapping[str, Filler]
    by_kind: Mapping[str, Filler]
    fallback: Filler
    coarse: Filler  # fills the reduced picture of a work with large holes
    detector: Detector | None
    classical_detector: Detector
    improver: Enhancer | None  # of mode enhance or upscale
    classical_improver: Enhancer | None
    models: Mapping[str, Mapping[str, Any]]  # trained ones that may be used: by name, what they are
    code_sha256: str
    software: Mapping[str, str]

    @property
    def recipe(self) -> dict[str, Any]:
        """The settings that a result depends on, as plain values."""
        # When to stop and how to share out work change no byte; files are looked into instead.
        left_out = {"max_failure_ratio", "shard_megapixels", "methods", "model", "models"}
        return self.settings.model_dump(mode="json", exclude=left_out)

    @property
    def fingerprint(self) -> str:
        """Stands for settings, methods, models, code and software: part of every ledger key.

        The engine that `auto` finds on this machine is no part of it, so that another can go on.
        """
        chosen = {name: filler.name for name, filler in [*self.by_shape.items(), *self.by_kind.items()]}
        models = {
            name: {key: value for key, value in described.items() if key != "engine"}
            for name, described in self.models.items()
        }
        software = {name: what for name, what in self.software.items() if name not in PACKAGES.values()}
        return value_sha256([self.recipe, chosen, models, self.code_sha256, software])[:16]

    def filler(self, shape: str, kind: str | None) -> Filler:
        """What fills a hole of this shape ('thin', 'wide'), of this kind of damage where it is known."""
        return self.by_kind.get(kind or "", self.by_shape[shape])


def choose(path: Path) -> tuple[dict[str, str], dict[str, str]]:
    """The method for each shape of damage, and for each kind, as measured.

    Raises:
        PentimentoError: when the file is missing, cannot be read, or does not name a method for each shape.
    """
    try:
        measured = json.loads(path.read_text(encoding="utf-8"))
        shapes = {shape: str(measured["by_shape"][shape]["best"]) for shape in SHAPES}
        kinds = {str(kind): str(entry["best"]) for kind, entry in measured.get("by_kind", {}).items()}
    except FileNotFoundError:
        raise PentimentoError(
            f"{path} is missing: it says which method fills which damage; `dvc repro` makes it"
        ) from None
    except OSError as error:
        raise PentimentoError(f"{path} cannot be read: {error.strerror}; name a methods.json") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise PentimentoError(f"{path} does not name a method for each of {', '.join(SHAPES)}") from None
    known = {*fillers(), LEARNT}
    for damage, name in (shapes | kinds).items():
        if name not in known:
            names = ", ".join(sorted(known))
            raise PentimentoError(f"{path}: unknown method '{name}' for {damage}; known are: {names}")
    return shapes, kinds


def load_kit(settings: Settings, methods: Path, model: Path) -> Kit:
    """The kit for these settings; torch is loaded only when a trained model of ours is among them.

    Raises:
        PentimentoError: when a file is missing or broken, or a name is not known.
    """
    return _load(settings.model_dump_json(), methods, model)


@lru_cache(maxsize=2)
def _load(settings_json: str, methods: Path, model: Path) -> Kit:
    settings = Settings.model_validate_json(settings_json)
    loader = _Loader(settings, model)
    if settings.fill == "auto":
        shapes, kinds = choose(methods)
    else:
        shapes, kinds = dict.fromkeys(SHAPES, settings.fill), {}
    by_shape = {shape: loader.filler(name) for shape, name in shapes.items()}
    by_kind = {kind: loader.filler(name) for kind, name in kinds.items()}
    detector = None if settings.detect == "none" else loader.detector(settings.detect)
    improver, classical = loader.improver()
    _one_thread()
    return Kit(
        settings=settings,
        by_shape=by_shape,
        by_kind=by_kind,
        fallback=fillers()[settings.fallback],
        coarse=fillers()["biharmonic"],
        detector=detector,
        classical_detector=ClassicalDetector(),
        improver=improver,
        classical_improver=classical,
        models=loader.models,
        code_sha256=code_sha256(),
        software={"pentimento": version("pentimento")} | _versions(loader.libraries),
    )


class _Loader:
    """Methods by name, each loaded once; keeps account of the models among them."""

    def __init__(self, settings: Settings, restorer: Path) -> None:
        self.settings, self.restorer = settings, restorer
        self.fillers: dict[str, Filler] = dict(fillers())
        self.models: dict[str, dict[str, Any]] = {}
        self.libraries = list(_LIBRARIES)

    def filler(self, name: str) -> Filler:
        if name not in self.fillers:
            if name == LEARNT:
                self.fillers[name] = self._learnt()
            else:
                self.fillers[name] = self._own(name, "fill", [*self.fillers, LEARNT, "auto"])
        return self.fillers[name]

    def detector(self, name: str) -> Detector:
        if name == CLASSICAL:
            return ClassicalDetector()
        found: Detector = self._own(name, "detect", ["none", "auto", CLASSICAL])
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
        if name == CLASSICAL:
            return classical, classical
        own: Enhancer = self._own(name, settings.mode, [CLASSICAL])
        if own.scale != classical.scale:
            raise PentimentoError(
                f"the model '{name}' enlarges {own.scale} times, but restore.scale is {settings.scale}"
            )
        return own, classical

    def _learnt(self) -> Filler:
        from pipeline.restoration.learnt import LearntFiller

        filler = LearntFiller(self.restorer, self.settings.engine)
        self.models[LEARNT] = {
            "card_sha256": file_sha256(self.restorer / "card.json"),
            "weights_sha256": file_sha256(self.restorer / "weights.safetensors"),
            "engine": filler.engine,
        }
        self.libraries += filler.libraries
        return filler

    def _own(self, name: str, step: str, others: list[str]) -> Any:
        from pipeline.restoration.own_models import describe, load_own

        model = self.settings.models.get(name)
        if model is None or model.step != step:
            mine = [key for key, value in self.settings.models.items() if value.step == step]
            known = ", ".join(dict.fromkeys([*others, *mine]))
            raise PentimentoError(f"restore.{step}: unknown method '{name}'; known are: {known}")
        self.models[name] = dict(describe(name, model, Path("/")))
        return load_own(name, model, Path("/"))


def _versions(libraries: list[str]) -> dict[str, Any]:
    return {name: version(name) for name in sorted(set(libraries))}


def _one_thread() -> None:
    """Works run side by side: one thread each is fastest, and makes the bytes the same everywhere."""
    import cv2

    cv2.setNumThreads(1)
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)


@lru_cache(maxsize=1)
def code_sha256() -> str:
    """The SHA-256 of the code that restores: the same for every way to run it."""
    home = Path(__file__).resolve().parents[1]
    return value_sha256([(name, tree_sha256(home / name, _NO_PART)) for name in _CODE])
