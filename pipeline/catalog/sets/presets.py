"""Augmentation presets: for each task a policy that keeps its labels true.

Which changes keep a label true depends on the task. A flipped landscape still belongs to its school, but
in a flipped drawing the hatching runs the wrong way, which matters for the artist. A shifted hue does not
change what a picture shows, but it changes the artist's palette.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from pipeline.catalog.sets.augmentation import Policy
from pipeline.errors import PentimentoError

PresetName = Literal["school", "artist", "tags", "restoration"]

_UPSIDE_DOWN = "no painting hangs on its head"
_TURNED = "no painting hangs on its side"
_MIRRORED = "hatching, light and signature lie as the artist's hand laid them"
_HUE = "the palette is the artist's own"
_BRUSH = "it takes away the brushwork, which tells the artist"
_TARGET = "the picture is what is to be restored: it is shown as it is, the damage is laid on it"
_COLOUR_TRANSFORMS = ("HueSaturationValue", "ColorJitter", "RGBShift", "ChannelShuffle", "ToGray", "ToSepia")
_FINE_TRANSFORMS = ("GaussianBlur", "MedianBlur", "MotionBlur", "Defocus", "GlassBlur")
_TURNS = {"VerticalFlip": _UPSIDE_DOWN, "Transpose": _TURNED, "RandomRotate90": _TURNED, "D4": _TURNED}


@dataclass(frozen=True)
class Preset:
    """A policy, and the transforms that the task forbids."""

    policy: Policy
    forbidden: dict[str, str]  # albumentations transform -> reason


def _steps(*steps: tuple[str, dict[str, Any]]) -> Policy:
    return tuple({name: arguments} for name, arguments in steps)


_CROP = {"size": [288, 288], "ratio": [0.8, 1.25]}

PRESETS: dict[PresetName, Preset] = {
    "school": Preset(
        _steps(
            ("HorizontalFlip", {"p": 0.5}),
            ("RandomResizedCrop", {**_CROP, "scale": [0.5, 1.0], "p": 1.0}),
            ("Rotate", {"limit": 3, "border_mode": 4, "p": 0.3}),
            ("RandomBrightnessContrast", {"brightness_limit": 0.1, "contrast_limit": 0.1, "p": 0.5}),
            ("ImageCompression", {"quality_range": [50, 95], "p": 0.3}),
            ("GaussNoise", {"std_range": [0.01, 0.04], "p": 0.3}),
        ),
        forbidden={**_TURNS, **dict.fromkeys(("ChannelShuffle", "ToGray", "ToSepia", "InvertImg"), _HUE)},
    ),
    "artist": Preset(
        _steps(
            ("RandomResizedCrop", {**_CROP, "scale": [0.4, 1.0], "p": 1.0}),
            ("Rotate", {"limit": 3, "border_mode": 4, "p": 0.3}),
            ("RandomBrightnessContrast", {"brightness_limit": 0.08, "contrast_limit": 0.08, "p": 0.5}),
            ("ImageCompression", {"quality_range": [60, 95], "p": 0.3}),
        ),
        forbidden={
            **_TURNS,
            "HorizontalFlip": _MIRRORED,
            **dict.fromkeys((*_COLOUR_TRANSFORMS, "InvertImg"), _HUE),
            **dict.fromkeys(_FINE_TRANSFORMS, _BRUSH),
        },
    ),
    "tags": Preset(
        _steps(
            ("HorizontalFlip", {"p": 0.5}),
            # A tight crop may cut off the subject that a tag names.
            ("RandomResizedCrop", {**_CROP, "scale": [0.7, 1.0], "p": 1.0}),
            ("Rotate", {"limit": 5, "border_mode": 4, "p": 0.3}),
            (
                "HueSaturationValue",
                {"hue_shift_limit": 8, "sat_shift_limit": 20, "val_shift_limit": 15, "p": 0.4},
            ),
            ("RandomBrightnessContrast", {"brightness_limit": 0.2, "contrast_limit": 0.2, "p": 0.5}),
            ("GaussianBlur", {"blur_limit": [3, 5], "p": 0.2}),
            ("ImageCompression", {"quality_range": [40, 95], "p": 0.3}),
            (
                "CoarseDropout",
                {
                    "num_holes_range": [1, 3],
                    "hole_height_range": [0.05, 0.15],
                    "hole_width_range": [0.05, 0.15],
                    "p": 0.3,
                },
            ),
        ),
        forbidden=dict(_TURNS),
    ),
    "restoration": Preset(
        # Cracks and losses have no orientation, so pictures may be rotated freely.
        _steps(
            ("HorizontalFlip", {"p": 0.5}),
            ("VerticalFlip", {"p": 0.5}),
            ("RandomRotate90", {"p": 0.5}),
        ),
        forbidden=dict.fromkeys(
            (*_FINE_TRANSFORMS, "GaussNoise", "ISONoise", "ImageCompression", "CoarseDropout", "Downscale"),
            _TARGET,
        ),
    ),
}


def preset_policy(name: PresetName, *, writing: bool = False) -> Policy:
    """The policy of a preset; without horizontal flips if writing must stay readable.

    Raises:
        PentimentoError: when there is no such preset.
    """
    if name not in PRESETS:
        raise PentimentoError(f"augmentation: there is no preset '{name}'; there are {', '.join(PRESETS)}")
    policy = PRESETS[name].policy
    return [step for step in policy if not (writing and "HorizontalFlip" in step)]


def objections(policy: Policy, name: PresetName, *, writing: bool = False) -> list[str]:
    """Transforms of a user's policy that the task forbids, each with its reason, as warnings.

    A transform of probability 0 and a colour transform without a hue shift are allowed.
    """
    forbidden = dict(PRESETS[name].forbidden)
    if writing:
        forbidden.setdefault("HorizontalFlip", "it mirrors writing")
    return [
        f"{transform}: {forbidden[transform]}"
        for step in policy
        for transform, arguments in step.items()
        if transform in forbidden
        and (arguments or {}).get("p", 0.5) > 0
        and not _keeps_hue(transform, arguments)
    ]


def _keeps_hue(transform: str, arguments: dict[str, Any] | None) -> bool:
    hue = {"HueSaturationValue": "hue_shift_limit", "ColorJitter": "hue"}.get(transform)
    value = (arguments or {}).get(hue or "", None)
    return value == 0 or value in ([0, 0], (0, 0))
