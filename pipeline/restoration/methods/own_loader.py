"""Load a declared model, and report a wrong declaration before it ruins an archive.

The header of an ONNX file is checked (onnx_header.py), then the model is tried on two small pictures.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from pipeline import paths
from pipeline.archive.fixity import file_sha256
from pipeline.errors import PentimentoError, StepFailed
from pipeline.models import inference
from pipeline.models.inference import Session
from pipeline.models.onnx_header import read_header
from pipeline.restoration.methods.interface import Detector, Enhancer, Filler, Position
from pipeline.restoration.methods.learnt_filler import LearntFiller
from pipeline.restoration.methods.own_models import OwnDetector, OwnEnhancer, OwnFiller, OwnModel
from pipeline.restoration.methods.registry import step

_SIDE = 64  # pixels: least side of the test pictures


def load_own(
    name: str, model: OwnModel, root: Path, cache: Path | None = None
) -> Filler | Enhancer | Detector:
    """Load a declared model as a method of its step, and try it on two small pictures.

    Args:
        name: the model's name in params.yaml.
        model: the declaration.
        root: the project's folder; the model's path is relative to it.
        cache: folder that caches ONNX models of Pentimento's networks (see LearntFiller).

    Raises:
        PentimentoError: when the file is missing or damaged, its inputs, channels, sizes, scale or range
            differ from the declaration, or the engine cannot run it. The message names the model.
    """
    path = root / model.path
    try:
        if path.is_dir():
            return _load_folder(name, model, path, cache)
        return _load_file(name, model, path)
    except (PentimentoError, StepFailed) as error:
        raise PentimentoError(f"restore.models.{name}: {model.path}: {error}") from None


def describe(name: str, model: OwnModel, root: Path) -> dict[str, Any]:
    """The parts of a model that a result depends on: declaration, SHA-256 of the files, engine and version.

    The model is not loaded.

    Raises:
        PentimentoError: when a file is missing.
    """
    path = root / model.path
    files = [path / paths.CARD, path / paths.WEIGHTS] if path.is_dir() else [path]
    try:
        digests = {file.name: file_sha256(file) for file in files}
    except OSError as error:
        raise PentimentoError(f"restore.models.{name}: {error.filename}: {error.strerror}") from None
    engine = inference.choose(model.engine, model.precision) if path.is_dir() else _file_engine(model)
    declared = model.model_dump(mode="json", exclude={"path", "engine", "precision"})
    return {"name": name, "sha256": digests, **declared, **inference.describe(engine, model.precision)}


def _load_folder(name: str, model: OwnModel, path: Path, cache: Path | None) -> Filler:
    if step(model.step).changes != "masked pixels":
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
        # OpenVINO may return a result although sizes do not match; ONNX Runtime reports the fault.
        _try(_made(name, model, inference.open_session("onnx", content)))
    made = _made(name, model, inference.open_session(engine, content, model.precision))
    _try(made)
    return made


def _made(name: str, model: OwnModel, session: Session) -> OwnFiller | OwnEnhancer | OwnDetector:
    changes = step(model.step).changes
    if changes == "masked pixels":
        return OwnFiller(name, model, session)
    if changes == "mask":
        return OwnDetector(name, model, session)
    return OwnEnhancer(name, model, session)


def _file_engine(model: OwnModel) -> inference.Engine:
    if model.engine != "auto":
        return model.engine
    return "onnx" if model.precision == "fp32" else "openvino"


def _inputs(model: OwnModel) -> list[int]:
    return [model.channels, 1] if step(model.step).changes == "masked pixels" else [model.channels]


def _try(made: OwnFiller | OwnEnhancer | OwnDetector) -> None:
    """Try a model on two pictures of different shape; their sides are multiples of the declared `multiple`.

    Raises:
        StepFailed: when the model fails, or its result is not valid.
    """
    model, multiple = made.model, made.multiple
    side = -(-_SIDE // multiple) * multiple
    for height, width in ((side, side + multiple), (side + 2 * multiple, side)):
        rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
        waves = 0.5 + 0.2 * np.sin(rows / 3)[..., None] + 0.2 * np.cos(columns[..., None] / [4, 5, 6])
        pixels = waves[..., : model.channels].astype(np.float32)
        try:
            if isinstance(made, OwnFiller):
                hole = np.zeros((height, width), np.bool_)
                hole[height // 2 : height // 2 + 8, width // 2 : width // 2 + 8] = True
                made(pixels, hole)
            elif isinstance(made, OwnDetector):
                made(pixels, Position(0, 0, height, width))
            else:
                made(pixels)
        except StepFailed as error:
            values = f"low {model.low:g}, high {model.high:g}, multiple {model.multiple}"
            raise StepFailed(f"{error} (tried on {height} x {width} pixels, {values})") from None
