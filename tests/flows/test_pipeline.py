"""The whole graph, end to end, on a tiny archive: by DVC, by the flow, from a cold and a warm state.

One clone is made by `dvc repro --no-run-cache`, another by the Prefect flow; all tests share the two.
A test that changes a clone works on a copy of it.

Each stage of the first clone starts a Python of its own, as for a user. All later stages are forked from a
process that has imported everything (tests/forked): otherwise imports would take most of the time.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from ruamel.yaml import YAML

from flows import baseline
from pipeline import paths
from pipeline.archive.fixity import tree_sha256
from tests.conftest import ROOT, painting
from tests.forked.server import served

pytestmark = pytest.mark.timeout(900)

# The archive's pictures have 96 x 128 pixels; the profile `tiny` makes the stages quick.
SMALL_ARCHIVE = {"clean": {"min_side": 16}, "prepare": {"min_class_size": 2, "min_tag_size": 2}}
TAGS = (["Men"], ["Men", "Portraits"], ["Landscapes"])


@dataclass(frozen=True)
class Clone:
    """A clone of this repository, and what the environment of its commands has beside `environment()`."""

    root: Path
    more: Mapping[str, str] = field(default_factory=dict)

    def shell(self, command: str, code: int = 0) -> str:
        """What a command prints; it must end with this exit code."""
        answer = subprocess.run(
            ["bash", "-c", command],
            cwd=self.root,
            env=environment() | {"PREFECT_HOME": str(self.root.parent / "prefect")} | self.more,
            capture_output=True,
            text=True,
            check=False,
        )
        assert answer.returncode == code, f"{command}\n{answer.stdout[-3000:]}\n{answer.stderr[-3000:]}"
        return answer.stdout + answer.stderr


def environment() -> dict[str, str]:
    """This environment's programs first, no profile of the user's, one thread."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PENTIMENTO_", "PREFECT_", "PYTEST_"))}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    git = {f"GIT_{who}_{what}": "test" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    return {**kept, **git, "PATH": path, "PENTIMENTO_WORKERS": "1", "OMP_NUM_THREADS": "1",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}  # fmt: skip


def make_clone(root: Path, archive: Path) -> Clone:
    """A clone of this repository's working tree, with tiny parameters and the given archive."""
    root.mkdir(parents=True)
    parts = "pipeline flows pretrained profiles dvc.yaml params.yaml prefect.yaml .gitignore .dvcignore"
    listed = Clone(ROOT).shell(f"git ls-files -co --exclude-standard {parts}").split()
    for name in listed:
        if (ROOT / name).is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, root / name)
    yaml = YAML()
    params = yaml.load((root / "params.yaml").read_text())
    columns = {"id": "id", "file": "file", "nationality": "school", "date": "date", "tags": "tags"}
    params["inventory"]["sources"] = [
        {
            "kind": "table",
            "location": str(archive / "records.csv"),
            "pictures": str(archive),
            "columns": columns,
        }
    ]
    for section, values in SMALL_ARCHIVE.items():
        params[section] |= values
    with (root / "params.yaml").open("w") as handle:
        yaml.dump(params, handle)
    clone = Clone(root)
    clone.shell("git init -q && dvc init -q && dvc config core.analytics false && pentimento profile tiny")
    clone.shell("git add -A && git commit -qm start")
    return clone


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("archive")
    rows = ["id,file,school,date,tags"]
    for n in range(60):
        Image.fromarray(painting(n)).save(folder / f"{n:02d}.png")
        school = ("Dutch", "Dutch", "French", "Italian")[n % 4] if n % 15 else ""
        rows.append(f"{n},{n:02d}.png,{school},ca. {1600 + n},{'|'.join(TAGS[n % 3])}")
    (folder / "records.csv").write_text("\n".join(rows) + "\n")
    return folder


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory, archive: Path) -> Clone:
    return make_clone(tmp_path_factory.mktemp("start") / "clone", archive)


@pytest.fixture(scope="module")
def forked() -> Iterator[Mapping[str, str]]:
    """The environment in which stages are forked from a process that has imported everything."""
    with tempfile.TemporaryDirectory() as folder, served(Path(folder) / "stages") as environment:
        yield environment


@pytest.fixture(scope="module")
def by_dvc(tmp_path_factory: pytest.TempPathFactory, start: Clone, forked: Mapping[str, str]) -> Clone:
    clone = Clone(tmp_path_factory.mktemp("dvc") / "clone")
    start.shell(f"git clone -q . {clone.root}")
    share_engines(ROOT, clone.root)
    clone.shell("dvc repro --no-run-cache")
    share_engines(clone.root, ROOT)
    clone.shell("git add -A && git commit -qm reproduced")
    return replace(clone, more=forked)


@pytest.fixture(scope="module")
def by_flow(
    tmp_path_factory: pytest.TempPathFactory, start: Clone, by_dvc: Clone, forked: Mapping[str, str]
) -> Clone:
    clone = Clone(tmp_path_factory.mktemp("flow") / "clone", forked)
    start.shell(f"git clone -q . {clone.root}")
    share_engines(by_dvc.root, clone.root)
    output = clone.shell("PENTIMENTO_WORKERS=2 pentimento retrain --json")
    ran = json.loads(output[output.index("{\n") : output.rindex("}") + 1])["seconds"]
    assert set(ran) == set(YAML(typ="safe").load((clone.root / "dvc.yaml").read_text())["stages"])
    return clone


@pytest.fixture
def copy(tmp_path: Path) -> Callable[[Clone], Clone]:
    """A copy of a clone, for a test to change."""

    def make(clone: Clone) -> Clone:
        shutil.copytree(clone.root, tmp_path / "clone", symlinks=True)
        return replace(clone, root=tmp_path / "clone")

    return make


