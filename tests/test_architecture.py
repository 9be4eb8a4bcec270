"""The structure that the design promises, proved from the files themselves."""

from __future__ import annotations

import ast
import re
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from typer.main import get_command

from pipeline import paths, stages
from pipeline.dag import own_models
from pipeline.imports import GROUND, code_of, file_of
from pipeline.params import known_keys, read_params
from pipeline.reference import key_comments, params_page

ROOT = Path(__file__).resolve().parents[1]
GROUPS = {"catalog", "training", "evaluation", "restoration", "generation"}
GROUND_FLOOR = {"damage", "metrics", "models", "resampling"}
FREE = set(GROUND)
MAY_IMPORT = {
    "metrics": set(),
    "archive": {"archive"},
    "damage": {"damage", "archive"},
    "models": {"models", "archive"},
    "resampling": {"resampling"},
    **{group: {group, "archive"} | GROUND_FLOOR for group in GROUPS},
    "recipes": GROUPS | GROUND_FLOOR | {"archive", "recipes", "stage"},
    "stages": {"recipes"} | GROUPS | GROUND_FLOOR | {"archive", "stage", "stages"},
    "stage": {"archive"},
    "dag": set(),
    "weights": {"archive", "models", "recipes", "training"},
    "reference": {"stages"},
    "__main__": {"dag", "stages", "stage", "reference"},
}
DAG = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text())["stages"]


