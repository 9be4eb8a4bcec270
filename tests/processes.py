"""The command as a process of its own, and looking at processes from outside, on Linux."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

# `pentimento`, which hears Ctrl-C even where these tests run in a shell's background, which does not.
_HEARS = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
_MAIN = f"{_HEARS}; from flows.cli import main; main()"
PENTIMENTO = [sys.executable, "-c", _MAIN]


def until(condition: Callable[[], bool], seconds: float = 120) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def is_running(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rsplit(")", 1)[1].split()[0] != "Z"


def children(pid: int) -> list[int]:
    threads = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for listed in threads for child in listed.read_text().split()]