def share_engines(source: Path, target: Path) -> None:
    """Copy networks as ONNX, which are found by what they are made from; making one takes ten seconds."""
    engines = Path(".state") / paths.ENGINES
    if (source / engines).is_dir():
        shutil.copytree(source / engines, target / engines, dirs_exist_ok=True)


def set_tag_threshold(clone: Clone, value: float) -> None:
    """Change a parameter that only the classifier depends on."""
    file = clone.root / paths.PARAMS
    text, count = re.subn(r"tag_threshold: [\d.]+", f"tag_threshold: {value}", file.read_text())
    assert count == 1
    file.write_text(text)


def lock(clone: Clone) -> Any:
    return YAML(typ="safe").load((clone.root / "dvc.lock").read_text())


def test_dvc_and_the_flow_leave_the_same_lock(by_dvc: Clone, by_flow: Clone) -> None:
    left, right = lock(by_dvc), lock(by_flow)
    assert set(left["stages"]) == set(right["stages"])
    for name, entry in left["stages"].items():
        assert entry == right["stages"][name], f"stage {name} differs"


def test_right_after_everything_is_up_to_date(by_dvc: Clone, by_flow: Clone) -> None:
    for clone in (by_dvc, by_flow):
        assert "Data and pipelines are up to date." in clone.shell("dvc status")
        assert "Nothing to do" in clone.shell("pentimento retrain")


def test_a_warm_state_gives_the_bytes_of_a_cold_one(by_dvc: Clone) -> None:
    before = {name: tree_sha256(by_dvc.root / name) for name in ("data", "models", "reports")}
    stages = "clean prepare train_restorer train_generator train_classifier evaluate_classifier"
    by_dvc.shell(f"dvc repro --no-run-cache --force --single-item {stages}")
    assert {name: tree_sha256(by_dvc.root / name) for name in before} == before


def test_one_classifier_param_reruns_its_branch_only(by_dvc: Clone, copy: Callable[[Clone], Clone]) -> None:
    clone = copy(by_dvc)
    set_tag_threshold(clone, 0.4)
    plan = json.loads(clone.shell("pentimento plan --json"))
    stale = [node["stage"] for node in plan if node["reason"]]
    assert stale == ["train_classifier", "evaluate_classifier", "report"]
    assert "train_classifier" in next(node["reason"] for node in plan if node["stage"] == stale[0])


def test_experiments_share_the_state_folder(by_dvc: Clone, copy: Callable[[Clone], Clone]) -> None:
    clone = copy(by_dvc)
    log = clone.root / ".state" / "logs" / "runs.jsonl"
    lines = len(log.read_text().splitlines())
    clone.shell("dvc exp run --temp --name warmer -S train_classifier.epochs=3")
    fresh = [json.loads(line)["stage"] for line in log.read_text().splitlines()[lines:]]
    assert sorted(fresh) == ["evaluate_classifier", "report", "train_classifier"]
    assert "warmer" in clone.shell("dvc exp show --csv")
    assert "evaluate_classifier" in clone.shell("dvc metrics diff HEAD warmer")


def test_the_report_is_one_page_with_real_pictures(by_dvc: Clone) -> None:
    page = (by_dvc.root / paths.REPORT).read_text()
    assert page.count("data:image/webp;base64,") >= 12
    assert not re.findall(r"(?:src|href)=\"(?:https?:)?//", page), "nothing is loaded from elsewhere"
    for words in ("Quarantine", "Confusion matrix", "digital reconstructions", "KID-Lite0", "navier_stokes",
                  "Rare schools, with rebalancing and without", "balance: none"):  # fmt: skip
        assert words in page


def test_the_commands_of_the_documentation_work_as_written(
    by_flow: Clone, copy: Callable[[Clone], Clone]
) -> None:
    clone = copy(by_flow)
    blocks = [
        (page.name, block)
        for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
        for block in re.findall(r"^```bash\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    ]
    commands = dict.fromkeys(line for _, block in blocks for line in block.splitlines() if line.strip())
    assert len(commands) >= 12
    for command in commands:
        clone.shell(command)


def test_completed_labels_say_so(by_dvc: Clone) -> None:
    import pandas as pd

    works = pd.read_parquet(by_dvc.root / paths.WORKS)
    assert works["school_origin"].value_counts().to_dict() == {"recorded": 56, "nearest": 4}
    assert works.loc[works["school_origin"] == "nearest", "school_confidence"].between(0, 1).all()


def test_drift_can_stop_a_retraining_before_anything_is_trained(
    by_flow: Clone, copy: Callable[[Clone], Clone]
) -> None:
    import pandas as pd

    clone = copy(by_flow)
    (kept,) = (clone.root / ".state" / "last-data").glob("*/works.parquet")
    assert kept.read_bytes() == (clone.root / paths.WORKS).read_bytes()
    pd.read_parquet(kept).assign(school="Chinese").to_parquet(kept)
    kept.parent.rename(baseline.folder(clone.root))  # each place of a project has its own
    set_tag_threshold(clone, 0.4)
    log = clone.root / ".state" / "logs" / "runs.jsonl"
    before = log.read_text()
    output = clone.shell("pentimento retrain --on-drift stop", code=1)
    assert "the data have drifted since the last run" in output
    assert "school moved by" in output
    assert log.read_text() == before, "no stage ran"
    went_on = clone.shell("pentimento retrain")
    assert re.search(r"drift: all works: school moved by \d+%", went_on)
    ran = [json.loads(line)["stage"] for line in log.read_text().removeprefix(before).splitlines()]
    assert sorted(ran) == ["evaluate_classifier", "report", "train_classifier"]
