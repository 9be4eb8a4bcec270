"""Batches made ahead by processes of their own, so that a GPU need not wait for one core."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from pipeline.training.task import Batch, Task

_DEPTH = 4  # batches that each process keeps ready


class _Epoch(IterableDataset[dict[str, Tensor]]):
    """One epoch of a task for one training process, dealt out to the processes that make its batches."""

    def __init__(self, task: Task, epoch: int, rank: int, processes: int) -> None:
        self.task, self.epoch, self.rank, self.processes = task, epoch, rank, processes

    def __iter__(self) -> Iterator[Batch]:
        worker = get_worker_info()
        part, parts = (worker.id, worker.num_workers) if worker else (0, 1)
        return self.task.batches(self.epoch, self.rank * parts + part, self.processes * parts)


def ahead(
    task: Task, epoch: int, rank: int, processes: int, loaders: int, *, pinned: bool
) -> Iterator[Batch]:
    """The batches of one epoch for one of several training processes, in a fixed order.

    With `loaders` > 0 as many processes make a share each, as if they were so many training processes, and
    the shares are dealt out in turn. So the draws depend on `loaders`; those of the same number are equal.

    Args:
        task: makes the batches.
        epoch, rank, processes: see Task.batches.
        loaders: processes that make batches; 0 = this one does. They are forked: the task may hold anything.
        pinned: hand out tensors in page-locked memory, which a GPU reads faster.
    """
    if loaders == 0:
        return task.batches(epoch, rank, processes)
    return iter(
        DataLoader(
            _Epoch(task, epoch, rank, processes),
            batch_size=None,
            num_workers=loaders,
            pin_memory=pinned,
            prefetch_factor=_DEPTH,
            multiprocessing_context="fork",
        )
    )
