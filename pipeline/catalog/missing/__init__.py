"""Completion of missing values; each completed value is marked with its origin and confidence."""

from pipeline.catalog.missing.complete import complete
from pipeline.catalog.missing.heldout import completed, keep_in_train, recorded_only
from pipeline.catalog.missing.registry import Method, names, parse, shortest
from pipeline.catalog.missing.spec import Spec

__all__ = [
    "Method",
    "Spec",
    "complete",
    "completed",
    "keep_in_train",
    "names",
    "parse",
    "recorded_only",
    "shortest",
]
