"""How long a run will take, from earlier runs over the same output, else from a typical machine.

The time of a work is a constant part plus a part that grows with its pixels. Both are known for a typical
machine (benchmarks/throughput.py measures them). Earlier runs tell how much faster or slower this machine
is with these pictures.
"""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pipeline.restoration.methods.kit import Kit
from pipeline.restoration.methods.registry import step
from pipeline.restoration.runs.plan import Load, Plan

KINDS = ("restored", "copied")


@dataclass(frozen=True)
class Pace:
    """Seconds of one worker."""

    work: float  # of each work: opening, writing, flushing to disk
    megapixel: float

    def seconds(self, works: int, megapixels: float) -> float:
        """Of so much work."""
        return works * self.work + megapixels * self.megapixel

    def plus(self, other: Pace) -> Pace:
        """Both, one after the other."""
        return Pace(self.work + other.work, self.megapixel + other.megapixel)


TYPICAL = {"restored": Pace(0.012, 0.42), "copied": Pace(0.008, 0.02)}
OPENING = 0.002  # what a step that looks at all of a work adds to each, beside its seconds a megapixel
MODEL = Pace(0.02, 0.3)  # what a network adds to a damaged one
_STARTING = 1.5  # seconds until the first work is begun


@dataclass(frozen=True)
class Recipe:
    """What makes works slow or fast."""

    steps: dict[str, int]  # those that look at the whole picture: how many times larger their result is
    models: list[str]  # networks among the methods

    @classmethod
    def of(cls, kit: Kit) -> Recipe:
        """Of the methods that works are restored with."""
        larger, steps = 1, {}
        for link in kit.links("mask", "page", "size"):
            larger *= getattr(link.method, "scale", 1)
            steps[link.step.name] = larger
        return cls(steps, sorted(kit.models))

    def pace(self, kind: str) -> Pace:
        """Of a typical machine, for works that are 'restored' or 'copied'."""
        pace = TYPICAL[kind]
        for name, larger in self.steps.items():
            pace = pace.plus(Pace(OPENING, step(name).seconds * larger**2))
        return pace.plus(MODEL) if self.models and kind == "restored" else pace


@dataclass
class Spent:
    """What works of one kind took, added up over all workers."""

    works: int = 0
    megapixels: float = 0.0
    seconds: float = 0.0

    def add(self, megapixels: float, seconds: float) -> None:
        """Count one more work."""
        self.works += 1
        self.megapixels = round(self.megapixels + megapixels, 6)
        self.seconds = round(self.seconds + seconds, 3)


@dataclass(frozen=True)
class Estimate:
    """How long, and how that is known."""

    seconds: float
    based_on: str


def nothing_spent() -> dict[str, Spent]:
    """An empty account."""
    return {kind: Spent() for kind in KINDS}


def noted(recipe: Recipe, spent: dict[str, Spent]) -> dict[str, Any]:
    """What the run log keeps for later estimates."""
    kinds = {kind: asdict(account) for kind, account in spent.items()}
    return {"machine": platform.node(), "recipe": asdict(recipe), "spent": kinds}


def estimate(plan: Plan, recipe: Recipe, workers: int, runs: Sequence[dict[str, Any]]) -> Estimate:
    """How long a plan will take with so many workers.

    Args:
        plan: what is to be done. Works that are looked through are taken for damaged.
        recipe: how; runs with another one tell nothing.
        workers: works restored side by side.
        runs: lines of the run log about finished runs, oldest first.
    """
    if not plan.shards:
        return Estimate(0.0, "nothing to do")
    factors, works = _learn(recipe, runs)
    loads: dict[str, Load] = {"restored": plan.damaged, "copied": plan.whole}
    total = 0.0
    for kind, load in loads.items():
        factor = factors.get(kind) or next(iter(factors.values()), 1.0)
        total += factor * recipe.pace(kind).seconds(load.works, load.megapixels)
    seconds = _STARTING + total / min(workers, len(plan.shards))
    if works:
        return Estimate(seconds, f"the speed of the last {works:,} works of this output on this machine")
    return Estimate(seconds, "the speed of a typical machine; after a run with --limit it is your own")


def _learn(recipe: Recipe, runs: Sequence[dict[str, Any]]) -> tuple[dict[str, float], int]:
    """How many times longer than on a typical machine works took, by kind, and of how many that is known."""
    factors: dict[str, float] = {}
    known = 0
    for run in reversed(runs):
        if run.get("machine") != platform.node() or run.get("recipe") != asdict(recipe):
            continue
        for kind in KINDS:
            spent = _account(run.get("spent"), kind)
            if spent.works and spent.seconds and kind not in factors:
                factors[kind] = spent.seconds / recipe.pace(kind).seconds(spent.works, spent.megapixels)
                known += spent.works
    return factors, known


def _account(value: Any, kind: str) -> Spent:
    try:
        return Spent(**{name: value[kind][name] + 0 for name in ("works", "megapixels", "seconds")})
    except (KeyError, TypeError):  # a damaged line
        return Spent()
