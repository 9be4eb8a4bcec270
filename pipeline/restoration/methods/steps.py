"""The steps that Pentimento knows, and the named chains of steps (modes)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Literal

from pipeline.restoration.methods.registry import ORDER, Step, register, step

ClassicalName = Literal["telea", "navier_stokes", "biharmonic", "tension"]  # fillers without a network
Mode = Literal["conserve", "enhance", "upscale"]  # the keys of `MODES`
JpegOutput = Literal["jpeg", "tiff"]

DETECT = register(
    Step(
        "detect",
        changes="mask",
        optional=True,
        seconds=0.28,
        help="Look for damage: none, classical, learnt or a model of yours; default: none with "
        "--masks, as measured without.",
    )
)
FILL = register(
    Step(
        "fill",
        changes="masked pixels",
        fallback="fallback",
        settings={"fallback": (ClassicalName, None)},
        help="auto, telea, navier_stokes, biharmonic, tension, learnt or a model.",
    )
)
ENHANCE = register(
    Step(
        "enhance",
        changes="page",
        seconds=1.5,
        undoes=("noise", "fading", "varnish"),
        help="auto, classical, learnt or a model, where the chain has the step enhance.",
    )
)
UPSCALE = register(
    Step(
        "upscale",
        changes="size",
        seconds=0.18,
        settings={"scale": (Literal[2, 4], "2 or 4, where the chain has the step upscale.")},
        help="auto, classical, learnt or a model, where the chain has the step upscale.",
    )
)

MODES: Mapping[str, tuple[str, ...]] = {
    "conserve": ("detect", "fill"),
    "enhance": ("detect", "fill", "enhance"),
    "upscale": ("detect", "fill", "upscale"),
}


def chain(names: Sequence[str]) -> tuple[Step, ...]:
    """The steps of a chain, from their names.

    Raises:
        PentimentoError: when a name is not known.
        ValueError: when the chain is empty, holds a step twice or in the wrong order, or finds damage
            without a step that fills it.
    """
    found = tuple(step(name) for name in names)
    if not found:
        raise ValueError("a chain needs a step")
    if len(set(names)) < len(names):
        raise ValueError("a step may stand in a chain only once")
    for before, after in pairwise(found):
        if _phase(before) > _phase(after):
            raise ValueError(
                f"{after.name} (changes: {after.changes}) must stand before {before.name} "
                f"(changes: {before.changes})"
            )
    kinds = {one.changes for one in found}
    if "mask" in kinds and "masked pixels" not in kinds:
        raise ValueError("what finds damage needs a step behind it that fills it, such as fill")
    return found


def _phase(one: Step) -> int:
    """The rank of a step in a chain. Steps that change the page or its size share one: any order is valid."""
    return min(ORDER.index(one.changes), ORDER.index("page"))
