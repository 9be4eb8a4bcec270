"""What a retraining does when the works are not like those of the last run."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from flows import baseline, stages
from pipeline import paths
from pipeline.archive.tables import write_table
from pipeline.catalog.features import FEATURES, pack

COUNT = 80


def put(root: Path, school: list[str], seed: int = 0, shift: float = 0.0) -> None:
    """Works of these schools in turn, and what their pictures show."""
    rng = np.random.default_rng(seed)
    works = pd.DataFrame(
        {
            "id": [f"w{seed}-{n}" for n in range(COUNT)],
            "sha256": [f"{seed:08x}{n:056x}" for n in range(COUNT)],
            "school": [school[n % len(school)] for n in range(COUNT)],
            "year": rng.integers(1500, 1900, COUNT),
        }
    )
    rows = rng.normal(0, 1, (COUNT, FEATURES)) * (np.arange(FEATURES) < 16) / 8
    rows[:, 0] += shift
    write_table(root / paths.WORKS, works)
    write_table(
        root / paths.FEATURES,
        pd.DataFrame({"sha256": works["sha256"], "features": [pack(row) for row in rows]}),
    )


@pytest.fixture
def judge(project: Path) -> Iterator[Any]:
    """The flow's task, called without a server; the project has been through one run."""
    from prefect.logging import disable_run_logger

    from flows.retrain import judge_drift

    def call(on_drift: str = "warn") -> Any:
        return judge_drift.fn(project, on_drift)

    put(project, ["Dutch", "French"])
    with disable_run_logger():
        assert call() == []  # there is nothing to compare with yet
        yield call


def test_the_same_works_and_works_like_them_are_no_news(project: Path, judge: Any) -> None:
    assert judge("stop") == []
    put(project, ["Dutch", "French"], seed=1)
    assert baseline.moved(project)
    assert judge("stop") == []
    assert not baseline.moved(project), "the next run is compared with this one"


def test_drift_is_said_once_and_the_run_goes_on(project: Path, judge: Any) -> None:
    put(project, ["Chinese"], seed=1, shift=2.0)
    lines = judge("warn")
    assert [line.split(" moved")[0] for line in lines] == ["all works: school", "all works: pictures"]
    assert judge("warn") == []


def test_drift_that_is_to_stop_stops_every_run_until_it_is_taken(project: Path, judge: Any) -> None:
    put(project, ["Chinese"], seed=1, shift=2.0)
    for _ in range(2):
        with pytest.raises(
            stages.StageFailed, match=r"have drifted since the last run.*school moved"
        ) as error:
            judge("stop")
        assert not error.value.passing
    assert judge("warn")
    assert judge("stop") == []


def test_what_was_kept_outlives_the_files_and_is_of_one_project(
    project: Path, judge: Any, tmp_path: Path
) -> None:
    (project / paths.WORKS).unlink()  # as DVC does before a stage runs
    baseline.begin(project)
    put(project, ["Chinese"], seed=1)
    assert baseline.moved(project)
    other = project / "worktree"
    assert baseline.folder(other) != baseline.folder(project)
    assert baseline.folder(other).parent == baseline.folder(project).parent
    assert not baseline.moved(other)


def test_before_the_first_run_the_works_that_are_there_count(project: Path, tmp_path: Path) -> None:
    put(project, ["Dutch", "French"])
    baseline.begin(project)
    put(project, ["Chinese"], seed=1)
    assert baseline.moved(project)
    baseline.begin(project)
    assert baseline.moved(project), "a baseline that is there stays"


def test_kept_works_that_cannot_be_read_leave_no_model_untrained(
    project: Path, judge: Any, caplog: pytest.LogCaptureFixture
) -> None:
    put(project, ["Chinese"], seed=1)
    kept = baseline.folder(project) / paths.WORKS.name
    kept.unlink()
    kept.write_bytes(b"broken")
    with caplog.at_level(logging.WARNING):
        (line,) = judge("stop")
    assert "cannot be read" in line
    assert str(kept) in line


def test_features_are_optional(project: Path, judge: Any) -> None:
    put(project, ["Chinese"], seed=1, shift=2.0)
    (project / paths.FEATURES).unlink()
    assert [line.split(" moved")[0] for line in judge("warn")] == ["all works: school"]


def test_another_word_is_refused() -> None:
    from flows.retrain import retrain
    from pipeline.errors import PentimentoError

    with pytest.raises(PentimentoError, match="on_drift is 'halt'; it can be warn or stop"):
        retrain.fn(on_drift="halt")  # type: ignore[arg-type]
