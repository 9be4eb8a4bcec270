"""One small file per stage of dvc.yaml; each ends with its STAGE.

A stage reads its inputs, calls the packages and writes its outputs. Flows import a stage only to run it,
or for its parameters.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

from pipeline.stage import Stage

__all__ = ["inventory", "load", "names", "suspects", "train_classifier", "train_generator", "train_restorer"]


def names() -> list[str]:
    """The names of all stages, sorted; each is a module of this package."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def load(name: str) -> Stage[Any]:
    """The stage of that name; imports only its own module, because some import torch."""
    stage: Stage[Any] = importlib.import_module(f"{__name__}.{name}").STAGE
    return stage
