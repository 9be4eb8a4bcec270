"""SIGKILL at random moments of the data stages and of a download: the bytes of an undisturbed run."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest

from pipeline import paths
from pipeline.archive.fixity import tree_sha256
from tests.resume import data_kill
from tests.unit.catalog.sources.iiif_server import Server


@pytest.fixture(scope="module")
def run() -> Iterator[data_kill.Run]:
    """run(project, stage, seconds): a stage, killed after so many seconds."""
    with data_kill.nursery() as run:
        yield run


KILLS = 4  # of each data stage; and 20 of a download


def test_kills_of_every_data_stage_leave_the_bytes_of_an_undisturbed_run(
    make_archive: Callable[..., Path], tmp_path: Path, run: data_kill.Run
) -> None:
    archive = make_archive(16)  # the network describes each of them in every run
    before = tree_sha256(archive)
    project = tmp_path / "project"
    data_kill.settle(project, {"kind": "folder", "location": str(archive), "labels": ["school"]})
    rng = random.Random(7)
    found = [data_kill.kill_stage(run, project, stage, KILLS, rng) for stage in data_kill.STAGES]
    assert not any(one["differs"] for one in found), found
    assert sum(one["kills"] for one in found) == KILLS * len(data_kill.STAGES) >= 20
    assert tree_sha256(archive) == before


def test_twenty_kills_of_a_download_leave_the_bytes_of_an_undisturbed_run(
    tmp_path: Path, run: data_kill.Run
) -> None:
    project = tmp_path / "project"
    with Server() as server:
        services = [server.image(f"work-{number}", number, side=256) for number in range(12)]
        top = server.manifest3("archive", *services)
        server.pause = 0.002
        http = {"requests_per_second": 1000, "backoff": 0.01}
        data_kill.settle(project, {"kind": "iiif", "location": top, "http": http})
        pictures = project / ".state/downloads/iiif/pictures"
        code, _ = run(project, "inventory", 600)
        assert code == 0
        calm = tree_sha256(pictures)
        found = data_kill.kill_stage(run, project, "inventory", 20, random.Random(3))
    assert not found["differs"], found
    assert tree_sha256(pictures) == calm
    assert pd.read_parquet(project / paths.INVENTORY)["problem"].isna().all()
    assert not list((pictures.parent / "partial").iterdir())
