"""Progress of long work: a bar in a terminal, a line every ten seconds in a log.

rich draws the bar. It prints nothing into a log before the end, and it shows no speed until two updates
made progress, so the lines and the speed are computed here.
"""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event, Thread
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

T = TypeVar("T")

PLAIN_INTERVAL = 10.0  # seconds between two plain lines
LIVE_INTERVAL = 0.5  # seconds between two looks in a terminal
RECENT = 30.0  # seconds over which the speed is averaged
_PER_WORK = 0.02  # megapixels that each work costs beside its own; makes the estimate right for tiny works


@dataclass(frozen=True)
class Progress:
    """How far a run over works is."""

    works: int
    amount: float  # megapixels
    failed: int


class Meter:
    """Words for the progress of a run: works and megapixels done, speed, time left.

    Args:
        label: the name of the work, for the line.
        works: how many works there are to do.
        amount: their megapixels.
    """

    def __init__(self, label: str, works: int, amount: float) -> None:
        self.works = works
        self._label, self._amount = label, amount
        self._samples: deque[tuple[float, Progress]] = deque()

    def line(self, now: Progress, at: float) -> str:
        """One line for `now`, seen at `at` seconds of a steady clock."""
        parts = [
            f"{self._label}: {now.works:,} of {self.works:,} works",
            f"{now.amount:,.1f} of {self._amount:,.1f} MP",
        ]
        return ", ".join([*parts, *self.outlook(now, at)])

    def outlook(self, now: Progress, at: float) -> list[str]:
        """Recent speed, time left and failures, as far as they are known."""
        self._samples.append((at, now))
        while len(self._samples) > 2 and at - self._samples[1][0] >= RECENT:
            self._samples.popleft()
        began, first = self._samples[0]
        elapsed, parts = at - began, []
        if elapsed > 0 and now.works > first.works:
            parts.append(f"{max(0.0, now.amount - first.amount) / elapsed:,.1f} MP/s")
            done = _effort(now.works, now.amount) - _effort(first.works, first.amount)
            rest = _effort(self.works, self._amount) - _effort(now.works, now.amount)
            if done > 0:
                parts.append(f"{duration(max(0.0, rest) * elapsed / done)} left")
        return [*parts, f"{now.failed:,} failed"] if now.failed else parts


@contextmanager
def watched(meter: Meter, look: Callable[[], Progress]) -> Iterator[None]:
    """Show on standard error how far a run is while the block works.

    A terminal gets a bar. A log gets a line every ten seconds, so it stays short.

    Args:
        meter: formats the line.
        look: returns the current progress; called from a separate thread.
    """
    over = Event()
    live = sys.stderr.isatty()
    show = _in_bar if live else _in_lines
    thread = Thread(target=show, args=(meter, look, over), name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def duration(seconds: float) -> str:
    """A rough length of time: `40 s`, `12 min`, `3 h 20 min`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def track(items: Iterable[T], label: str, total: int | None = None) -> Iterator[T]:
    """Yield `items` and show the progress on standard error."""
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


def _effort(works: int, amount: float) -> float:
    return works * _PER_WORK + amount


def _in_lines(meter: Meter, look: Callable[[], Progress], over: Event) -> None:
    meter.line(look(), time.monotonic())  # where the speed is counted from
    while not over.wait(PLAIN_INTERVAL):
        say(meter.line(look(), time.monotonic()))


def _in_bar(meter: Meter, look: Callable[[], Progress], over: Event) -> None:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    columns = (BarColumn(bar_width=24), TextColumn("{task.description}"))
    bar: Bar
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=meter.works)
        while True:
            now = look()
            bar.update(task, completed=now.works, description=meter.line(now, time.monotonic()))
            if over.wait(LIVE_INTERVAL):
                return


def _plain(items: Iterable[T], label: str, total: int | None) -> Iterator[T]:
    last = time.monotonic()
    for done, item in enumerate(items):
        if time.monotonic() - last > PLAIN_INTERVAL:
            last = time.monotonic()
            say(f"{label}: {done} of {total}" if total else f"{label}: {done}")
        yield item
