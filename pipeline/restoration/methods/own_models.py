"""Bring your own model: networks that params.yaml declares act as the method of a step.

A declared model is an ONNX file, or a folder with a network of ours. It is checked when it is loaded
(own_loader.py). Its result for each window is checked again (interface.sound).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

import numpy as np
from pydantic import Field, model_validator

from pipeline.errors import StepFailed
from pipeline.models.inference import AnyEngine, Array, Precision, Session
from pipeline.params import StageParams
from pipeline.restoration.methods import registry
from pipeline.restoration.methods.fill import check, fillers
from pipeline.restoration.methods.interface import FillFailed, Mask, Pixels, Position, Preview, sound
from pipeline.restoration.methods.learnt_filler import checked, refine
from pipeline.restoration.methods.steps import ClassicalName

_SLACK = 0.01  # how far a probability may lie outside [0, 1]


class OwnModel(StageParams):
    """The declaration of a user's model; docs/own-models.md explains it."""

    path: PurePosixPath  # an .onnx file, or a folder with a network of Pentimento; relative to the project
    step: str  # the name of a step of the registry
    scale: Literal[1, 2, 4] = 1
    channels: Literal[1, 3] = 3
    low: float = 0.0  # the value of black in the model's inputs and outputs
    high: float = 1.0  # the value of white
    multiple: int = Field(default=1, ge=1, le=1024)  # heights and widths of inputs are multiples of it
    reach: int = Field(default=64, ge=0, le=1024)  # pixels of context that a result depends on
    threshold: float = Field(default=0.5, gt=0, lt=1)  # detect: least probability of damage
    start: Literal["none", ClassicalName] = "none"  # fill: filler that fills the holes of the input
    engine: AnyEngine = "auto"
    precision: Precision = "fp32"

    @model_validator(mode="after")
    def _consistent(self) -> OwnModel:
        if self.low >= self.high:
            raise ValueError(f"low ({self.low:g}) must be less than high ({self.high:g})")
        known = {step.name: step.changes for step in registry.steps()}
        if self.step not in known:
            raise ValueError(f"unknown step {self.step!r}; known are: {', '.join(known)}")
        if (known[self.step] == "size") != (self.scale > 1):
            raise ValueError("scale is 2 or 4 for the step upscale, and 1 for every other one")
        return self


@dataclass(frozen=True)
class _Own:
    """A declared model with its engine."""

    name: str
    model: OwnModel
    session: Session

    @property
    def reach(self) -> int:
        """See Filler and Enhancer."""
        return self.model.reach

    @property
    def multiple(self) -> int:
        """See Enhancer."""
        return self.model.multiple

    def to_range(self, pixels: Pixels) -> Array:
        """Map values from [0, 1] to [low, high]."""
        return pixels * np.float32(self.model.high - self.model.low) + np.float32(self.model.low)

    def from_range(self, values: Array) -> Pixels:
        """Map values from [low, high] to [0, 1]."""
        return (values - np.float32(self.model.low)) / np.float32(self.model.high - self.model.low)

    def each(self, pixels: Pixels, method: Callable[[Pixels], Pixels]) -> Pixels:
        """Apply a method to a picture (H, W, C) of any C, in inputs of the model's channels.

        A model for RGB gets a grey picture as RGB, and the result is the mean of its channels. A model for
        grey gets one channel at a time.

        Raises:
            StepFailed: when the model is for RGB and the picture is neither grey nor RGB.
        """
        channels = pixels.shape[2]
        if channels == self.model.channels:
            return method(pixels)
        if self.model.channels == 1:
            return np.concatenate([method(pixels[..., [one]]) for one in range(channels)], axis=2)
        if channels == 1:
            filled = method(np.repeat(pixels, 3, axis=2))
            return np.asarray(filled.mean(axis=2, keepdims=True), np.float32)
        raise StepFailed(f"{self.name} knows grey and RGB, not {channels} channels")

    def result(self, pixels: Pixels) -> Array:
        """The model's result (h, w, c) for one picture (H, W, C); both in the model's own range.

        Raises:
            StepFailed: when the engine fails, or h and w are not H and W times the scale.
        """
        height, width = pixels.shape[:2]
        bottom, right = -height % self.multiple, -width % self.multiple
        padded = np.pad(pixels, ((0, bottom), (0, right), (0, 0)), mode="symmetric")
        made = self.session.run(np.ascontiguousarray(padded.transpose(2, 0, 1)[None]))
        scale = self.model.scale
        wanted = (padded.shape[0] * scale, padded.shape[1] * scale)
        if made.ndim != 4 or made.shape[0] != 1 or made.shape[2:] != wanted:
            shapes = f"{_times(made.shape)} of 1 x {padded.shape[2]} x {_times(padded.shape[:2])}"
            raise StepFailed(f"it makes {shapes}; scale {scale} is declared")
        values: Array = made[0].transpose(1, 2, 0)
        return values[: height * scale, : width * scale]


