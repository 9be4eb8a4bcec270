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
    """Seconds that one worker needs."""

    work: float  # for each work: opening, writing, flushing to disk
    megapixel: float  # for each megapixel

    def seconds(self, works: int, megapixels: float) -> float:
        """Seconds for a number of works and megapixels."""
        return works * self.work + megapixels * self.megapixel

    def plus(self, other: Pace) -> Pace:
        """The pace of both tasks, one after the other."""
        return Pace(self.work + other.work, self.megapixel + other.megapixel)


TYPICAL = {"restored": Pace(0.012, 0.42), "copied": Pace(0.008, 0.02)}
OPENING = 0.002  # seconds that each step on whole pictures adds to a work, besides its time a megapixel
MODEL = Pace(0.02, 0.3)  # time that a network adds to a damaged work
_STARTING = 1.5  # seconds until the first work begins


@dataclass(frozen=True)
class Recipe:
    """The steps and models that determine the time of a work."""

    steps: dict[str, int]  # steps on whole pictures -> factor by which their result's sides are longer
    models: list[str]  # methods with a network

    @classmethod
    def of(cls, kit: Kit) -> Recipe:
        """The recipe of a kit."""
        larger, steps = 1, {}
        for link in kit.links("mask", "page", "size"):
            larger *= getattr(link.method, "scale", 1)
            steps[link.step.name] = larger
        return cls(steps, sorted(kit.models))

    def pace(self, kind: str) -> Pace:
        """The pace of a typical machine for works that are 'restored' or 'copied'."""
        pace = TYPICAL[kind]
        for name, larger in self.steps.items():
            pace = pace.plus(Pace(OPENING, step(name).seconds * larger**2))
        return pace.plus(MODEL) if self.models and kind == "restored" else pace


@dataclass
class Spent:
    """The time that works of one kind took, summed over all workers."""

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
    """The estimated seconds, and a text that says what the estimate is based on."""

    seconds: float
    based_on: str


def nothing_spent() -> dict[str, Spent]:
    """An empty account."""
    return {kind: Spent() for kind in KINDS}


def noted(recipe: Recipe, spent: dict[str, Spent]) -> dict[str, Any]:
    """The fields of the run log that later estimates use."""
    kinds = {kind: asdict(account) for kind, account in spent.items()}
    return {"machine": platform.node(), "recipe": asdict(recipe), "spent": kinds}


def estimate(plan: Plan, recipe: Recipe, workers: int, runs: Sequence[dict[str, Any]]) -> Estimate:
    """Estimate how long a plan takes.

    Args:
        plan: the works to restore. Works that steps search for damage count as damaged.
        recipe: steps and models of the run; runs with another recipe are ignored.
        workers: number of works restored in parallel.
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
    """For each kind, the time of earlier works over that of a typical machine; and the number of works."""
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
