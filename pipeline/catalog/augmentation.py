"""Augmentation: an albumentations policy from params, checked, seeded, and shown on a contact sheet."""

from __future__ import annotations

import difflib
import inspect
import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import PentimentoError

Picture = NDArray[np.uint8]
Policy = Sequence[dict[str, dict[str, Any]]]


def build(policy: Policy, seed: int) -> Callable[[Picture], Picture]:
    """A function that alters a picture (H, W, 3), 8-bit sRGB, at random; its draws follow the seed.

    Raises:
        PentimentoError: naming a transform or an argument that albumentations does not know.
    """
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
    import albumentations

    transforms = [
        _transform(albumentations, name, arguments or {})
        for step in policy
        for name, arguments in step.items()
    ]
    compose = albumentations.Compose(transforms, seed=seed)

    def augment(picture: Picture) -> Picture:
        altered: Picture = compose(image=np.ascontiguousarray(picture))["image"]
        return altered

    return augment


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
