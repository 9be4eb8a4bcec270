"""Modules that register what they hold: all of a package are imported, so that a new file is enough."""

from __future__ import annotations

import importlib
import pkgutil


def import_all(package: str) -> None:
    """Import every module of a package, in the order of their names.

    Give the package as a literal: pipeline/imports.py reads the call, and counts all modules of the
    package as imported by the module that it stands in.

    Raises:
        ImportError: when the package or one of its modules cannot be imported.
    """
    for module in pkgutil.iter_modules(importlib.import_module(package).__path__):
        importlib.import_module(f"{package}.{module.name}")
