"""The checks of `pentimento check`; each is a function that returns a detail or raises."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import available_timezones

from flows import stages as graph
from pipeline import environment, paths, stages
from pipeline.errors import PentimentoError
from pipeline.params import load_params, read_params

MIN_FREE_GB = 5


@dataclass(frozen=True)
class Check:
    """The result of one check."""

    name: str
    ok: bool
    detail: str


def run_all(root: Path) -> list[Check]:
    """Run all checks, the most basic first."""
    checks: dict[str, Callable[[Path], str]] = {
        "git": _git,
        paths.DAG.name: _dag,
        paths.PARAMS.name: _params,
        "sources": _sources,
        "prefect.yaml": _prefect,
        "environment": _environment,
        "state folder": _state,
        "device": _device,
    }
    found = []
    for name, look in checks.items():
        try:
            found.append(Check(name, True, look(root)))
        except PentimentoError as error:
            found.append(Check(name, False, str(error)))
    return found


def _git(root: Path) -> str:
    return f"at commit {graph.require_git(root)}"


def _dag(root: Path) -> str:
    names = {node.name for node in graph.plan(root)}
    if missing := sorted(names ^ set(stages.names())):
        raise PentimentoError(f"dvc.yaml and pipeline/stages/ differ: {', '.join(missing)}")
    return f"{len(names)} stages"


def _params(root: Path) -> str:
    sections = read_params(root / paths.PARAMS)
    problems = []
    for name in stages.names():
        try:
            load_params(root / paths.PARAMS, name, stages.load(name).params)
        except PentimentoError as error:
            problems.append(str(error))
    problems += [f"section '{name}' belongs to no stage" for name in sections if name not in stages.names()]
    if problems:
        raise PentimentoError("; ".join(problems))
    return f"{len(sections)} sections"


def _sources(root: Path) -> str:
    from pipeline.catalog.sources import list_items

    params = load_params(root / paths.PARAMS, "inventory", stages.load("inventory").params)
    return f"{len(list_items(params.sources, root))} pictures"


def _prefect(root: Path) -> str:
    deployments = read_params(root / "prefect.yaml").get("deployments")
    if not isinstance(deployments, list) or not deployments:
        raise PentimentoError("prefect.yaml has no deployments")
    for one in deployments:
        file, _, function = str(one.get("entrypoint", "")).partition(":")
        source = root / file
        if not source.is_file() or f"def {function}(" not in source.read_text(encoding="utf-8"):
            raise PentimentoError(
                f"prefect.yaml: deployment '{one.get('name')}' has no such entrypoint: {file}:{function}"
            )
        for schedule in one.get("schedules", []):
            if schedule.get("timezone") not in available_timezones():
                raise PentimentoError(f"prefect.yaml: unknown time zone '{schedule.get('timezone')}'")
    return ", ".join(str(one["name"]) for one in deployments)


def _environment(root: Path) -> str:
    workers, threads = environment.workers(), environment.threads()
    return f"Python {platform.python_version()}, {workers} workers of {threads} thread(s)"


def _state(root: Path) -> str:
    state = environment.state_dir(root)
    try:
        state.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(state).free / 1e9
    except OSError as error:
        raise PentimentoError(f"{state} cannot be made: {error.strerror}") from None
    if not os.access(state, os.W_OK):
        raise PentimentoError(f"{state} is not writable; set PENTIMENTO_STATE to a folder that is")
    if free < MIN_FREE_GB:
        raise PentimentoError(f"only {free:.1f} GB are free beside {state}; {MIN_FREE_GB} are needed")
    return f"{state}, {free:.0f} GB free"


def _device(root: Path) -> str:
    from pipeline.training.loop import make_fabric

    return str(make_fabric().device)
