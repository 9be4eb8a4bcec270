"""Which modules of Pentimento a module needs, read from the code itself; nothing is imported for it.

Imports inside functions count, and `discovery.import_all("package")` counts as an import of all modules of
that package. A network is loaded by the name of its architecture, so a module that holds that name as a
string counts as importing the network's module.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

HOME = Path(__file__).resolve().parents[1]  # holds the package `pipeline`
# The ground: these change no result, so no stage depends on them.
GROUND = frozenset({"discovery", "environment", "errors", "imports", "params", "paths", "progress"})
_REGISTRY = HOME / "pipeline/models/registry.py"
_MOST_OF = 0.5  # share of a folder's modules from which dvc.yaml names the folder
_LEAST = 3  # modules


def needed(file: Path) -> set[Path]:
    """All modules of `pipeline` that a file imports, directly or not; without itself and the ground."""
    found: set[Path] = set()
    todo = [file]
    while todo:
        for one in direct(todo.pop()):
            if one not in found and one != file:
                found.add(one)
                todo.append(one)
    return found


@cache
def direct(file: Path) -> frozenset[Path]:
    """The modules of `pipeline` that a file names itself, the ground and empty packages left out."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    files = {_file_of(name) for name in imported(tree) if name.startswith("pipeline.")}
    files |= {_file_of(name) for name in _discovered(tree)}
    if file != _REGISTRY:
        files |= {_file_of(module) for module in _architectures(tree)}
    return frozenset(
        one for one in files if one and one != file and not is_ground(one) and not _is_empty(one)
    )


def imported(tree: ast.AST) -> Iterator[str]:
    """Dotted names of all imports of a module, inside functions too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def listed(files: Iterable[Path]) -> list[str]:
    """Modules as dvc.yaml lists them: a folder stands for its modules where most of them are needed."""
    return sorted(_listed(HOME / "pipeline", set(files)))


def is_ground(file: Path) -> bool:
    """Whether a module changes no result."""
    return file.parent == HOME / "pipeline" and file.stem in GROUND


def write_deps(dag: Path, stages: Iterable[str]) -> bool:
    """Write the code that each stage needs into its `deps` in dvc.yaml; whether anything changed.

    Other lines stay as they are: the code of a stage follows its files of data.
    """
    text = dag.read_text(encoding="utf-8")
    known, stage = set(stages), ""
    lines: list[str] = []
    for line in text.splitlines():
        if line.startswith("  ") and line[2:].rstrip(":") in known and line.endswith(":"):
            stage = line.strip(" :")
        if line.startswith("      - pipeline/"):
            continue
        if lines and _in_deps(lines) and not line.startswith("      - "):
            lines += [f"      - {dep}" for dep in code_of(stage)]
        lines.append(line)
    fresh = "\n".join(lines) + "\n"
    if fresh != text:
        dag.write_text(fresh, encoding="utf-8")
    return fresh != text


def code_of(stage: str) -> list[str]:
    """The code that a stage needs, as dvc.yaml lists it."""
    own = HOME / f"pipeline/stages/{stage}.py"
    return listed(needed(own) | {own})


def _in_deps(lines: list[str]) -> bool:
    """Whether the last line belongs to a list `deps`, or opens it."""
    for line in reversed(lines):
        if not line.startswith("      - "):
            return line == "    deps:"
    return False


def _listed(folder: Path, files: set[Path]) -> Iterator[str]:
    mine = {file for file in files if folder in file.parents}
    if not mine:
        return
    modules = [file for file in folder.rglob("*.py") if not _is_empty(file)]
    room = folder.name not in ("pipeline", "stages")
    if room and len(mine) >= max(_LEAST, _MOST_OF * len(modules)):
        yield folder.relative_to(HOME).as_posix()
        return
    yield from (file.relative_to(HOME).as_posix() for file in mine if file.parent == folder)
    for inner in sorted(path for path in folder.iterdir() if path.is_dir()):
        yield from _listed(inner, mine)


@cache
def _file_of(dotted: str) -> Path | None:
    """The file that an imported name comes from; a package that defines it counts as its file."""
    parts = dotted.split(".")
    while parts:
        base = HOME.joinpath(*parts)
        if base.with_suffix(".py").is_file():
            return base.with_suffix(".py")
        if (base / "__init__.py").is_file():
            return base / "__init__.py"
        parts.pop()
    return None


@cache
def _is_empty(file: Path) -> bool:
    """Whether a module only says what its package is for."""
    if file.name != "__init__.py":
        return False
    body = ast.parse(file.read_text(encoding="utf-8")).body
    return all(isinstance(node, ast.Expr) or _assigns_all(node) for node in body)


def _assigns_all(node: ast.stmt) -> bool:
    return isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__"


def _discovered(tree: ast.AST) -> Iterator[str]:
    """The modules of the packages that a module imports whole."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "import_all":
            (package,) = node.args
            folder = HOME.joinpath(*ast.literal_eval(package).split("."))
            for file in [*folder.glob("*.py"), *folder.glob("*/__init__.py")]:
                yield ".".join(file.relative_to(HOME).with_suffix("").parts)


def _architectures(tree: ast.AST) -> Iterator[str]:
    """The modules of the networks that a module names."""
    known = _known_architectures()
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in known:
            yield known[node.value]


@cache
def _known_architectures() -> dict[str, str]:
    tree = ast.parse(_REGISTRY.read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "ARCHITECTURES":
            table = ast.literal_eval(node.value)
            return {name: str(module) for name, (module, _) in table.items()}
    raise LookupError(f"{_REGISTRY} has no table ARCHITECTURES")
