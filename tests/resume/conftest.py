"""Small archives, requests for them, and the command in a process of its own."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.restoration.runs.request import Request
from pipeline.restoration.work import engine
from tests.conftest import restore_settings
from tests.resume import hostile

SETTINGS = restore_settings(max_megapixels=1, max_failure_ratio=1, shard_megapixels=0.01)


@pytest.fixture
def methods(tmp_path: Path) -> Path:
    """A choice of classical methods: torch is not imported, so the process starts fast."""
    return hostile.methods_file(tmp_path)


@pytest.fixture
def start(methods: Path) -> Callable[..., subprocess.Popen[str]]:
    """start(src, out, *options): `pentimento restore` with one worker in a process of its own."""

    def run(source: Path, out: Path, *options: str) -> subprocess.Popen[str]:
        return hostile.start(source, out, methods, "--workers", "1", *options)

    return run


@pytest.fixture
def archive(tmp_path: Path) -> Callable[[int], tuple[Path, Path]]:
    """archive(n): a folder of n tiny works of several formats, and their masks."""

    def make(count: int) -> tuple[Path, Path]:
        made = hostile.Archive(tmp_path / "src", tmp_path / "masks")
        hostile.add_good(made, count)
        return made.source, made.masks

    return make


@pytest.fixture
def request_for(tmp_path: Path, methods: Path) -> Callable[..., Request]:
    """request_for(src, masks, **settings): to restore it to `out`."""

    def make(source: Path, masks: Path | None = None, **changes: object) -> Request:
        settings = SETTINGS.model_copy(update=changes)
        return Request(source, tmp_path / "out", settings, methods, masks)

    return make


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The works that were worked on."""
    seen: list[str] = []
    original = engine.restore_work

    def restore_work(work: engine.Work, *others: object) -> object:
        seen.append(work.path)
        return original(work, *others)  # type: ignore[arg-type]

    monkeypatch.setattr("pipeline.restoration.runs.shard.restore_work", restore_work)
    return seen
