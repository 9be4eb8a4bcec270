"""What the learning methods share: which evidence they take, and what stays missing."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from pipeline.catalog.missing.task import Answer, Bools, Floats, Spec, Task, measured

# Columns by name. A list will do: it comes from YAML, past the place where strictness lets it pass.
Predictors = Annotated[tuple[str, ...], Field(strict=False)]
LEAST = 5  # recorded values, to learn from; with fewer the gaps stay
FEWEST = 3  # works of a name that is learnt: one for each fold


class Learnt(Spec):
    """Base of the methods that learn from recorded values."""

    accept: float = Field(default=0.0, ge=0, le=1)  # values of less confidence stay missing
    max_evidence: int = Field(default=20_000, ge=LEAST)  # recorded works learnt from, drawn by the seed

    def narrow(self, task: Task) -> Task:
        """The gaps, and at most `max_evidence` of the recorded works."""
        rows = np.flatnonzero(task.known)
        if len(rows) <= self.max_evidence:
            return task
        drawn = np.random.default_rng(task.seed).choice(rows, self.max_evidence, replace=False)
        kept = task.gaps.copy()
        kept[drawn] = True
        return task.only(kept)

    def evidence_rows(self, task: Task, usable: Bools) -> NDArray[np.int64]:
        """Rows to learn from: recorded, usable, and no name with fewer than three works."""
        rows = np.flatnonzero(task.known & usable)
        if task.kind == "name" and len(rows):
            values = task.works[task.column].to_numpy(object)[rows]
            _, which, counts = np.unique(values.astype(str), return_inverse=True, return_counts=True)
            rows = rows[counts[which] >= FEWEST]
        return rows

    def accepted(self, answer: Answer) -> Answer:
        """The answer without what is not a number, or not believed enough."""
        values, confidence = answer.values.astype(object), np.clip(answer.confidence, 0, 1)
        refused = confidence < self.accept
        refused |= np.array([isinstance(v, float) and not measured(np.array([v]))[0] for v in values], bool)
        values[refused] = None
        return Answer(values, confidence)


def most_probable(names: NDArray[np.object_], probabilities: Floats) -> Answer:
    """The most probable of K names for each row of probabilities (G, K); of equals the first."""
    best = probabilities.argmax(axis=1)
    return Answer(names[best], probabilities[np.arange(len(best)), best])
