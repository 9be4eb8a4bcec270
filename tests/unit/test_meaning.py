"""Code is known by what it means: not by its comments, docstrings and layout, but with its libraries."""

from __future__ import annotations

import importlib.metadata
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from pipeline import imports, meaning, syntax
from pipeline.archive import fixity

MODULES = {
    "base.py": '"""Base."""\n\nfrom __future__ import annotations\n\nimport numpy as np\n\nLIMIT = 3\n',
    "work.py": '"""Work."""\n\nfrom pipeline.part.base import LIMIT\n\n\ndef work(n: int) -> int:\n'
    '    """Twice."""\n    return 2 * n + LIMIT\n',
    "other.py": '"""Other."""\n\nimport cv2\n',
    "page.html": "<p>",
}  # fmt: skip


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package `pipeline` of three modules in place of the real one."""
    part = tmp_path / "pipeline/part"
    part.mkdir(parents=True)
    (part / "__init__.py").write_text('"""A part."""\n')
    for name, text in MODULES.items():
        (part / name).write_text(text)
    registry = tmp_path / "pipeline/models/registry.py"
    registry.parent.mkdir()
    registry.write_text("ARCHITECTURES = {}\n")
    monkeypatch.setattr(imports, "HOME", tmp_path)
    forget()
    yield part
    monkeypatch.undo()
    forget()


def forget() -> None:
    """Read all code anew, as another process would."""
    for module in (meaning, imports, syntax):
        for function in vars(module).values():
            if hasattr(function, "cache_clear"):
                function.cache_clear()


def now(module: str = "pipeline.part.work") -> str:
    forget()
    return meaning.meaning(module)


@pytest.mark.parametrize(
    "edit",
    [
        lambda text: "# A comment.\n" + text,
        lambda text: text.replace('"""Base."""', '"""Something else."""'),
        lambda text: text.replace('"""Base."""\n', ""),
        lambda text: text.replace('"""Twice."""\n', '"""Two\n\n    lines."""\n'),
        lambda text: text.replace("2 * n + LIMIT", "(\n        2 * n\n        + LIMIT  # why\n    )"),
        lambda text: text + "\n\n\n",
        lambda text: text + '\n__all__ = ["LIMIT"]\n',
    ],
    ids=["comment", "docstring", "no docstring", "longer docstring", "layout", "blank lines", "__all__"],
)
def test_what_says_nothing_changes_nothing(home: Path, edit: Callable[[str], str]) -> None:
    before = now()
    for name in ("base.py", "work.py"):
        (home / name).write_text(edit(MODULES[name]))
    assert now() == before


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("work.py", "2 * n", "3 * n"),
        ("base.py", "LIMIT = 3", "LIMIT = 4"),
        ("work.py", "n: int", "m: int"),
        ("page.html", "<p>", "<b>"),
    ],
)
def test_code_and_templates_count_of_the_module_and_of_all_that_it_imports(
    home: Path, name: str, old: str, new: str
) -> None:
    before = now()
    (home / name).write_text(MODULES[name].replace(old, new))
    assert now() != before


def test_a_module_that_is_not_imported_does_not_count(home: Path) -> None:
    before = now()
    (home / "other.py").write_text("X = 1\n")
    assert now() == before


def test_a_new_import_counts_with_its_module_and_its_library(home: Path) -> None:
    assert meaning.libraries("pipeline.part.work") == {"numpy": importlib.metadata.version("numpy")}
    (home / "work.py").write_text("def work():\n    import pipeline.part.other\n")
    forget()
    assert list(meaning.libraries("pipeline.part.work")) == ["opencv-python-headless"]


def test_another_version_of_a_library_changes_all_that_import_it(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work, other, code = now(), now("pipeline.part.other"), meaning.code_sha256("pipeline.part.work")
    version = importlib.metadata.version
    monkeypatch.setattr(importlib.metadata, "version", lambda name: version(name) + "1" * (name == "numpy"))
    assert now() != work
    assert now("pipeline.part.other") == other
    assert meaning.code_sha256("pipeline.part.work") == code


def test_a_library_for_the_type_checker_alone_does_not_count(home: Path) -> None:
    (home / "other.py").write_text(
        "from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n    import pandas\n"
        "    import pipeline.part.base\n"
    )
    forget()
    assert list(meaning.libraries("pipeline.part.other")) == ["numpy"], (
        "modules of ours do: objects are passed"
    )


def test_the_library_behind_a_binding_counts() -> None:
    assert {"pyvips", "pyvips-binary"} <= meaning.libraries("pipeline.archive.images").keys()


def test_every_library_is_found_by_its_distribution() -> None:
    known = importlib.metadata.packages_distributions()
    for file in (imports.HOME / "pipeline").rglob("*.py"):
        for package in syntax.read(file).libraries:
            names = {name.lower().replace("_", "-") for name in known[package]}
            name = meaning.DISTRIBUTIONS.get(package, package).lower().replace("_", "-")
            assert name in names, f"{file} imports {package}"


def test_a_function_means_its_module_also_as_a_partial() -> None:
    plain = meaning.meaning("pipeline.archive.fixity")
    assert meaning.meaning_of(fixity.file_sha256) == plain
    assert meaning.meaning_of(partial(partial(fixity.tree_sha256), ignore=())) == plain
    assert meaning.meaning_of(lambda: None) != plain


def test_a_module_that_does_not_exist_is_an_error() -> None:
    for name in ("pipeline.archive.nothing", "pipeline.nothing.at_all", "elsewhere"):
        with pytest.raises(LookupError, match="there is no module"):
            meaning.meaning(name)


def test_what_was_read_is_remembered_beside_the_bytecode_and_read_anew_after_an_edit(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = now()
    parsed: list[Path] = []
    monkeypatch.setattr(syntax, "_read", parsed.append)
    assert now() == before
    assert not parsed
    monkeypatch.undo()
    monkeypatch.setattr(imports, "HOME", home.parents[1])
    (home / "base.py").write_text("LIMIT = 4\n")
    assert now() != before
    for kept in home.rglob("*.syntax.json"):
        kept.write_text("{")  # of a process that was stopped
    (home / "base.py").write_text(MODULES["base.py"])
    assert now() == before


def test_where_nothing_can_be_written_it_is_parsed_each_time(home: Path) -> None:
    before = now()
    shutil.rmtree(home / "__pycache__")
    (home / "__pycache__").write_text("in the way")
    assert now() == before
