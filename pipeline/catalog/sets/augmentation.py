"""Augmentation: an albumentations policy from params, checked, seeded, and shown on a contact sheet."""

from __future__ import annotations

import difflib
import inspect
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.archive.atomic import write_json
from pipeline.archive.sheets import contact_sheet
from pipeline.errors import PentimentoError

Picture = NDArray[np.uint8]
Policy = Sequence[dict[str, dict[str, Any]]]

FILE = "augmentation.json"  # of prepared works

# Arguments of albumentations' transforms that say how strong they are (see `strengthen`).
_LIMITS = ("limit", "brightness_limit", "contrast_limit", "sat_shift_limit", "val_shift_limit", "gamma_shift")
_UPPER = ("std_range", "hole_height_range", "hole_width_range")
_LOWER = ("scale", "quality_range")


def record(prepared: Path, policy: Policy, preset: str | None, seed: int) -> None:
    """Write what pictures are augmented by into a folder of prepared works, for trainings to read."""
    write_json(prepared / FILE, {"preset": preset, "seed": seed, "policy": list(policy)})


def recorded(prepared: Path) -> Policy:
    """The policy that was recorded in a folder of prepared works."""
    policy: Policy = json.loads((prepared / FILE).read_text(encoding="utf-8"))["policy"]
    return policy


def build(policy: Policy, seed: int, strength: float = 0.0) -> Callable[[Picture], Picture]:
    """A function that alters a picture (H, W, 3), 8-bit sRGB, at random; its draws follow the seed.

    Args:
        policy: albumentations transforms by name, each with its arguments.
        seed: of the draws.
        strength: how much stronger than the policy says, 0 to 1; see `strengthen`.

    Raises:
        PentimentoError: naming a transform or an argument that albumentations does not know.
    """
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
    import albumentations

    transforms = [
        _transform(albumentations, name, arguments or {})
        for step in strengthen(policy, strength)
        for name, arguments in step.items()
    ]
    compose = albumentations.Compose(transforms, seed=seed)

    def augment(picture: Picture) -> Picture:
        altered: Picture = compose(image=np.ascontiguousarray(picture))["image"]
        return altered

    return augment


def preview(
    target: Path,
    pictures: Sequence[Picture],
    policy: Policy,
    seed: int,
    *,
    strength: Sequence[float] = (),
    caption: Sequence[str] = (),
    draws: int = 5,
    side: int = 160,
) -> None:
    """Draw a contact sheet: a row for each picture (H, W, 3), as it is and altered `draws` times.

    Args:
        target: PNG, JPEG or WebP file.
        pictures: at least one, 8-bit sRGB.
        policy: what alters them.
        seed: of the draws: the sheet's bytes follow it.
        strength: for each picture, how much stronger than the policy says; none: as it says.
        caption: lines under the pictures; then come the transforms with their arguments.
        draws: altered copies of each.
        side: pixels that each picture is fitted into.
    """
    strengths = [float(one) for one in strength] or [0.0] * len(pictures)
    augments = {one: build(policy, seed, one) for one in sorted(set(strengths))}
    rows = [
        [picture, *(augments[one](picture) for _ in range(draws))]
        for picture, one in zip(pictures, strengths, strict=True)
    ]
    titles = [f"strength {one:g}" for one in strengths] if any(strengths) else ()
    headings = ("as it is", *(f"draw {n + 1}" for n in range(draws)))
    lines = [*caption, *(line for step in policy for line in _described(step))]
    contact_sheet(target, rows, side, titles, headings, lines)


def _described(step: dict[str, dict[str, Any]]) -> list[str]:
    """A step of a policy in words, one line for each transform."""
    return [
        f"{name}  " + ", ".join(f"{key} {value}" for key, value in (arguments or {}).items())
        for name, arguments in step.items()
    ]


def strengthen(policy: Policy, strength: float) -> Policy:
    """A policy made stronger: 0 leaves it as it is, 1 doubles its limits and most of its probabilities.

    What happens with probability p then happens with 1 - (1 - p)^(1 + strength); limits of either sign
    and the upper ends of noise grow by 1 + strength; the lower ends of crops and of JPEG qualities
    shrink by 1 - strength / 2. Whatever else a transform takes stays.

    Args:
        policy: albumentations transforms by name, each with its arguments.
        strength: 0 to 1; `balance.Plan` has one for each work.
    """
    if strength == 0:
        return policy
    return [
        {name: {key: _stronger(key, value, strength) for key, value in (arguments or {}).items()}}
        for step in policy
        for name, arguments in step.items()
    ]


def _stronger(argument: str, value: Any, strength: float) -> Any:
    more, less = 1 + strength, 1 - strength / 2
    if argument == "p":
        return round(1 - (1 - value) ** more, 6)
    if argument in _LIMITS:
        pair = isinstance(value, list | tuple)
        return [round(v * more, 6) for v in value] if pair else round(value * more, 6)
    if argument in _UPPER:
        return [value[0], round(min(1.0, value[1] * more), 6)]
    if argument in _LOWER:
        shrunk = value[0] * less
        return [int(shrunk) if isinstance(value[0], int) else round(shrunk, 6), value[1]]
    return value


def _transform(library: Any, name: str, arguments: dict[str, Any]) -> Any:
    kind = getattr(library, name, None)
    if not (inspect.isclass(kind) and issubclass(kind, library.BasicTransform)):
        known = [
            n
            for n, k in vars(library).items()
            if inspect.isclass(k) and issubclass(k, library.BasicTransform)
        ]
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean '{near[0]}'?" if near else ""
        raise PentimentoError(f"prepare.augmentation: albumentations has no transform '{name}'{hint}")
    allowed = list(inspect.signature(kind.__init__).parameters)[1:]
    for argument in arguments:
        if argument not in allowed:
            raise PentimentoError(
                f"prepare.augmentation: {name} takes no argument '{argument}'; it takes {', '.join(allowed)}"
            )
    try:
        return kind(**{key: tuple(v) if isinstance(v, list) else v for key, v in arguments.items()})
    except (TypeError, ValueError) as error:
        reason = str(error).replace("\n", " ")
        raise PentimentoError(f"prepare.augmentation: {name}: {reason}") from None
