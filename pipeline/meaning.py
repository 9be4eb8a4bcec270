"""The version of code by its meaning: its syntax trees, and the versions of the libraries that it imports.

Results in the ledger, checkpoints and packs are kept under the meaning of the code that made them. Comments,
docstrings and layout are not part of it, so that editing these computes nothing anew. A module means itself,
all modules of `pipeline` that it imports, directly or not, and the templates that lie beside them.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import inspect
import json
import sys
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

from pipeline import imports, syntax

# Runs the stages and records what they did; what they compute does not depend on it.
_FRAME = "pipeline.stage"
_TEMPLATES = "[!.]*.html"
# Distributions whose name is not that of the package that is imported.
DISTRIBUTIONS = {
    "PIL": "pillow",
    "cv2": "opencv-python-headless",
    "google": "protobuf",
    "imblearn": "imbalanced-learn",
    "ruamel": "ruamel.yaml",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
}
_BEHIND = {"pyvips": "pyvips-binary"}  # the library itself, where the package only calls it


def meaning(module: str) -> str:
    """The meaning of a module, given by its dotted name, as SHA-256.

    Raises:
        LookupError: when there is no such module of `pipeline`, and none of that name was imported.
    """
    return _meaning(_file_of(module))


def meaning_of(work: Callable[..., Any]) -> str:
    """The meaning of the module that defines a function, as SHA-256; a partial is its function."""
    while isinstance(work, partial):
        work = work.func
    return meaning(inspect.unwrap(work).__module__)


def code_sha256(module: str) -> str:
    """The part of a module's meaning that is code, as SHA-256: without the versions of libraries."""
    return _code(_file_of(module))


def libraries(module: str) -> dict[str, str]:
    """The versions of the installed libraries that a module means, by the names of their distributions.

    The standard library is left out, and so is what is imported for the type checker alone.
    """
    return _libraries(_file_of(module))


def _file_of(module: str) -> Path:
    file = imports.file_of(module)
    if file is not None and imports.dotted(file) == module:
        return file
    if module.partition(".")[0] == imports.PACKAGE or module not in sys.modules:
        raise LookupError(f"there is no module {module}")
    return Path(inspect.getfile(sys.modules[module]))  # a test's or a benchmark's


@cache
def _meaning(file: Path) -> str:
    return _sha256([_code(file), _libraries(file)])


@cache
def _code(file: Path) -> str:
    modules = _modules(file)
    folders = {module.parent for module in modules if module.is_relative_to(imports.HOME)}
    templates = [template for folder in folders for template in folder.glob(_TEMPLATES)]
    named = [[imports.dotted(module), syntax.read(module).sha256] for module in modules]
    named += [[template.name, hashlib.sha256(template.read_bytes()).hexdigest()] for template in templates]
    return _sha256(sorted(named))


@cache
def _libraries(file: Path) -> dict[str, str]:
    packages = {name for module in _modules(file) for name in syntax.read(module).libraries}
    names = {DISTRIBUTIONS.get(name, name).replace("_", "-") for name in packages}
    names |= {_BEHIND[name] for name in packages & _BEHIND.keys()}
    versions = {name: _version(name) for name in sorted(names)}
    return {name: version for name, version in versions.items() if version}


def _modules(file: Path) -> set[Path]:
    return {file} | imports.needed(file, without=imports.file_of(_FRAME))


def _version(distribution: str) -> str | None:
    """An installed distribution's version with its build ('+cpu'): another build may compute otherwise."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def _sha256(value: Any) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()
