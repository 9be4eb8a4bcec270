"""Bring your own model: networks declared in params.yaml take the part of a step.

A declared model is an ONNX file, or a folder with a network of ours. It is tried on two small pictures
when it is loaded, so that a wrong declaration is told at once and not by a ruined archive; what it
makes of each window of a work is checked again (steps.sound).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import numpy as np
from pydantic import Field, model_validator

from pipeline.archive.fixity import file_sha256
from pipeline.errors import PentimentoError
from pipeline.params import StageParams
from pipeline.restoration import inference
from pipeline.restoration.fill import check, fillers
from pipeline.restoration.inference import AnyEngine, Array, Precision, Session
from pipeline.restoration.learnt import LearntFiller, checked, refine
from pipeline.restoration.onnx_header import read_header
from pipeline.restoration.steps import (
    Detector,
    Enhancer,
    Filler,
    FillFailed,
    Look,
    Mask,
    Pixels,
    Place,
    StepFailed,
    sound,
)

_PROBE = 64  # pixels of a side of the pictures that a model is tried on, at least
_SLACK = 0.01  # how far beyond [0, 1] a probability may lie


class OwnModel(StageParams):
    """The declaration of a model of the user's; docs/own-models.md explains it."""

    path: PurePosixPath  # an .onnx file, or a folder of ours; relative to the project
    step: Literal["fill", "enhance", "upscale", "detect"]
    scale: Literal[1, 2, 4] = 1
    channels: Literal[1, 3] = 3
    low: float = 0.0  # what stands for black in the model's inputs and outputs
    high: float = 1.0  # what stands for white
    multiple: int = Field(default=1, ge=1, le=1024)  # heights and widths are multiples of it
    reach: int = Field(default=64, ge=0, le=1024)  # pixels of context that a result depends on
    threshold: float = Field(default=0.5, gt=0, lt=1)  # detect: probability from which on it is damage
    start: Literal["none", "telea", "navier_stokes", "biharmonic", "tension"] = (
        "none"  # fill: what the holes hold
    )
    engine: AnyEngine = "auto"
    precision: Precision = "fp32"

    @model_validator(mode="after")
    def _consistent(self) -> OwnModel:
        if self.low >= self.high:
            raise ValueError(f"low ({self.low:g}) must be less than high ({self.high:g})")
        if (self.step == "upscale") != (self.scale > 1):
            raise ValueError("scale is 2 or 4 for the step upscale, and 1 for every other one")
        return self


def load_own(
    name: str, model: OwnModel, root: Path, cache: Path | None = None
) -> Filler | Enhancer | Detector:
    """A declared model as the step that it is declared for, tried on two small pictures.

    Args:
        name: what params.yaml calls it.
        model: its declaration.
        root: the project's folder; the model's path is relative to it.
        cache: folder for ONNX models of networks of ours (see LearntFiller).

    Raises:
        PentimentoError: naming the model and its fault: the file is missing or damaged, its inputs,
            channels, sizes, scale or range are not those declared, or its engine cannot run it.
    """
    path = root / model.path
    try:
        if path.is_dir():
            return _load_folder(name, model, path, cache)
        return _load_file(name, model, path)
    except (PentimentoError, StepFailed) as error:
        raise PentimentoError(f"restore.models.{name}: {model.path}: {error}") from None


def describe(name: str, model: OwnModel, root: Path) -> dict[str, Any]:
    """What a result depends on: the declaration, the files' SHA-256, the engine with its version.

    The model is not loaded.

    Raises:
        PentimentoError: when a file is missing.
    """
    path = root / model.path
    files = [path / "card.json", path / "weights.safetensors"] if path.is_dir() else [path]
    try:
        digests = {file.name: file_sha256(file) for file in files}
    except OSError as error:
        raise PentimentoError(f"restore.models.{name}: {error.filename}: {error.strerror}") from None
    engine = inference.choose(model.engine, model.precision) if path.is_dir() else _file_engine(model)
    declared = model.model_dump(mode="json", exclude={"path", "engine", "precision"})
    return {"name": name, "sha256": digests, **declared, **inference.describe(engine, model.precision)}


def _load_folder(name: str, model: OwnModel, path: Path, cache: Path | None) -> Filler:
    if model.step != "fill":
        raise PentimentoError(
            f"a folder of ours holds a filler; for the step {model.step} give an .onnx file"
        )
    filler = LearntFiller(path, model.engine, cache, model.precision)
    filler.name = name
    return filler


