"""Registries: what registers itself is found by name, from Pentimento and from installed packages."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from pipeline.discovery import Registry, foreign_code
from pipeline.errors import PentimentoError


def registry(group: str = "pentimento.none") -> Registry[object]:
    return Registry("kind of brush", group, lambda: None)


def install(folder: Path, package: str, code: str, group: str) -> None:
    """A package as pip leaves it: a module, and its entry point."""
    (folder / f"{package}.py").write_text(code)
    about = folder / f"{package}-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(f"[{group}]\nhog = {package}\n")


def test_a_class_is_found_by_the_name_it_registers_under() -> None:
    brushes = registry()

    @brushes.register("sable")
    class Sable:
        pass

    assert brushes["sable"] is Sable
    assert dict(brushes.classes()) == {"sable": Sable}
    brushes.remove("sable")
    assert not brushes.classes()


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    brushes = registry()
    brushes.register("sable")(object)
    with pytest.raises(
        PentimentoError, match=r"no kind of brush 'sabel'; did you mean 'sable'\? there are: sable"
    ):
        brushes["sabel"]


def test_two_classes_of_one_name_are_refused() -> None:
    brushes = registry()
    brushes.register("sable")(Path)
    brushes.register("sable")(Path)  # a module that is imported again
    with pytest.raises(PentimentoError, match="two classes are registered as kind of brush 'sable'"):
        brushes.register("sable")(Registry)


def test_built_in_modules_are_imported_once_and_only_when_asked() -> None:
    calls = []
    brushes: Registry[object] = Registry("kind of brush", "pentimento.none", lambda: calls.append(1))
    assert calls == []
    brushes.classes()
    brushes.classes()
    assert calls == [1]


def test_an_installed_package_adds_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    brushes = registry("pentimento.hog")
    monkeypatch.setattr(sys, "brushes_of_a_test", brushes, raising=False)
    code = "import sys\n@sys.brushes_of_a_test.register('hog')\nclass Hog:\n    pass\n"
    install(tmp_path, "hog_brush", code, "pentimento.hog")
    monkeypatch.syspath_prepend(tmp_path)
    assert brushes["hog"].__module__ == "hog_brush"
    code_before = foreign_code(brushes["hog"])
    (tmp_path / "hog_brush.py").write_text(code + "SIZE = 4\n")
    assert foreign_code(brushes["hog"]) != code_before
    assert foreign_code(Registry) is None, "the code of Pentimento is told apart by dvc.yaml"


def test_a_package_that_cannot_be_imported_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, "torn_brush", "raise ValueError('no hair')\n", "pentimento.torn")
    monkeypatch.syspath_prepend(tmp_path)
    brushes = registry("pentimento.torn")
    for _ in range(2):  # asked again, it says so again
        with pytest.raises(PentimentoError, match=r"package 'torn_brush'.*ValueError: no hair"):
            brushes.classes()
