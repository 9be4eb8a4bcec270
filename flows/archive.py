"""Restore an archive: the run around the workers. It is the same with Prefect and without.

A plain pool and Prefect tasks both call `Workers.run`, so ledger and bytes are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any

from flows.workers import HeadStart, Workers, open_workers
from pipeline.archive.reasons import commonest
from pipeline.progress import Meter, watched
from pipeline.restoration.runs.estimate import estimate
from pipeline.restoration.runs.output import finished_runs
from pipeline.restoration.runs.request import Request, Summary
from pipeline.restoration.runs.run import open_run
from pipeline.restoration.runs.shard import Shard
from pipeline.restoration.runs.watch import Watch


def restore_archive(
    request: Request,
    runner: str = "local",
    workers: int = 1,
    execute: Callable[[Workers, list[Shard], int], Iterator[Shard]] | None = None,
) -> Summary:
    """Restore what is new or changed in an archive, and sum up.

    Args:
        request: the archive, its output and how.
        runner: 'local' (processes of this machine), 'dask' or 'ray' (a local cluster).
        workers: how many works are restored side by side.
        execute: hands shards to the workers and yields each when it is done; default: threads.

    Raises:
        PentimentoError: when the run cannot start or go on.
    """
    with HeadStart(runner, workers) as start, open_run(request, workers, begin=start.begin) as run:
        if run.shards:
            works = sum(len(shard.works) for shard in run.shards)
            meter = Meter("restore", works, run.plan.megapixels)
            with (
                open_workers(runner, workers, len(run.shards), run.delicate, start.pool) as crew,
                watched(meter, Watch(run).look),
            ):
                for shard in (execute or _threads)(crew, run.shards, workers):
                    run.collect(shard)
        return run.finish()


def preview(request: Request, workers: int = 1) -> dict[str, Any]:
    """What `restore_archive` would do: how many works, how large, how long; writes nothing."""
    with open_run(request, workers, dry=True) as run:
        plan = run.plan
        expected = estimate(plan, run.recipe, workers, finished_runs(request.out))
        return {
            "works": run.summary.works,
            "known": run.summary.known,
            "to_do": plan.damaged.works + plan.whole.works,
            "shards": len(run.shards),
            "megapixels": round(plan.megapixels, 2),
            "bytes": plan.damaged.bytes + plan.whole.bytes,
            "rough_seconds": round(expected.seconds, 1),
            "based_on": expected.based_on,
            "failed": len(run.failures),
            "gone": run.summary.gone,
            "ignored_files": run.summary.ignored_files,
            "skipped_links": run.summary.skipped_links,
            "without_mask": run.summary.without_mask,
            "unused_masks": run.summary.unused_masks,
            "reasons": commonest(run.failures),
        }


def _threads(crew: Workers, shards: list[Shard], workers: int) -> Iterator[Shard]:
    if workers == 1:
        for shard in shards:
            crew.run(shard)
            yield shard
        return
    with ThreadPoolExecutor(workers) as pool:
        futures = {pool.submit(crew.run, shard): shard for shard in shards}
        try:
            for future in as_completed(futures):
                future.result()
                yield futures[future]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
