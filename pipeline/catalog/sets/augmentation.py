"""Augmentation by an albumentations policy from params: checked, seeded, and drawn as a contact sheet."""

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

# Arguments of albumentations' transforms that set their strength (see `strengthen`).
_LIMITS = ("limit", "brightness_limit", "contrast_limit", "sat_shift_limit", "val_shift_limit", "gamma_shift")
_UPPER = ("std_range", "hole_height_range", "hole_width_range")
_LOWER = ("scale", "quality_range")


def record(prepared: Path, policy: Policy, preset: str | None, seed: int) -> None:
    """Write the policy into a folder of prepared works, where trainings read it."""
    write_json(prepared / FILE, {"preset": preset, "seed": seed, "policy": list(policy)})


def recorded(prepared: Path) -> Policy:
    """The policy that `record` wrote into a folder of prepared works."""
    policy: Policy = json.loads((prepared / FILE).read_text(encoding="utf-8"))["policy"]
    return policy


def build(policy: Policy, seed: int, strength: float = 0.0) -> Callable[[Picture], Picture]:
    """A function that augments a picture (H, W, 3), 8-bit sRGB, at random, by the seed.

    Args:
        policy: albumentations transforms by name, each with its arguments.
        seed: of the draws.
        strength: how much stronger than the policy, 0 to 1; see `strengthen`.

    Raises:
        PentimentoError: for a transform or an argument that albumentations does not know.
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
    """Draw a contact sheet: one row per picture (H, W, 3), the original and `draws` augmented copies.

    Args:
        target: PNG, JPEG or WebP file.
        pictures: at least one, 8-bit sRGB.
        policy: augments them.
        seed: of the draws; the same seed gives the same bytes.
        strength: for each picture, how much stronger than the policy; None: as the policy says.
        caption: lines under the pictures, above the list of transforms.
        draws: augmented copies of each picture.
        side: pixels of the square that each picture is fitted into.
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
    """A step of a policy as text, one line per transform."""
    return [
        f"{name}  " + ", ".join(f"{key} {value}" for key, value in (arguments or {}).items())
        for name, arguments in step.items()
    ]


def strengthen(policy: Policy, strength: float) -> Policy:
    """A policy made stronger: 0 leaves it as it is, 1 doubles its limits and most of its probabilities.

    A probability p becomes 1 - (1 - p)^(1 + strength). Limits of either sign and the upper ends of noise are
    multiplied by 1 + strength, the lower ends of crops and of JPEG qualities by 1 - strength / 2. Other
    arguments stay.

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
