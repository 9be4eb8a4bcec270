"""Restoring an archive as a Prefect flow: one task per shard, never one per image."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

from prefect import flow, get_run_logger, task
from prefect.futures import as_completed
from prefect.task_runners import ThreadPoolTaskRunner

from flows.archive import restore_archive
from flows.options import restore_options, with_options
from flows.requests import build_request
from flows.workers import Workers
from pipeline import environment
from pipeline.errors import PentimentoError
from pipeline.restoration.runs.output import quarantine
from pipeline.restoration.runs.request import Request
from pipeline.restoration.runs.shard import Shard


@task(name="restore-shard", task_run_name="shard-{shard.number}", persist_result=False)
def restore_shard(shard: Shard, crew: Workers) -> int:
    """Restore one shard in a worker process; how many works it has."""
    crew.run(shard)
    return len(shard.works)


def _with_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Show the options of a restoration as parameters of a flow, for deployments and its pages."""
    options = [option.for_flow for option in restore_options()]
    function.__signature__ = with_options(inspect.signature(function, eval_str=True), options)  # type: ignore[attr-defined]
    return function


# The threads only wait: each task's work is done in a process, one thread each.
@flow(
    name="restore",
    task_runner=ThreadPoolTaskRunner(max_workers=environment.workers()),  # type: ignore[arg-type]
    validate_parameters=False,
)
@_with_options
def restore(
    src: str,
    out: str,
    *,
    runner: str = "local",
    workers: int | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Restore what is new or changed below `src` to `out`; see `pentimento restore --help`.

    Returns:
        The summary of the run.

    Raises:
        PentimentoError: when the run cannot start or go on, or when works failed (after all others
            were restored).
    """
    request = build_request(src, out, **options)
    summary = restore_archive(request, runner, workers or environment.workers(), _tasks)
    get_run_logger().info("%s", summary.as_dict())
    if summary.failed or summary.left:
        raise PentimentoError(
            f"{summary.failed} works failed, {summary.left} are left; see {quarantine(request.out)}"
        )
    return summary.as_dict()


def run_request(request: Request, runner: str, workers: int) -> dict[str, Any]:
    """The same as a flow run of this process, for a request that is built already; its summary."""

    @flow(
        name="restore",
        task_runner=ThreadPoolTaskRunner(max_workers=workers),  # type: ignore[arg-type]
        validate_parameters=False,
    )
    def restore_request() -> dict[str, Any]:
        return restore_archive(request, runner, workers, _tasks).as_dict()

    return restore_request()


def _tasks(crew: Workers, shards: list[Shard], workers: int) -> Iterator[Shard]:
    del workers  # the task runner has its own limit
    futures = {restore_shard.submit(shard, crew): shard for shard in shards}
    for future in as_completed(list(futures)):
        future.result()
        yield futures[future]
