"""Which modules of Pentimento a module needs, read from the source code without importing it.

Imports inside functions count, and `discovery.import_all("package")` counts as an import of all modules of
that package. A network is loaded by the name of its architecture, so a module that holds that name as a
string counts as importing the network's module.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from pipeline import syntax

PACKAGE = "pipeline"
HOME = Path(__file__).resolve().parents[1]  # holds the package
# The ground: these change no result, so no stage depends on them.
GROUND = frozenset(
    ("discovery", "environment", "errors", "imports", "meaning", "params", "paths", "progress", "syntax")
)
_REGISTRY = "pipeline/models/registry.py"
_MOST_OF = 0.5  # dvc.yaml names the folder when at least this share of its modules is needed
_LEAST = 3  # modules


def needed(file: Path, without: Path | None = None) -> set[Path]:
    """All modules of `pipeline` that a file imports, directly or not; without itself and the ground.

    Args:
        file: a module.
        without: a module that is left out, and with it what is imported through it alone.
    """
    found: set[Path] = set()
    todo = [file]
    while todo:
        for one in direct(todo.pop()):
            if one not in found and one not in (file, without):
                found.add(one)
                todo.append(one)
    return found


@cache
def direct(file: Path) -> frozenset[Path]:
    """The modules of `pipeline` that a file names itself, the ground and empty packages left out."""
    says = syntax.read(file)
    names = [name for name in says.imports if name.startswith(f"{PACKAGE}.")]
    names += [name for package in says.packages for name in _modules_of(package)]
    if file != HOME / _REGISTRY:
        known = _known_architectures()
        names += [known[word] for word in says.words if word in known]
    files = {file_of(name) for name in names}
    return frozenset(
        one for one in files if one and one != file and not is_ground(one) and not _is_empty(one)
    )


def dotted(file: Path) -> str:
    """The name by which a module is imported; for a file outside of HOME the name of the file."""
    if not file.is_relative_to(HOME):
        return file.stem
    parts = file.relative_to(HOME).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


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
def file_of(name: str) -> Path | None:
    """The file that an imported name comes from; a package that defines it counts as its file."""
    parts = name.split(".")
    while parts:
        base = HOME.joinpath(*parts)
        if base.with_suffix(".py").is_file():
            return base.with_suffix(".py")
        if (base / "__init__.py").is_file():
            return base / "__init__.py"
        parts.pop()
    return None


def _is_empty(file: Path) -> bool:
    """Whether a module only says what its package is for."""
    return file.name == "__init__.py" and syntax.read(file).empty


def _modules_of(package: str) -> Iterator[str]:
    folder = HOME.joinpath(*package.split("."))
    for file in [*folder.glob("*.py"), *folder.glob("*/__init__.py")]:
        yield dotted(file)


@cache
def _known_architectures() -> dict[str, str]:
    for node in ast.parse((HOME / _REGISTRY).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "ARCHITECTURES":
            table = ast.literal_eval(node.value)
            return {name: str(module) for name, (module, _) in table.items()}
    raise LookupError(f"{_REGISTRY} has no table ARCHITECTURES")
