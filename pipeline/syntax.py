"""What a module's syntax tree says: a hash without comments, docstrings and layout, and what it imports.

Parsing takes a second for all modules, so it is remembered beside Python's own bytecode, by modification
time and size. Nothing is imported.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cache
from importlib.util import cache_from_source
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Syntax:
    """What is read of a module."""

    sha256: str  # of its tree
    empty: bool  # whether it only says what its package is for
    imports: tuple[str, ...]  # dotted names of all imports, inside functions too
    libraries: tuple[str, ...]  # packages of other projects among them, without those for the type checker
    packages: tuple[str, ...]  # whose modules it imports all (`discovery.import_all`)
    words: tuple[str, ...]  # its strings that could be names


@cache
def read(file: Path) -> Syntax:
    """What a module says, as it was when it was first asked for.

    Raises:
        OSError: when there is no such file.
        SyntaxError: when it is no Python.
    """
    kept = Path(cache_from_source(str(file))).with_suffix(".syntax.json")
    stamp = [[stat.st_mtime_ns, stat.st_size] for stat in (file.stat(), Path(__file__).stat())]
    if known := _remembered(kept, stamp):
        return known
    says = _read(ast.parse(file.read_text(encoding="utf-8")))
    with contextlib.suppress(OSError):  # where nothing can be written, it is parsed by each process
        _keep(kept, json.dumps({"stamp": stamp, "says": asdict(says)}))
    return says


def _remembered(kept: Path, stamp: list[list[int]]) -> Syntax | None:
    try:
        found = json.loads(kept.read_text(encoding="utf-8"))
        says: Any = {name: tuple(v) if isinstance(v, list) else v for name, v in found["says"].items()}
        return Syntax(**says) if found["stamp"] == stamp else None
    except (OSError, ValueError, KeyError, TypeError):
        return None  # not read before, or by a process that was stopped


def _read(tree: ast.Module) -> Syntax:
    imports, checked, packages, words = set(), set(), set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            imports |= set(_names(node))
        elif isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING":
            checked |= {id(inner) for statement in node.body for inner in ast.walk(statement)}
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "import_all":
            packages.add(str(ast.literal_eval(node.args[0])))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.isidentifier():
            words.add(node.value)
    used = [node for node in ast.walk(tree) if id(node) not in checked]
    libraries = {name.partition(".")[0] for node in used for name in _names(node)}
    libraries -= sys.stdlib_module_names | {__name__.partition(".")[0]}
    empty = all(isinstance(node, ast.Expr) or _lists_names(node) for node in tree.body)
    sha256 = _sha256(tree)  # last: it alters the tree
    return Syntax(sha256, empty, *(tuple(sorted(found)) for found in (imports, libraries, packages, words)))


def _names(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module:
        yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _sha256(tree: ast.Module) -> str:
    for node in ast.walk(tree):
        for part in ("body", "orelse", "finalbody"):
            statements = getattr(node, part, None)
            if isinstance(statements, list):
                setattr(node, part, [one for one in statements if not _says_nothing(one)])
    return hashlib.sha256(ast.dump(tree).encode("utf-8", "surrogatepass")).hexdigest()


def _says_nothing(node: ast.AST) -> bool:
    """Whether a statement is a docstring, or the list of a package's public names."""
    return (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)) or _lists_names(node)


def _lists_names(node: ast.AST) -> bool:
    return isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__"


def _keep(file: Path, text: str) -> None:
    """Write a file whole: other processes may read it meanwhile."""
    file.parent.mkdir(exist_ok=True)
    temporary = file.with_suffix(f".{os.getpid()}")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(file)
