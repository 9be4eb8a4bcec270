"""A trained network of ours, opened in an engine; every learnt step uses one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import PentimentoError
from pipeline.models import inference
from pipeline.models.export import exported, kept_in
from pipeline.models.inference import AnyEngine, Precision, Session

PURPOSES = {
    "residual_unet": "a restorer",
    "damage_detector": "a detector of damage",
    "enhancer": "an enhancer",
    "upscaler": "an upscaler",
    "colour_net": "a model of colours",
}


@dataclass(frozen=True)
class Network:
    """A network, ready to run.

    session: runs it.
    card: the card beside its weights.
    multiple: height and width of its input must be multiples of it.
    reach: pixels to each side that one output pixel may depend on.
    """

    session: Session
    card: Mapping[str, Any]
    multiple: int
    reach: int

    @property
    def engine(self) -> str:
        """The engine, and what it computes in: for the sidecar."""
        return f"{self.session.engine} {self.session.precision}"

    @property
    def libraries(self) -> tuple[str, ...]:
        """The packages that a result depends on, beside those of the classical methods."""
        return (inference.PACKAGES[self.session.engine],)


def open_network(
    folder: Path,
    architecture: str,
    engine: AnyEngine,
    cache: Path | None = None,
    precision: Precision | None = None,
) -> Network:
    """Open the network in a folder.

    Args:
        folder: card and weights.
        architecture: the required architecture, a key of PURPOSES.
        engine: the engine, see inference.choose. Engines other than torch run it as an ONNX model.
        cache: folder in which the ONNX model is kept; None is the state folder of the project that
            `folder` lies in; outside a project it is made each time (seconds).
        precision: see inference.open_session; None is bf16 for OpenVINO, which is chosen for its speed.

    Raises:
        PentimentoError: when the folder holds no such network, or the engine is not installed.
    """
    chosen = inference.choose(engine, precision)
    if chosen == "torch":
        from pipeline.models.registry import load_model

        loaded, card = load_model(folder)
        _require(card, architecture, folder)
        network: Any = loaded.float()
        session = inference.open_session("torch", network, precision)
        return Network(session, card, int(network.multiple), int(network.reach))
    model = exported(folder, cache or kept_in(folder))
    _require(model.card, architecture, folder)
    half: Precision | None = "bf16" if chosen == "openvino" else None
    session = inference.open_session(chosen, model.onnx, precision or half)
    return Network(session, model.card, model.multiple, model.reach)


def _require(card: Mapping[str, Any], architecture: str, folder: Path) -> None:
    if card["architecture"] != architecture:
        raise PentimentoError(f"{folder} holds a '{card['architecture']}', not {PURPOSES[architecture]}")
