"""What a process that restores works is like: one thread each, and memory that stays with it.

Works run side by side, so one thread each is fastest; and it makes the bytes the same everywhere.
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VIPS_CONCURRENCY")
# The C library's memory allocator (glibc's; no other looks at them): a tile's arrays stay with the process,
# instead of going back to the system and being cleared by it again for the next tile.
_KEEP_MEMORY = {"MALLOC_MMAP_THRESHOLD_": 268_435_456, "MALLOC_TRIM_THRESHOLD_": 536_870_912}
_MALLOPT = {"MALLOC_MMAP_THRESHOLD_": -3, "MALLOC_TRIM_THRESHOLD_": -1}  # their numbers in malloc.h
_NOT_TO_SHARE = ("onnxruntime", "openvino", "pyvips", "torch")
_TASKS = Path("/proc/self/task")


def configure_process() -> None:
    """For this process, if numpy is not loaded yet, and for those that it starts."""
    for name in _ONE_THREAD:
        os.environ[name] = "1"
    for name, size in _KEEP_MEMORY.items():
        os.environ.setdefault(name, str(size))


def keep_memory() -> None:
    """For a forked process: what the environment says of memory is read when a process starts anew."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for name, number in _MALLOPT.items():
            mallopt(number, int(os.environ[name]))


def may_fork() -> bool:
    """Whether a fork of this process is safe: it has one thread, counting those of libraries (POSIX).

    A forked process has the one thread that forked; locks that others held are never released in it.
    Libraries that hold more than memory must not be loaded yet. False where threads cannot be counted,
    as anywhere but on Linux.
    """
    if not _TASKS.is_dir() or any(name in sys.modules for name in _NOT_TO_SHARE):
        return False
    return len(list(_TASKS.iterdir())) == 1
