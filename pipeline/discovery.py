"""Kinds that register themselves: sources, families, steps. Each is one file; a new file is enough.

An installed package adds kinds of its own by entry points: see docs/stages.md.
"""

from __future__ import annotations

import difflib
import hashlib
import importlib
import pkgutil
import sys
from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Generic, TypeVar

from pipeline.errors import PentimentoError

C = TypeVar("C")
D = TypeVar("D")


class Registry(Generic[C]):
    """Classes by name. A class registers itself: `@CLASSIFIERS.register("cnn")`.

    Args:
        what: what is registered, for messages: "classifier family".
        group: the entry points by which installed packages add theirs: "pentimento.classifiers".
        built_in: imports the modules of Pentimento that register theirs; called on first use.
    """

    def __init__(self, what: str, group: str, built_in: Callable[[], None]) -> None:
        self.what, self.group, self._built_in = what, group, built_in
        self._classes: dict[str, type[C]] = {}
        self._found = False

    def register(self, name: str) -> Callable[[type[D]], type[D]]:
        """A decorator that registers a class under a name.

        Raises:
            PentimentoError: when another class has that name.
        """

        def add(cls: Any) -> Any:
            known: Any = self._classes.get(name)
            if known and (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
                raise PentimentoError(
                    f"two classes are registered as {self.what} '{name}': {known.__module__} and "
                    f"{cls.__module__}; give one of them another name"
                )
            self._classes[name] = cls
            return cls

        return add

    def remove(self, name: str) -> None:
        """Forget a class, as a test does with its own."""
        self._classes.pop(name, None)

    def classes(self) -> Mapping[str, type[C]]:
        """All registered classes, sorted by name.

        Raises:
            PentimentoError: when an installed package's module cannot be imported.
        """
        if not self._found:
            self._found = True  # before the imports: they may ask, too
            try:
                self._built_in()
                self._installed()
            except BaseException:
                self._found = False
                raise
        return dict(sorted(self._classes.items()))

    def __getitem__(self, name: str) -> type[C]:
        """The class of a name.

        Raises:
            PentimentoError: when there is none; the message names those that there are.
        """
        known = self.classes()
        if name not in known:
            raise PentimentoError(self.unknown(name))
        return known[name]

    def _installed(self) -> None:
        for point in entry_points(group=self.group):
            try:
                point.load()
            except Exception as error:
                package = point.dist.name if point.dist else point.value
                raise PentimentoError(
                    f"the installed package '{package}' has a {self.what} '{point.name}' that cannot be "
                    f"imported: {type(error).__name__}: {error}; mend the package or uninstall it"
                ) from error

    def unknown(self, name: object) -> str:
        """That there is no such name, the nearest one, and all that there are."""
        known = list(self.classes())
        near = difflib.get_close_matches(str(name), known, n=1)
        hint = f"did you mean '{near[0]}'? " if near else ""
        return f"there is no {self.what} '{name}'; {hint}there are: {', '.join(known)}"


def import_all(package: str) -> None:
    """Import every module of a package, in the order of their names.

    Give the package as a literal: pipeline/imports.py reads the call, and counts all modules of the
    package as imported by the module that it stands in.

    Raises:
        ImportError: when the package or one of its modules cannot be imported.
    """
    for module in pkgutil.iter_modules(importlib.import_module(package).__path__):
        importlib.import_module(f"{package}.{module.name}")


def foreign_code(cls: type) -> str | None:
    """The SHA-256 of the file that defines a class; None for a class of Pentimento.

    dvc.yaml lists Pentimento's own code; the code of an installed package is told apart by this.
    """
    if cls.__module__.partition(".")[0] == "pipeline":
        return None
    file = getattr(sys.modules[cls.__module__], "__file__", None)
    content = Path(file).read_bytes() if file else cls.__qualname__.encode()
    return hashlib.sha256(content).hexdigest()
