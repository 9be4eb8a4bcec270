"""Retraining: the graph of dvc.yaml as a Prefect flow, one task per stage."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, get_args

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.client.schemas.objects import State
from prefect.futures import PrefectFuture, wait
from prefect.task_runners import ThreadPoolTaskRunner

from flows import baseline, stages
from flows.drift import alarms
from flows.sync import changes
from pipeline import environment, paths
from pipeline.errors import PentimentoError

RETRIES = 2
DATA = ("features", "clean")  # the stages whose outputs the drift test compares
OnDrift = Literal["warn", "stop"]


def _may_help(_task: Any, _run: Any, state: State[Any]) -> bool:
    """Whether a retry may help: not after an error that the stage itself explained."""
    failure = state.result(raise_on_failure=False)
    return not isinstance(failure, stages.StageFailed) or failure.passing


@task(retries=RETRIES, retry_delay_seconds=10, retry_condition_fn=_may_help, persist_result=False)
def run_stage(root: Path, name: str, interruption: stages.Interruption, force: bool = False) -> float:
    """Run one stage; its log lines become the task's. The seconds it took."""
    logger = get_run_logger()
    seconds = stages.run(root, name, logger.info, force, interruption)
    logger.info("%s: done in %.1f s", name, seconds)
    return seconds


@task(task_run_name="drift", persist_result=False)
def judge_drift(root: Path, on_drift: OnDrift) -> list[str]:
    """Compare the works with those of the last run, and keep them for the next one; a line per alarm.

    Raises:
        StageFailed: on an alarm, when `on_drift` is `stop`; the kept works then stay unchanged.
    """
    logger = get_run_logger()
    if not baseline.moved(root):
        baseline.keep(root)
        return []
    try:
        found = baseline.compare(root)
    except PentimentoError as error:  # no reason to leave a model untrained
        logger.warning("drift was not judged: %s", error)
        return [f"not judged: {error}"]
    lines = alarms(found)
    changed = ", ".join(f"{len(ids)} {name}" for name, ids in found["turnover"].items())
    logger.info("drift: %d works, %d in the last run (%s)", *reversed(found["works"].values()), changed)
    for line in [*lines, *found["notes"]]:
        logger.warning("drift: %s", line)
    if lines and on_drift == "stop":
        raise stages.StageFailed(
            f"the data have drifted since the last run, and nothing was trained on them: {'; '.join(lines)}. "
            "Look at reports/data.html; `pentimento retrain` continues with them",
            passing=False,
        )
    baseline.keep(root)
    return lines


@flow(
    name="retrain",
    task_runner=ThreadPoolTaskRunner(max_workers=environment.workers()),  # type: ignore[arg-type]
    validate_parameters=False,
)
def retrain(root: str | None = None, sync: bool = True, on_drift: OnDrift = "warn") -> dict[str, Any]:
    """Look at the sources again, then run every stage that is stale.

    Args:
        root: folder of the project; default: the one that encloses the working directory.
        sync: first renew the inventory when scans are new, changed or gone.
        on_drift: what to do when the works have drifted since the last run: `warn` prints it and
            continues, `stop` trains nothing.

    Returns:
        `seconds` of each stage that ran, and `drift`: a line for each comparison that alarms.
    """
    if on_drift not in get_args(OnDrift):
        raise PentimentoError(f"on_drift is '{on_drift}'; it can be {' or '.join(get_args(OnDrift))}")
    project = Path(root) if root else paths.project_root()
    logger = get_run_logger()
    started = time.monotonic()
    seconds: dict[str, float] = {}
    baseline.begin(project)
    with stages.Interruption() as interruption:
        if sync and (found := changes(project)).any:
            logger.info("sync: %s", found.sentence())
            again = run_stage.with_options(task_run_name="sync")
            seconds["inventory"] = again(project, "inventory", interruption, force=True)
        futures = _submit(project, on_drift, interruption)
        wait(list(futures.values()))
    failed = {name: future.state for name, future in futures.items() if not future.state.is_completed()}
    done = {name: future.result() for name, future in futures.items() if name not in failed}
    drift = done.pop("drift", [])
    seconds |= done
    _publish(project, seconds, time.monotonic() - started, drift)
    if failed:
        raise PentimentoError(_failure(failed))
    return {"seconds": seconds, "drift": drift}


def _submit(
    project: Path, on_drift: OnDrift, interruption: stages.Interruption
) -> dict[str, PrefectFuture[Any]]:
    """A task for every stale stage, and `drift` before the first one that is trained on the data."""
    logger = get_run_logger()
    futures: dict[str, PrefectFuture[Any]] = {}
    nodes = stages.plan(project)
    data = _with_needs(nodes, DATA)
    for node in sorted(nodes, key=lambda node: node.name not in data):  # in their order, the data first
        if node.name not in data and "drift" not in futures:
            waited = [futures[name] for name in data if name in futures]
            futures["drift"] = judge_drift.submit(project, on_drift, wait_for=waited)  # type: ignore[call-overload]
        if node.reason is None:
            logger.info("%s: up to date", node.name)
            continue
        logger.info("%s: %s", node.name, node.reason)
        named = run_stage.with_options(task_run_name=node.name)
        needs = [futures[need] for need in node.needs if need in futures]
        needs += [futures["drift"]] if "drift" in futures else []
        futures[node.name] = named.submit(project, node.name, interruption, wait_for=needs)  # type: ignore[call-overload]
    return futures


def _with_needs(nodes: Sequence[stages.Node], names: Sequence[str]) -> set[str]:
    """These stages and all stages that they need in the graph."""
    needs = {node.name: node.needs for node in nodes}
    found: set[str] = set()
    waiting = [name for name in names if name in needs]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += needs[name]
    return found


def _failure(failed: dict[str, State[Any]]) -> str:
    own = {name: state for name, state in failed.items() if state.is_failed() or state.is_crashed()}
    name, state = next(iter((own or failed).items()))
    waiting = sorted(set(failed) - set(own))
    reason = (state.message or state.name or "").split("StageFailed: ")[-1]
    return reason + (f"; not run because of it: {', '.join(waiting)}" if waiting else f" ({name})")


def _publish(project: Path, seconds: dict[str, float], total: float, drift: Sequence[str]) -> None:
    """Artifacts that Prefect's pages show: seconds by stage, metrics, drift, where the report is."""
    create_table_artifact(
        [{"stage": name, "seconds": round(value, 1)} for name, value in seconds.items()]
        + [{"stage": "whole flow", "seconds": round(total, 1)}],
        key="retrain-stages",
        description="Seconds by stage that ran",
    )
    rows = []
    for file in sorted((project / paths.METRICS).glob("*.json")):
        flat = _flatten(json.loads(file.read_text(encoding="utf-8")))
        rows += [{"stage": file.stem, "metric": key, "value": value} for key, value in flat.items()]
    create_table_artifact(rows, key="retrain-metrics", description="Metrics of all stages")
    create_markdown_artifact(
        "\n".join(f"- {line}" for line in drift) or "Nothing alarms.", key="retrain-drift",
        description="How the works differ from those of the last run",
    )  # fmt: skip
    create_markdown_artifact(f"Report: `{project / paths.REPORT}`", key="retrain-report")


def _flatten(value: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(value, dict):
        return {prefix: value}
    return {
        k: v for key, inner in value.items() for k, v in _flatten(inner, f"{prefix}.{key}".strip(".")).items()
    }
