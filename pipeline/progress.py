"""Progress of long work: a bar in a terminal, a plain line now and then in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")

PLAIN_INTERVAL = 10.0  # seconds between two plain lines


def track(items: Iterable[T], label: str, total: int | None = None) -> Iterator[T]:
    """Yield `items` and show how far they are, on standard error."""
    if total is None:
        try:
            total = len(items)  # type: ignore[arg-type]
        except TypeError:
            total = None
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import track as rich_track

        yield from rich_track(items, label, total=total, console=Console(stderr=True), transient=True)
    else:
        yield from _plain(items, label, total)


def say(text: str) -> None:
    """One line for the person who watches, on standard error."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201


def _plain(items: Iterable[T], label: str, total: int | None) -> Iterator[T]:
    last = time.monotonic()
    for done, item in enumerate(items):
        if time.monotonic() - last > PLAIN_INTERVAL:
            last = time.monotonic()
            say(f"{label}: {done} of {total}" if total else f"{label}: {done}")
        yield item
