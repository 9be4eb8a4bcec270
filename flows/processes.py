"""Settings of the processes that restore works: one thread each, and freed memory is kept for reuse.

Works run in parallel, so one thread per process is fastest. It also makes the output bytes reproducible.
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VIPS_CONCURRENCY")
# Variables of glibc's allocator; others ignore them. The process keeps the memory of a tile's arrays. Else
# it goes back to the system, which clears it again for the next tile.
_KEEP_MEMORY = {"MALLOC_MMAP_THRESHOLD_": 268_435_456, "MALLOC_TRIM_THRESHOLD_": 536_870_912}
_MALLOPT = {"MALLOC_MMAP_THRESHOLD_": -3, "MALLOC_TRIM_THRESHOLD_": -1}  # their numbers in malloc.h
_NOT_TO_SHARE = ("onnxruntime", "openvino", "pyvips", "torch")
_TASKS = Path("/proc/self/task")


def configure_process() -> None:
    """Set threads and memory for this process, if numpy is not loaded yet, and for its child processes."""
    for name in _ONE_THREAD:
        os.environ[name] = "1"
    for name, size in _KEEP_MEMORY.items():
        os.environ.setdefault(name, str(size))


def keep_memory() -> None:
    """Set memory for a forked process; the allocator reads the environment only when a program starts."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for name, number in _MALLOPT.items():
            mallopt(number, int(os.environ[name]))


def may_fork() -> bool:
    """Whether a fork of this process is safe: it has one thread, counting those of libraries (POSIX).

    A forked process has only the thread that forked, so locks of other threads are never released in it.
    Libraries that hold more than memory must not be loaded yet. False where threads cannot be counted:
    on every system but Linux.
    """
    if not _TASKS.is_dir() or any(name in sys.modules for name in _NOT_TO_SHARE):
        return False
    return len(list(_TASKS.iterdir())) == 1