def _load_file(name: str, model: OwnModel, path: Path) -> Filler | Enhancer | Detector:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise PentimentoError("there is no such file or folder") from None
    except OSError as error:
        raise PentimentoError(f"it cannot be read: {error.strerror}") from None
    read_header(content).check(_inputs(model))
    engine = _file_engine(model)
    if engine != "onnx":
        # OpenVINO was seen to answer where sizes do not fit; ONNX Runtime says so.
        _probe(_made(name, model, inference.open_session("onnx", content)))
    made = _made(name, model, inference.open_session(engine, content, model.precision))
    _probe(made)
    return made


def _made(name: str, model: OwnModel, session: Session) -> OwnFiller | OwnEnhancer | OwnDetector:
    if model.step == "fill":
        return OwnFiller(name, model, session)
    if model.step == "detect":
        return OwnDetector(name, model, session)
    return OwnEnhancer(name, model, session)


def _file_engine(model: OwnModel) -> inference.Engine:
    if model.engine != "auto":
        return model.engine
    return "onnx" if model.precision == "fp32" else "openvino"


def _inputs(model: OwnModel) -> list[int]:
    return [model.channels, 1] if model.step == "fill" else [model.channels]


@dataclass(frozen=True)
class _Own:
    """A declared model with its engine."""

    name: str
    model: OwnModel
    session: Session

    @property
    def reach(self) -> int:
        """See steps."""
        return self.model.reach

    @property
    def multiple(self) -> int:
        """See steps."""
        return self.model.multiple

    def to_range(self, pixels: Pixels) -> Array:
        """[0, 1] to low..high."""
        return pixels * np.float32(self.model.high - self.model.low) + np.float32(self.model.low)

    def from_range(self, values: Array) -> Pixels:
        """low..high to [0, 1]."""
        return (values - np.float32(self.model.low)) / np.float32(self.model.high - self.model.low)

    def each(self, pixels: Pixels, method: Callable[[Pixels], Pixels]) -> Pixels:
        """The method on as many channels as the model has: grey as RGB, or channel by channel.

        Raises:
            StepFailed: when the picture is neither grey nor RGB, and the model is for RGB.
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
        """What the model makes (h, w, c) of one picture (H, W, C); both in the model's own range.

        Raises:
            StepFailed: when the engine gives up, or h and w are not H and W times the scale.
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
    """Fills holes: picture and mask (1 in the holes) in, picture out."""

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
    """Makes a whole picture better, or larger: picture in, picture out."""

    @property
    def scale(self) -> int:
        """See Enhancer."""
        return self.model.scale

    @property
    def judged(self) -> Mapping[str, float | bool]:
        """See Enhancer: nothing."""
        return {}

    def tuned(self, look: Look) -> OwnEnhancer:
        """Itself: it is not set to single pictures."""
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
    """Finds damage: picture in, one or more maps of probabilities out; any of them counts."""

    def context(self, height: int, width: int) -> int:
        """See Detector."""
        return self.model.reach

    def __call__(self, pixels: Pixels, place: Place) -> Mask:
        """See Detector. A model for grey is shown the mean of the channels."""
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


def _probe(made: OwnFiller | OwnEnhancer | OwnDetector) -> None:
    """Try a model on two pictures of different shape, each side a multiple of what is declared.

    Raises:
        StepFailed: when it fails, or what it makes is not sound.
    """
    model, step = made.model, made.multiple
    side = -(-_PROBE // step) * step
    for height, width in ((side, side + step), (side + 2 * step, side)):
        rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
        waves = 0.5 + 0.2 * np.sin(rows / 3)[..., None] + 0.2 * np.cos(columns[..., None] / [4, 5, 6])
        pixels = waves[..., : model.channels].astype(np.float32)
        try:
            if isinstance(made, OwnFiller):
                hole = np.zeros((height, width), np.bool_)
                hole[height // 2 : height // 2 + 8, width // 2 : width // 2 + 8] = True
                made(pixels, hole)
            elif isinstance(made, OwnDetector):
                made(pixels, Place(0, 0, height, width))
            else:
                made(pixels)
        except StepFailed as error:
            values = f"low {model.low:g}, high {model.high:g}, multiple {model.multiple}"
            raise StepFailed(f"{error} (tried on {height} x {width} pixels, {values})") from None
