"""Retraining: the graph of dvc.yaml as a Prefect flow, one task per stage."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.client.schemas.objects import State
from prefect.futures import PrefectFuture, wait
from prefect.task_runners import ThreadPoolTaskRunner

from flows import stages
from flows.sync import changes
from pipeline import environment, paths
from pipeline.errors import PentimentoError

RETRIES = 2


def _may_help(_task: Any, _run: Any, state: State[Any]) -> bool:
    """Whether another try may help: not after an error that the stage itself explained."""
    failure = state.result(raise_on_failure=False)
    return not isinstance(failure, stages.StageFailed) or failure.passing


@task(retries=RETRIES, retry_delay_seconds=10, retry_condition_fn=_may_help, persist_result=False)
def run_stage(root: Path, name: str, force: bool = False) -> float:
    """Run one stage; its log lines become the task's. The seconds it took."""
    logger = get_run_logger()
    seconds = stages.run(root, name, logger.info, force)
    logger.info("%s: done in %.1f s", name, seconds)
    return seconds


@flow(
    name="retrain",
    task_runner=ThreadPoolTaskRunner(max_workers=environment.workers()),  # type: ignore[arg-type]
    validate_parameters=False,
)
def retrain(root: str | None = None, sync: bool = True) -> dict[str, float]:
    """Look at the sources again, then run every stage that is stale; the seconds of each that ran.

    Args:
        root: folder of the project; default: the one that encloses the working directory.
        sync: first take the inventory anew when scans are new, changed or gone.
    """
    project = Path(root) if root else paths.project_root()
    logger = get_run_logger()
    started = time.monotonic()
    seconds: dict[str, float] = {}
    if sync and (found := changes(project)).any:
        logger.info("sync: %s", found.sentence())
        seconds["inventory"] = run_stage.with_options(task_run_name="sync")(project, "inventory", True)
    futures: dict[str, PrefectFuture[float]] = {}
    for node in stages.plan(project):
        if node.reason is None:
            logger.info("%s: up to date", node.name)
            continue
        logger.info("%s: %s", node.name, node.reason)
        named = run_stage.with_options(task_run_name=node.name)
        needs = [futures[need] for need in node.needs if need in futures]
        futures[node.name] = named.submit(project, node.name, wait_for=needs)  # type: ignore[call-overload]
    wait(list(futures.values()))
    failed = {name: future.state for name, future in futures.items() if not future.state.is_completed()}
    seconds |= {name: future.result() for name, future in futures.items() if name not in failed}
    _publish(project, seconds, time.monotonic() - started)
    if failed:
        raise PentimentoError(_failure(failed))
    return seconds


def _failure(failed: dict[str, State[Any]]) -> str:
    own = {name: state for name, state in failed.items() if state.is_failed() or state.is_crashed()}
    name, state = next(iter((own or failed).items()))
    waiting = sorted(set(failed) - set(own))
    reason = (state.message or state.name or "").split("StageFailed: ")[-1]
    return reason + (f"; not run because of it: {', '.join(waiting)}" if waiting else f" ({name})")


def _publish(project: Path, seconds: dict[str, float], total: float) -> None:
    """Artifacts that Prefect's pages show: seconds by stage, metrics, where the report is."""
    create_table_artifact(
        [{"stage": name, "seconds": round(value, 1)} for name, value in seconds.items()]
        + [{"stage": "whole flow", "seconds": round(total, 1)}],
        key="retrain-stages",
        description="Seconds by stage that ran",
    )
    rows = []
    for file in sorted((project / paths.REPORTS / "metrics").glob("*.json")):
        flat = _flatten(json.loads(file.read_text(encoding="utf-8")))
        rows += [{"stage": file.stem, "metric": key, "value": value} for key, value in flat.items()]
    create_table_artifact(rows, key="retrain-metrics", description="Metrics of all stages")
    create_markdown_artifact(f"Report: `{project / paths.REPORT}`", key="retrain-report")


def _flatten(value: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(value, dict):
        return {prefix: value}
    return {
        k: v for key, inner in value.items() for k, v in _flatten(inner, f"{prefix}.{key}".strip(".")).items()
    }
