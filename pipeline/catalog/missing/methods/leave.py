"""Nothing is completed: the gaps stay, or their works go."""

from __future__ import annotations

from pipeline.catalog.missing.spec import method
from pipeline.catalog.missing.task import Answer, Task


@method("leave", completes=False)
def leave(task: Task) -> Answer:
    """Gaps stay gaps."""
    return task.refuse()


@method("drop", completes=False)
def drop(task: Task) -> Answer:
    """Gaps stay gaps; `complete` marks their works in the column `dropped`, with the reason."""
    return task.refuse()
