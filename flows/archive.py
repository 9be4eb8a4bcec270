"""Restore an archive: who works on the shards, and the run around them. No Prefect here.

Workers are processes of one thread each. Whatever runs them, the shards, the ledger and the bytes are
the same: a plain pool and Prefect tasks call the same `Workers.run`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from multiprocessing import get_context
from threading import Lock
from typing import Any, Protocol

from pipeline.errors import PentimentoError
from pipeline.progress import track
from pipeline.restoration.archive_run import Request, Summary, open_run
from pipeline.restoration.shard import Shard, killed, read_journal, run_shard

RUNNERS = ("local", "dask")
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VIPS_CONCURRENCY")


class Workers(Protocol):
    """What works on shards; `run` blocks, and is called from several threads at once."""

    def run(self, shard: Shard) -> None:
        """Restore a shard's works; its journal tells what was done."""


def restore_archive(
    request: Request,
    runner: str = "local",
    workers: int = 1,
    execute: Callable[[Workers, list[Shard], int], Iterator[Shard]] | None = None,
) -> Summary:
    """Restore what is new or changed in an archive, and sum up.

    Args:
        request: the archive, its output and how.
        runner: 'local' (processes of this machine) or 'dask' (a local Dask cluster).
        workers: how many works are restored side by side.
        execute: hands shards to the workers and yields each when it is done; default: threads.

    Raises:
        PentimentoError: when the run cannot start or go on.
    """
    with open_run(request) as run:
        if run.shards:
            with open_workers(runner, workers, len(run.shards)) as crew:
                done = (execute or _threads)(crew, run.shards, workers)
                for shard in track(done, "restore", total=len(run.shards)):
                    run.collect(shard)
        return run.finish()


def preview(request: Request, workers: int = 1) -> dict[str, Any]:
    """What `restore_archive` would do: counts, megapixels and a rough duration; writes nothing."""
    with open_run(request, dry=True) as run:
        return {
            "works": run.summary.works,
            "known": run.summary.known,
            "to_do": sum(len(shard.works) for shard in run.shards),
            "shards": len(run.shards),
            "megapixels": round(run.todo_megapixels, 2),
            "rough_seconds": round(run.todo_megapixels / run.speed(workers), 1),
            "unreadable": len(run.failures),
            "ignored_files": run.summary.ignored_files,
            "skipped_links": run.summary.skipped_links,
            "without_mask": run.summary.without_mask,
            "unused_masks": run.summary.unused_masks,
        }


def open_workers(runner: str, workers: int, shards: int) -> AbstractContextManager[Workers]:
    """The workers of a runner, started as they are needed."""
    if runner == "dask":
        return _dask(workers)
    if runner != "local":
        raise PentimentoError(f"unknown runner '{runner}'; known are: {', '.join(RUNNERS)}")
    return _in_process() if min(workers, shards) == 1 else _local(min(workers, shards))


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


class _InProcess:
    def run(self, shard: Shard) -> None:
        run_shard(shard)


class _LocalPool:
    """Processes of this machine; a killed one costs the work that killed it, nothing else."""

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._lock = Lock()
        self._pool = self._start(workers)

    def run(self, shard: Shard) -> None:
        """See Workers."""
        shard = replace(shard, parent=os.getpid())
        pool = self._pool
        try:
            pool.submit(run_shard, shard).result()
            return
        except BrokenProcessPool:
            with self._lock:
                if self._pool is pool:
                    self._pool = self._start(self._workers)
        self._one_by_one(shard)

    def close(self) -> None:
        """End the processes."""
        self._pool.shutdown(cancel_futures=True)

    def _one_by_one(self, shard: Shard) -> None:
        """After a kill: each work that is left in a process of its own, so that the culprit is found."""
        for alone in _left(shard):
            with self._start(1) as pool:
                try:
                    pool.submit(run_shard, alone).result()
                except BrokenProcessPool:
                    killed(alone)

    @staticmethod
    def _start(workers: int) -> ProcessPoolExecutor:
        # Spawned, not forked: libvips and torch have threads that a fork would break.
        for name in _ONE_THREAD:
            os.environ[name] = "1"
        return ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_die_with_parent)


class _Dask:
    """A Dask cluster: shards are tasks, a killed worker's shard is tried again by another."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def run(self, shard: Shard) -> None:
        """See Workers."""
        from distributed.scheduler import KilledWorker

        try:
            self._client.submit(run_shard, shard, pure=False).result()
        except KilledWorker:
            for alone in _left(shard):
                killed(alone)


def _left(shard: Shard) -> list[Shard]:
    """The works of a broken-off shard that its journal does not know, each as a shard of its own."""
    notes = list(read_journal(shard.journal)) if shard.journal.exists() else []
    done = {note["work"] for note in notes}
    return [replace(shard, works=(work,)) for work in shard.works if shard.name(work) not in done]


@contextmanager
def _in_process() -> Iterator[Workers]:
    yield _InProcess()


@contextmanager
def _local(workers: int) -> Iterator[Workers]:
    pool = _LocalPool(workers)
    try:
        yield pool
    finally:
        pool.close()


@contextmanager
def _dask(workers: int) -> Iterator[Workers]:
    try:
        from distributed import Client, LocalCluster
    except ImportError:
        raise PentimentoError(
            "--runner dask needs the extra `dask`: pip install 'pentimento[dask]'"
        ) from None
    for name in _ONE_THREAD:
        os.environ[name] = "1"
    with (
        LocalCluster(  # type: ignore[no-untyped-call]
            workers, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        Client(cluster) as client,  # type: ignore[no-untyped-call]
    ):
        yield _Dask(client)


def _die_with_parent() -> None:
    """On Linux a worker is ended with the run that started it, even by SIGKILL."""
    import ctypes
    import signal
    import sys

    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG
