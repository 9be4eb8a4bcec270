"""What an edit of the code computes anew: what it means for the items, stage by stage."""

from __future__ import annotations

import importlib.metadata
import json
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pipeline import imports, meaning, paths, stages, syntax
from pipeline.archive.ledger import Entry, Ledger
from tests.conftest import ROOT, painting
from tests.stages.data_project import count_calls, run, settle

STAGES = ("inventory", "ingest", "features", "clean", "duplicates", "suspects", "prepare", "restore")
WORKS, SCANS = 30, 2  # works of two schools, and larger scans of the first ones
READ = WORKS + SCANS
RESTORED = 2


METHODS = {"by_shape": {"thin": {"best": "telea"}, "wide": {"best": "navier_stokes"}}}
FIRST = {
    "inventory": READ, "ingest": READ, "decoded at 384": READ, "features": READ,
    "sketching": 2 * SCANS, "comparing": SCANS, "suspects": 1,
    "decoded at 64": READ, "shards": 2, "restore": RESTORED,
}  # fmt: skip


def forget() -> None:
    """Read all code anew, as another process would."""
    for module in (meaning, imports, syntax):
        for function in vars(module).values():
            if hasattr(function, "cache_clear"):
                function.cache_clear()


@pytest.fixture(scope="module", autouse=True)
def nothing_kept() -> Iterator[None]:
    """What was read of copies of the code is forgotten, also where a test fails."""
    yield
    forget()


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project on a small archive, in which each stage has run once, and the code that ran beside it."""
    home = tmp_path_factory.mktemp("versions")
    project, code = home / "project", home / "code"
    shutil.copytree(ROOT / "pipeline", code / "pipeline", ignore=shutil.ignore_patterns("__pycache__"))
    project.mkdir()
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copy(ROOT / name, project / name)
    for number in range(WORKS):
        file = home / "archive" / ("Dutch", "French")[number % 2] / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(painting(number)).save(file)
    for number in range(SCANS):
        scan = Image.fromarray(painting(number)).resize((256, 192))
        scan.save(home / f"archive/Dutch/scan{number}.jpg", quality=70)
    settle(project, home / "archive", prepare__side=64, suspects__least_works=4, suspects__label="school")
    _damaged(project / paths.DAMAGED)
    for name, value in ((paths.METHODS, METHODS), (paths.STEPS, {})):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(json.dumps(value))
    for path in stages.load("restore").inputs.values():
        if not (project / path).exists():
            (project / path).mkdir(parents=True)  # of a network: none is used
    with pytest.MonkeyPatch.context() as monkeypatch:
        first = computed(home, monkeypatch)
    assert first == FIRST
    return home


def computed(home: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """How many items the stages compute with the code in `home`: by stage, and what they share."""
    counts: Counter[str] = Counter()
    put = Ledger.put

    def counted(ledger: Ledger, entries: Mapping[str, Entry]) -> None:
        stage, _, rest = ledger.space.partition(":")
        for key in entries:
            if stage == "pictures":
                counts[f"decoded at {rest.partition(':')[0]}"] += 1
            elif stage == "duplicates":
                counts["comparing" if ":" in key else "sketching"] += 1
            else:
                counts[stage] += 1
        put(ledger, entries)

    monkeypatch.setattr(Ledger, "put", counted)
    monkeypatch.setattr("pipeline.catalog.describing.describe", features_for_nothing)
    shards = count_calls(monkeypatch, "pipeline.archive.shards._keep")
    monkeypatch.setattr(imports, "HOME", home / "code")
    forget()
    run(home / "project", *STAGES)
    monkeypatch.undo()
    forget()
    return dict(counts) | ({"shards": len(shards)} if shards else {})


def features_for_nothing(pictures: Iterable[Any]) -> Any:
    """Features that no network computes; they mean what `describe` means."""
    rows = [np.random.default_rng(picture.ravel()[:64].tolist()).normal(size=1280) for picture in pictures]
    return np.array([row / np.linalg.norm(row) for row in rows], np.float32)


def _damaged(folder: Path) -> None:
    rows = []
    for number in range(RESTORED):
        name = f"losses/{number}.png"
        truth, hole = painting(number), np.zeros((96, 128), np.bool_)
        hole[20:30, 40:60] = True
        for place, pixels in (
            (f"{paths.DAMAGED_WORKS}/{name}", np.where(hole[..., None], np.uint8(0), truth)),
            (f"{paths.DAMAGED_TRUTH}/{name}.png", truth),
            (f"{paths.DAMAGED_MASKS}/{name}.png", hole.astype(np.uint8) * 255),
        ):
            (folder / place).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(folder / place)
        rows.append({"path": name, "kind": "losses", "format": "png"})
    pd.DataFrame(rows).to_csv(folder / paths.MANIFEST, index=False)


def each_module(edit: Callable[[str], str]) -> Callable[[Path], None]:
    """An edit of every module of the package."""

    def apply(package: Path) -> None:
        for file in package.rglob("*.py"):
            file.write_text(edit(file.read_text(encoding="utf-8")), encoding="utf-8")

    return apply


def replaced(name: str, old: str, new: str) -> Callable[[Path], None]:
    """An edit of one module."""

    def apply(package: Path) -> None:
        text = (package / name).read_text(encoding="utf-8")
        assert text.count(old) == 1
        (package / name).write_text(text.replace(old, new), encoding="utf-8")

    return apply


def new_source(package: Path) -> None:
    """A new kind of source: one file, which is found by itself."""
    kinds = package / "catalog/sources/kinds"
    shutil.copy(kinds / "folder.py", kinds / "drawer.py")


def docstrings(text: str) -> str:
    """The module and its functions with another docstring each."""
    return re.sub(r'^( *)"""(?=[A-Z])', r'\1"""Anew. ', text, flags=re.MULTILINE)


@pytest.mark.parametrize(
    ("edit", "again"),
    [
        pytest.param(each_module(lambda text: f"# A comment.\n{text}"), [], id="a comment in any module"),
        pytest.param(each_module(docstrings), [], id="a docstring in any module"),
        pytest.param(each_module(lambda text: text.replace("\n\n", "\n\n\n")), [], id="blank lines"),
        pytest.param(new_source, [], id="a new kind of source"),
        pytest.param(
            replaced("catalog/checks/matching.py", "CORRELATION = 0.6", "CORRELATION = 0.61"),
            ["comparing"],
            id="a threshold of comparing",
        ),
        pytest.param(
            replaced("catalog/checks/sketches.py", "KEYPOINTS = 600", "KEYPOINTS = 500"),
            ["sketching", "comparing"],
            id="a constant of sketching",
        ),
        pytest.param(
            replaced("restoration/work/quantisation.py", "from __future__", "LIMIT = 1\nfrom __future__"),
            ["restore"],
            id="code of a restoration",
        ),
    ],
)
def test_an_edit_computes_again_what_it_means(
    template: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    edit: Callable[[Path], None],
    again: list[str],
) -> None:
    home = shutil.copytree(template, tmp_path / "home")
    edit(home / "code/pipeline")
    assert computed(home, monkeypatch) == {name: FIRST[name] for name in again}


def test_another_version_of_pyvips_computes_again_what_reads_pictures(
    template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = shutil.copytree(template, tmp_path / "home")
    version = importlib.metadata.version
    monkeypatch.setattr(
        importlib.metadata, "version", lambda name: "0" if name == "pyvips" else version(name)
    )
    again = {name: count for name, count in FIRST.items() if name not in ("inventory", "suspects")}
    assert computed(home, monkeypatch) == again
