"""The inputs that an ONNX file declares, read before an engine loads it, for helpful errors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pipeline.errors import PentimentoError

_FLOAT = 1  # TensorProto.FLOAT


@dataclass(frozen=True)
class Input:
    """An input of a model; None is a free size."""

    name: str
    is_float32: bool
    shape: tuple[int | None, ...]

    def check(self, channels: int) -> None:
        """Refuse what is not float32 (1, channels, free, free).

        Raises:
            PentimentoError: saying what it is instead.
        """
        if not self.is_float32:
            raise PentimentoError(f"its input '{self.name}' is not float32; export it in full precision")
        if len(self.shape) != 4:
            raise PentimentoError(
                f"its input '{self.name}' has {len(self.shape)} dimensions, not the four of (N, C, H, W)"
            )
        batch, given, *sides = self.shape
        if given not in (None, channels):
            last = ", channels last (N, H, W, C)?" if self.shape[3] == channels else ""
            raise PentimentoError(
                f"its input '{self.name}' has {given} channels, {channels} are expected{last}"
            )
        if batch not in (None, 1):
            raise PentimentoError(f"its input '{self.name}' takes batches of {batch} pictures, not of one")
        if fixed := [str(side) for side in sides if side is not None]:
            raise PentimentoError(
                f"its input '{self.name}' is of fixed size ({' x '.join(fixed)}); "
                "export it with free height and width"
            )


@dataclass(frozen=True)
class Header:
    """The inputs of a model, in order, and the names of its outputs."""

    inputs: tuple[Input, ...]
    outputs: tuple[str, ...]

    def check(self, channels: list[int]) -> None:
        """Refuse a model that does not take pictures of these channels and give one result.

        Raises:
            PentimentoError: saying what it takes instead.
        """
        if len(self.inputs) != len(channels):
            names = ", ".join(entry.name for entry in self.inputs) or "none"
            expected = "one, a picture" if len(channels) == 1 else "two, a picture and a mask"
            raise PentimentoError(f"it has {len(self.inputs)} inputs ({names}); expected is {expected}")
        for entry, count in zip(self.inputs, channels, strict=True):
            entry.check(count)
        if len(self.outputs) != 1:
            names = ", ".join(self.outputs)
            raise PentimentoError(f"it has {len(self.outputs)} outputs ({names}); expected is one")


def read_header(content: bytes) -> Header:
    """The header of an ONNX model.

    Raises:
        PentimentoError: when it is no ONNX model, is damaged, or keeps its weights in another file.
    """
    import onnx
    from google.protobuf.message import DecodeError

    try:
        graph = onnx.load_model_from_string(content).graph
    except DecodeError:
        raise PentimentoError("it is damaged, or no ONNX model") from None
    if not graph.node:
        raise PentimentoError("it is damaged, or no ONNX model")
    # One file has one SHA-256, so a model's recorded hash covers its weights, too.
    if any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in _tensors(graph)):
        raise PentimentoError(
            "its weights lie in a second file; join them: onnx.save(onnx.load('a.onnx'), 'b.onnx')"
        )
    weights = {tensor.name for tensor in graph.initializer}
    return Header(
        tuple(_input(value) for value in graph.input if value.name not in weights),
        tuple(value.name for value in graph.output),
    )


def _input(value: Any) -> Input:
    tensor = value.type.tensor_type
    # Some exporters write 0 or -1 for a free size.
    shape = tuple(size.dim_value if size.dim_value > 0 else None for size in tensor.shape.dim)
    return Input(str(value.name), tensor.elem_type == _FLOAT, shape)


def _tensors(graph: Any) -> list[Any]:
    """All constants of a graph, and of the graphs inside it."""
    found = list(graph.initializer)
    for node in graph.node:
        for attribute in node.attribute:
            found += [attribute.t, *attribute.tensors]
            for inner in [attribute.g, *attribute.graphs]:
                found += _tensors(inner) if inner.node else []
    return found