def modules(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


@cache
def imports(file: Path) -> frozenset[str]:
    """Dotted names of all imports of a file, inside functions too."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(names)


def part(file: Path) -> str:
    return file.relative_to(ROOT / "pipeline").parts[0].removesuffix(".py")


def test_pipeline_knows_neither_prefect_nor_dvc_nor_flows() -> None:
    for file in modules("pipeline"):
        wrong = [name for name in imports(file) if re.match(r"(prefect|dvc|flows)(\.|$)", name)]
        assert not wrong, f"{file} imports {wrong}"


@pytest.mark.parametrize("file", modules("pipeline"), ids=lambda f: str(f.relative_to(ROOT)))
def test_imports_point_inwards_only(file: Path) -> None:
    mine = part(file)
    if mine in FREE | {"__init__"}:
        allowed: set[str] = FREE
    else:
        allowed = MAY_IMPORT[mine] | FREE
    for name in imports(file):
        if name.startswith("pipeline."):
            target = file_of(name)
            assert target is not None, f"{file}: no such module: {name}"
            where = part(target)
            assert where in allowed | {mine, "__init__"}, f"{file} imports {name}"


RESTORATION = {"methods": {"methods"}, "work": {"methods", "work"}, "runs": {"methods", "work", "runs"}}


@pytest.mark.parametrize("room", RESTORATION)
def test_runs_stand_above_works_and_works_above_methods(room: str) -> None:
    for file in modules(f"pipeline/restoration/{room}"):
        for name in imports(file):
            if name.startswith("pipeline.restoration."):
                assert name.split(".")[2] in RESTORATION[room], f"{file} imports {name}"


@pytest.mark.parametrize("package", ["pipeline", "flows"])
def test_no_modules_import_each_other_in_a_circle(package: str) -> None:
    graph = {file: {file_of(name) for name in loaded(file)} - {file, None} for file in modules(package)}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" <- ".join(str(file.relative_to(ROOT)) for file in error.args[1]))


def loaded(file: Path) -> set[str]:
    """What is imported when a module is loaded, and for the type checker; not inside functions."""
    names: set[str] = set()
    todo: list[ast.AST] = [ast.parse(file.read_text())]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            todo += ast.iter_child_nodes(node)
    return names


PACKAGES = sorted({file.parent for file in modules("pipeline")} - {ROOT / "pipeline"})


@pytest.mark.parametrize("folder", PACKAGES, ids=lambda f: str(f.relative_to(ROOT)))
def test_a_package_says_what_belongs_there_and_what_exists_of_what_it_offers(folder: Path) -> None:
    tree = ast.parse((folder / "__init__.py").read_text())
    assert len((ast.get_docstring(tree) or "").splitlines()) >= 3, "about three lines: what belongs there"
    defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            defined |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            defined |= {target.id for target in targets if isinstance(target, ast.Name)}
    inside = {
        file.stem for file in folder.iterdir() if file.suffix == ".py" or (file / "__init__.py").is_file()
    }
    assert public(folder) <= defined | inside


def test_a_package_is_entered_by_its_public_names_only() -> None:
    for file in modules("pipeline") + modules("flows") + modules("benchmarks"):
        for name in imports(file):
            parts = name.split(".")
            for depth in range(2, len(parts)):
                folder = ROOT.joinpath(*parts[:depth])
                if parts[0] != "pipeline" or folder not in PACKAGES or folder in file.parents:
                    continue
                assert parts[depth] in public(folder), (
                    f"{file} imports {name}: '{parts[depth]}' is not in __all__ of {folder}"
                )


@cache
def public(folder: Path) -> frozenset[str]:
    """The names that a package lists in `__all__`."""
    for node in ast.parse((folder / "__init__.py").read_text()).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__":
            return frozenset(ast.literal_eval(node.value))
    return frozenset()


@pytest.mark.parametrize("name", stages.names())
def test_deps_are_the_code_that_a_stage_imports(name: str) -> None:
    assert [dep for dep in DAG[name]["deps"] if dep.startswith("pipeline/")] == code_of(name), (
        "run `make deps`"
    )


@pytest.mark.parametrize("name", stages.names())
def test_dvc_yaml_and_the_stage_name_the_same_files(name: str) -> None:
    stage, entry = stages.load(name), DAG[name]
    assert entry["cmd"] == f"python -m pipeline {name}"
    assert entry["params"] == [name]
    data_deps = {dep for dep in entry["deps"] if not dep.startswith("pipeline/")}
    own = set(own_models(ROOT)) if name == "restore" else set()
    assert data_deps == {path.as_posix() for path in stage.inputs.values()} | own
    outs = {_path(out) for kind in ("outs", "plots") for out in entry.get(kind, [])}
    inner = {out for out in outs if any(out != o and out.startswith(o + "/") for o in outs)}
    expected = {path.as_posix() for path in stage.outputs.values()} | {paths.provenance(name).as_posix()}
    assert outs - inner == expected
    assert [_path(metric) for metric in entry["metrics"]] == [paths.metrics(name).as_posix()]


def _path(entry: str | dict[str, object]) -> str:
    return entry if isinstance(entry, str) else next(iter(entry))


def test_stages_are_the_same_set_in_code_and_dvc_yaml() -> None:
    assert set(stages.names()) == set(DAG)


def test_params_yaml_and_the_typed_fields_are_the_same_set() -> None:
    values = read_params(ROOT / "params.yaml")
    assert list(values) == list(DAG), "sections stand in the order of dvc.yaml"
    for name, section in values.items():
        model = stages.load(name).params
        assert set(_keys(section, model)) == set(known_keys(model)), name


def _keys(section: dict[str, object], model: type, prefix: str = "") -> list[str]:
    known = known_keys(model)  # type: ignore[arg-type]
    keys = []
    for key, value in section.items():
        dotted = prefix + key
        if isinstance(value, dict) and dotted not in known:
            keys += _keys(value, model, dotted + ".")
        else:
            keys.append(dotted)
    return keys


def test_every_param_carries_a_comment() -> None:
    comments = key_comments(ROOT / "params.yaml")
    for name in stages.names():
        for key in known_keys(stages.load(name).params):
            assert comments.get(f"{name}.{key}"), f"params.yaml: {name}.{key} has no comment behind it"


def test_the_reference_page_is_up_to_date() -> None:
    assert (ROOT / "docs" / "params.md").read_text() == params_page(ROOT), "run `make docs`"


def test_every_command_is_documented() -> None:
    from flows.cli import app

    pages = "\n".join(file.read_text() for file in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
    commands = get_command(app).commands  # type: ignore[attr-defined]
    assert len(commands) >= 10
    for name, command in commands.items():
        assert f"pentimento {name}" in pages, f"no page mentions `pentimento {name}`"
        assert "Examples:" in (command.help or ""), f"`pentimento {name} --help` shows no example"


def test_every_page_is_linked_from_the_index_and_the_index_from_the_readme() -> None:
    docs = ROOT / "docs"
    index = (docs / "README.md").read_text()
    for page in docs.glob("*.md"):
        assert page.name == "README.md" or f"({page.name})" in index, f"docs/README.md does not link {page}"
    assert "(docs/README.md)" in (ROOT / "README.md").read_text()


def test_links_between_pages_lead_somewhere() -> None:
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]:
        for link in re.findall(r"\]\((?!https?:)([^)\s]+)\)", page.read_text()):
            path, _, heading = link.partition("#")
            target = page.parent / path if path else page
            assert target.exists(), f"{page} links {link}"
            if heading:
                assert heading in _anchors(target), f"{page} links {link}"


def _anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
