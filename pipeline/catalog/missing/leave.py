"""The gaps stay, or their works go."""

from __future__ import annotations

from typing import Literal

from pipeline.catalog.missing.task import Answer, Spec, Task


class Leave(Spec):
    """Gaps stay gaps."""

    method: Literal["leave"] = "leave"

    def answer(self, task: Task) -> Answer:
        """Nothing is said of any gap."""
        return task.refuse()


class Drop(Spec):
    """Works with a gap are marked in the column `dropped`, with the reason."""

    method: Literal["drop"] = "drop"

    def answer(self, task: Task) -> Answer:
        """Nothing is said of any gap."""
        return task.refuse()
