"""Who works on shards: processes of this machine, a Dask cluster, or Ray; one thread each.

Whatever runs them, shards, journals and bytes are the same. A worker that is killed, by the machine's
out-of-memory killer for instance, costs at most the one work that it was killed by, since works it left
are then tried alone.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait
from threading import Lock, Thread
from typing import Any, Protocol

from flows.processes import configure_process, keep_memory, may_fork
from pipeline.errors import PentimentoError
from pipeline.restoration.runs.shard import Shard, killed, left, run_shard

RUNNERS = ("local", "dask", "ray")


class Workers(Protocol):
    """What works on shards; `run` blocks, and is called from several threads at once."""

    def run(self, shard: Shard) -> None:
        """Restore a shard's works; its journal tells what was done."""


class HeadStart:
    """Processes of this machine that start while a run is still planned: starting takes them as long.

    Args:
        runner: only 'local' ones are worth it.
        workers: how many there will be at most.
    """

    def __init__(self, runner: str, workers: int) -> None:
        self._runner, self._workers = runner, workers
        self.pool: LocalPool | None = None

    def begin(self, processes: int) -> None:
        """Start so many; not for one, which may need no process of its own."""
        if self._runner == "local" and processes > 1:
            configure_process()
            self.pool = LocalPool(self._workers, processes)

    def __enter__(self) -> HeadStart:
        return self

    def __exit__(self, *_: object) -> None:
        if self.pool is not None:
            self.pool.close()


def open_workers(
    runner: str, workers: int, shards: int, delicate: bool, begun: LocalPool | None = None
) -> AbstractContextManager[Workers]:
    """The workers of a runner, started as they are needed.

    Args:
        runner: 'local', 'dask' or 'ray'.
        workers: how many works are restored side by side.
        shards: how many shards there are.
        delicate: whether a work may take its process with it; if not, a single shard needs no process
            of its own.
        begun: processes that had a head start.

    Raises:
        PentimentoError: when the runner is unknown or not installed.
    """
    if runner not in RUNNERS:
        raise PentimentoError(f"unknown runner '{runner}'; known are: {', '.join(RUNNERS)}")
    if begun is not None:
        return nullcontext(begun)
    configure_process()
    if runner == "dask":
        return _dask(workers)
    if runner == "ray":
        return _ray(workers)
    return _in_process() if min(workers, shards) == 1 and not delicate else _local(min(workers, shards))


class _InProcess:
    def run(self, shard: Shard) -> None:
        run_shard(shard)


class LocalPool:
    """Processes of this machine.

    Args:
        workers: how many there will be at most.
        at_once: how many are started before there is work for them; forked where that is safe, which
            spares them loading what this process has loaded.
    """

    def __init__(self, workers: int, at_once: int = 0) -> None:
        self._workers = workers
        self._lock = Lock()
        self._alone = Lock()
        if at_once and may_fork():
            self._pool = ProcessPoolExecutor(workers, get_context("fork"), _begin_forked)
        else:
            self._pool = self.start(workers)
        for _ in range(at_once):
            self._pool.submit(_nothing)

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
                    self._pool = self.start(self._workers)
        with self._alone:  # memory may be short: shards of a broken pool run one after another
            self._one_by_one(shard)

    def close(self) -> None:
        """End the processes."""
        self._pool.shutdown(cancel_futures=True)

    def _one_by_one(self, shard: Shard) -> None:
        """After a kill: try each remaining work alone in a process, to find the one that caused it."""
        pool = self.start(1)
        try:
            for alone in _alone(shard):
                try:
                    pool.submit(run_shard, alone).result()
                except BrokenProcessPool:
                    killed(alone)
                    pool.shutdown()
                    pool = self.start(1)
        finally:
            pool.shutdown()

    @staticmethod
    def start(workers: int) -> ProcessPoolExecutor:
        """A pool of processes that end with this one."""
        # Spawned, not forked: libvips and torch are loaded and have threads, which a fork would break.
        return ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_end_with_parent)


class _Cluster:
    """Shards as tasks of a cluster that tells when a task's worker was killed."""

    def __init__(self, call: Callable[[Shard], Any], was_killed: tuple[type[Exception], ...]) -> None:
        self._call, self._was_killed = call, was_killed

    def run(self, shard: Shard) -> None:
        """See Workers."""
        try:
            self._call(shard)
        except self._was_killed:
            for alone in _alone(shard):
                try:
                    self._call(alone)
                except self._was_killed:
                    killed(alone)


def _alone(shard: Shard) -> Iterator[Shard]:
    """The works of an interrupted shard that its journal does not hold, each as a separate shard."""
    for work in left(shard):
        yield replace(shard, works=(work,))


@contextmanager
def _in_process() -> Iterator[Workers]:
    yield _InProcess()


@contextmanager
def _local(workers: int) -> Iterator[Workers]:
    pool = LocalPool(workers)
    try:
        yield pool
    finally:
        pool.close()


@contextmanager
def _dask(workers: int) -> Iterator[Workers]:
    try:
        import dask
        from distributed import Client, LocalCluster
        from distributed.scheduler import KilledWorker
    except ImportError:
        raise PentimentoError(
            "--runner dask needs the extra `dask`: pip install 'pentimento[dask]'"
        ) from None
    with (
        # A shard is tried a second time when its worker dies; then its works are tried alone.
        dask.config.set({"distributed.scheduler.allowed-failures": 1}),
        LocalCluster(  # type: ignore[no-untyped-call]
            workers, threads_per_worker=1, processes=True, dashboard_address=":0"
        ) as cluster,
        Client(cluster) as client,  # type: ignore[no-untyped-call]
    ):
        yield _Cluster(lambda shard: client.submit(run_shard, shard, pure=False).result(), (KilledWorker,))


@contextmanager
def _ray(workers: int) -> Iterator[Workers]:
    try:
        import ray
        from ray.exceptions import NodeDiedError, OutOfMemoryError, RayTaskError, WorkerCrashedError
    except ImportError:
        raise PentimentoError("--runner ray needs the extra `ray`: pip install 'pentimento[ray]'") from None
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is reported to anyone
    ray.init(
        address="local",
        num_cpus=workers,
        include_dashboard=False,
        log_to_driver=False,
        configure_logging=False,
    )
    task = ray.remote(num_cpus=1, max_retries=1)(run_shard)

    def call(shard: Shard) -> Any:
        try:
            return ray.get(task.remote(shard))
        except RayTaskError as error:
            cause = getattr(error, "cause", None)
            raise cause if isinstance(cause, PentimentoError) else error from None

    try:
        yield _Cluster(call, (WorkerCrashedError, OutOfMemoryError, NodeDiedError))
    finally:
        ray.shutdown()


def _nothing() -> None:
    """A task without work, which only starts a process."""


def _begin_forked() -> None:
    keep_memory()
    _end_with_parent()


def _end_with_parent() -> None:
    """End this process with the run that started it, even when that is killed by SIGKILL.

    Otherwise a pool's process would wait for work for ever, because it holds both ends of the queue.
    """
    parent = parent_process()
    assert parent is not None
    Thread(target=_end_after, args=(parent.sentinel,), daemon=True).start()


def _end_after(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)