@dataclass(frozen=True)
class OwnFiller(_Own):
    """A user's filler: its inputs are a picture and a mask (1 in the holes), its output is a picture."""

    def __call__(self, pixels: Pixels, mask: Mask, wanted: Mask | None = None) -> Pixels:
        """See Filler."""
        check(pixels, mask)
        if not mask.any():
            return pixels.copy()
        try:
            filled = self.each(pixels, lambda part: self._fill(part, mask, wanted))
        except StepFailed as error:
            raise FillFailed(str(error)) from None
        return checked(pixels, filled, mask, self.name)

    def _fill(self, pixels: Pixels, mask: Mask, wanted: Mask | None) -> Pixels:
        if self.model.start == "none":
            start = np.where(mask[..., None], np.float32(0), self.to_range(pixels))
        else:
            start = self.to_range(fillers()[self.model.start](pixels, mask))
        return self.from_range(refine(self.session.run, start, mask, self.multiple, self.reach, wanted))


@dataclass(frozen=True)
class OwnEnhancer(_Own):
    """A user's enhancer or upscaler: picture in, picture out."""

    @property
    def scale(self) -> int:
        """See Enhancer."""
        return self.model.scale

    @property
    def judged(self) -> Mapping[str, float | bool]:
        """See Enhancer: empty."""
        return {}

    def tuned(self, preview: Preview) -> OwnEnhancer:
        """See Enhancer: itself, because the model derives no values from a picture."""
        return self

    def __call__(self, pixels: Pixels) -> Pixels:
        """See Enhancer."""
        return sound(self.each(pixels, self._enhance), self.name)

    def _enhance(self, pixels: Pixels) -> Pixels:
        result = self.from_range(self.result(self.to_range(pixels)))
        if result.shape[2] != self.model.channels:
            raise StepFailed(f"it makes {result.shape[2]} channels of {self.model.channels}")
        return result


@dataclass(frozen=True)
class OwnDetector(_Own):
    """A user's detector: picture in, one or more maps of probabilities out.

    A pixel is damage where any map reaches the threshold.
    """

    def context(self, height: int, width: int) -> int:
        """See Detector."""
        return self.model.reach

    def __call__(self, pixels: Pixels, place: Position) -> Mask:
        """See Detector. A model for grey gets the mean of the channels."""
        if self.model.channels == 1:
            pixels = np.asarray(pixels.mean(axis=2, keepdims=True), np.float32)
        elif pixels.shape[2] == 1:
            pixels = np.repeat(pixels, 3, axis=2)
        elif pixels.shape[2] != 3:
            raise StepFailed(f"{self.name} knows grey and RGB, not {pixels.shape[2]} channels")
        maps = self.result(self.to_range(pixels))
        if not np.isfinite(maps).all():
            raise StepFailed(f"the result of {self.name} is not finite")
        if maps.min() < -_SLACK or maps.max() > 1 + _SLACK:
            raise StepFailed(
                f"the result of {self.name} reaches from {maps.min():.3g} to {maps.max():.3g}: "
                "no probabilities; let the model end in a sigmoid"
            )
        return np.asarray((maps >= self.model.threshold).any(axis=2), np.bool_)


def _times(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
