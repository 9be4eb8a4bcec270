"""Which filler fills what: chosen by measurement (models/methods.json), per shape or kind of damage."""

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
from pipeline.restoration.fill import Filler, fillers
from pipeline.restoration.settings import Settings
from pipeline.restoration.shapes import SHAPES

LEARNT = "learnt"
_LIBRARIES = ("numpy", "opencv-python-headless", "pillow", "pyvips", "pyvips-binary", "scipy")
_CODE = ("archive", "models/registry.py", "models/unet.py", "restoration")
_NO_PART = ("__pycache__", ".pyc", "damage")  # damage is only made for training


@dataclass(frozen=True)
class Kit:
    """All that a work is restored with."""

    settings: Settings
    by_shape: Mapping[str, Filler]
    by_kind: Mapping[str, Filler]
    fallback: Filler
    model: Mapping[str, str] | None  # name and SHA-256 of the card and weights, when one is used
    code_sha256: str
    software: Mapping[str, str]

    @property
    def recipe(self) -> dict[str, Any]:
        """The settings that a result depends on, as plain values."""
        # When to stop and how to share out work change no byte; files are looked into instead.
        left_out = {"max_failure_ratio", "shard_megapixels", "methods", "model"}
        return self.settings.model_dump(mode="json", exclude=left_out)

    @property
    def fingerprint(self) -> str:
        """Stands for settings, methods, model, code and software: part of every ledger key."""
        chosen = {name: filler.name for name, filler in [*self.by_shape.items(), *self.by_kind.items()]}
        parts = [self.recipe, chosen, self.model, self.code_sha256, dict(self.software)]
        return value_sha256(parts)[:16]

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
    """The kit for these settings; torch is loaded only when the learnt filler is among the methods."""
    return _load(settings.model_dump_json(), methods, model)


@lru_cache(maxsize=2)
def _load(settings_json: str, methods: Path, model: Path) -> Kit:
    settings = Settings.model_validate_json(settings_json)
    available = fillers()
    shapes, kinds = choose(methods)
    described: dict[str, str] | None = None
    libraries = list(_LIBRARIES)
    if LEARNT in {*shapes.values(), *kinds.values()}:
        from pipeline.restoration.learnt import LearntFiller

        available[LEARNT] = LearntFiller(model)
        described = {"name": LEARNT} | {
            f"{part}_sha256": file_sha256(model / name)
            for part, name in (("card", "card.json"), ("weights", "weights.safetensors"))
        }
        libraries.append("torch")
    _one_thread()
    return Kit(
        settings=settings,
        by_shape={shape: available[name] for shape, name in shapes.items()},
        by_kind={kind: available[name] for kind, name in kinds.items()},
        fallback=available[settings.fallback],
        model=described,
        code_sha256=code_sha256(),
        software={"pentimento": version("pentimento")} | _versions(libraries),
    )


def _versions(libraries: list[str]) -> dict[str, Any]:
    return {name: version(name) for name in libraries}


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
