"""A network of ours as an ONNX model: exported once, then kept in the state folder.

With the kept model, a worker that only fills holes never loads torch. The file's name is a hash of all that
the export depends on: card, weights, the networks' code, versions. Its own SHA-256 is checked before use,
and a damaged file is exported again.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline import environment, paths
from pipeline.archive.atomic import write_bytes, write_json
from pipeline.archive.fixity import file_sha256, tree_sha256, value_sha256
from pipeline.errors import PentimentoError, explain_machine
from pipeline.progress import say

if TYPE_CHECKING:
    from torch import nn

_FILES = (paths.CARD, paths.WEIGHTS)
_CELLS = (5, 7)  # height and width of the example that a network is exported with, in its multiples


@dataclass(frozen=True)
class Exported:
    """An ONNX model of a network of ours, and what an engine needs to run it.

    onnx: the model; its inputs and its output are those that the network's class names.
    card: the card that lies beside the weights.
    multiple: height and width must be multiples of it.
    reach: pixels to each side that one output pixel may depend on.
    """

    onnx: bytes
    card: Mapping[str, Any]
    multiple: int
    reach: int


def exported(folder: Path, cache: Path | None = None) -> Exported:
    """The network in `folder` as ONNX: from `cache`, otherwise exported (seconds) and kept there.

    Raises:
        PentimentoError: when the folder holds no sound network that restores.
    """
    if cache is None:
        return _make(folder)
    for name in _FILES:
        if not (folder / name).is_file():
            raise PentimentoError(f"no model in {folder}: {name} is missing")
    code = Path(__file__).parent
    parts = [file_sha256(folder / name) for name in _FILES]
    parts += [tree_sha256(code), version("torch"), version("onnx"), version("onnxscript")]
    kept = cache / value_sha256(parts)[:32]
    found = _read(kept)
    if found is None:
        found = _make(folder)
        try:
            _write(kept, found)
        except OSError as error:
            say(f"the ONNX model of {folder} is not kept, it is made each time: {explain_machine(error)}")
    return found


def kept_in(folder: Path) -> Path | None:
    """Where the ONNX model of a network in `folder` is kept: in its project's state folder, if any."""
    try:
        root = paths.project_root(folder)
    except PentimentoError:
        return None  # a model outside any project
    return environment.state_dir(root) / paths.ENGINES


def to_onnx(network: nn.Module, inputs: Mapping[str, int], output: str, multiple: int = 1) -> bytes:
    """A network as an ONNX model that takes pictures of any height and width.

    Args:
        network: takes tensors (N, C, H, W), all of one height and width, and gives one.
        inputs: the name and the channels of each input, in order.
        output: the name of the output.
        multiple: heights and widths are multiples of it.
    """
    import torch

    height, width = (cells * multiple for cells in _CELLS)
    # At least two cells: torch would turn one into a constant. ONNX itself has no such limit.
    rows, columns = (torch.export.Dim(name, min=2) for name in ("rows", "columns"))
    side = {
        2: rows if multiple == 1 else multiple * rows,
        3: columns if multiple == 1 else multiple * columns,
    }
    example = tuple(torch.zeros(1, channels, height, width) for channels in inputs.values())
    with _quiet():
        program = torch.onnx.export(
            network.float().eval(),
            example,
            dynamo=True,
            dynamic_shapes=tuple(side for _ in inputs),
            input_names=list(inputs),
            output_names=[output],
            optimize=False,  # the engines do it themselves as they load the model
            verbose=False,
        )
    if program is None:
        raise PentimentoError(f"{type(network).__name__} cannot be exported to ONNX")
    return bytes(program.model_proto.SerializeToString())


def _make(folder: Path) -> Exported:
    from pipeline.models.registry import load_model

    loaded, card = load_model(folder)
    network: Any = loaded
    if not hasattr(network, "inputs"):
        raise PentimentoError(f"{folder} holds a '{card['architecture']}', which restores nothing")
    model = to_onnx(network, network.inputs, network.output, network.multiple)
    return Exported(model, card, network.multiple, network.reach)


def _read(kept: Path) -> Exported | None:
    """The kept model of that name; None if it is missing or damaged."""
    try:
        about = json.loads(kept.with_suffix(".json").read_text(encoding="utf-8"))
        content = kept.with_suffix(".onnx").read_bytes()
        if hashlib.sha256(content).hexdigest() != about["sha256"]:
            return None
        return Exported(content, dict(about["card"]), int(about["multiple"]), int(about["reach"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None  # missing or damaged: it is made again


def _write(kept: Path, model: Exported) -> None:
    about = {"card": model.card, "multiple": model.multiple, "reach": model.reach}
    # The description is written last: it proves that the model is complete.
    write_bytes(kept.with_suffix(".onnx"), model.onnx)
    write_json(kept.with_suffix(".json"), {"sha256": hashlib.sha256(model.onnx).hexdigest(), **about})


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the exporter's progress and hints; a failure still raises."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
