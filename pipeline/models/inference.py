"""Engines that run a network: torch, ONNX Runtime and OpenVINO, behind one small interface.

Each runs on one thread, because works are restored in parallel; only torch uses a GPU. On a CPU that
supports bf16, OpenVINO uses it at twice the speed and almost no loss (benchmarks/inference.py). On other
CPUs, ONNX Runtime in full precision is slightly faster than torch, equally exact, and loads sooner.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline import environment
from pipeline.errors import PentimentoError, StepFailed

if TYPE_CHECKING:
    from torch import nn

Engine = Literal["torch", "onnx", "openvino"]
AnyEngine = Literal["auto", "torch", "onnx", "openvino"]
Precision = Literal["fp32", "bf16"]
Array = NDArray[np.float32]

_KEPT: list[Any] = []  # what OpenVINO must not be asked to give back; see _openvino_core
PACKAGES: dict[Engine, str] = {"torch": "torch", "onnx": "onnxruntime", "openvino": "openvino"}
_DRIVERS = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")  # of NVIDIA, AMD, and any GPU under WSL 2
_MISSING_OPERATOR = re.compile(
    r"(?:Fatal error: |No Op registered for |No conversion rule found for operations: )([\w.:, -]*\w)"
)


class Session(Protocol):
    """A network, loaded into an engine."""

    @property
    def engine(self) -> Engine:
        """Which engine it is."""

    @property
    def precision(self) -> Precision:
        """What it computes in."""

    def run(self, *arrays: Array) -> Array:
        """The network's one result for its inputs, all float32 (N, C, H, W), H and W free.

        Raises:
            StepFailed: when the engine gives up: a size that does not fit, no memory.
        """


def choose(engine: AnyEngine, precision: Precision | None = None) -> Engine:
    """The engine of that name; for 'auto' the fastest one here with almost no loss of quality.

    'auto' is torch if there is a GPU; OpenVINO if it is installed, the CPU supports bf16 and `precision` is
    not fp32; otherwise ONNX Runtime.
    """
    if engine != "auto":
        return engine
    if gpu():
        return "torch"
    return "openvino" if precision != "fp32" and _bf16() else "onnx"


@lru_cache(maxsize=1)
def _bf16() -> bool:
    """Whether OpenVINO is installed and computes in bf16 on this CPU."""
    try:
        core = _openvino_core()
    except ImportError:
        return False
    return "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def _openvino_core() -> Any:
    """OpenVINO, never given back: a network is loaded once and used to the end, so they are few.

    A core gives the thread a stack of its own for signals (2026.4), and takes it away in the end. Of several
    that end in the order in which they began, the last puts back the stack of one that is gone: the next
    signal, a worker's end or Ctrl-C, is then the end of the process.
    """
    import openvino

    _KEPT.append(openvino.Core())
    return _KEPT[-1]


def gpu() -> str | None:
    """The GPU that torch should use ('cuda', 'cuda:1'), or None for the CPU.

    Raises:
        PentimentoError: when PENTIMENTO_DEVICE asks for one and there is none.
    """
    wanted = environment.device()
    # torch takes seconds to load, so it is loaded only if a GPU's driver is present.
    if wanted == "cpu" or (wanted == "auto" and not any(Path(driver).exists() for driver in _DRIVERS)):
        return None
    import torch

    if torch.cuda.is_available():
        return "cuda" if wanted == "auto" else wanted
    if wanted == "auto":
        return None
    raise PentimentoError(f"PENTIMENTO_DEVICE is {wanted}, but torch sees no such device")


def describe(engine: Engine, precision: Precision) -> dict[str, str]:
    """The sidecar's description of an engine: its name, its package with version, its precision."""
    package = PACKAGES[engine]
    return {"engine": engine, "package": f"{package} {version(package)}", "precision": precision}


def open_session(engine: Engine, model: bytes | nn.Module, precision: Precision | None = None) -> Session:
    """Load a network.

    Args:
        engine: which one; torch takes a module, the others an ONNX model.
        model: the network; a module is moved to the device and must not be trained on.
        precision: bf16 computes in half the bits where the device can (not by ONNX Runtime). None is
            bf16 for torch on a GPU, else fp32.

    Raises:
        PentimentoError: when the engine is not installed or cannot load the model.
    """
    if isinstance(model, bytes) == (engine == "torch"):
        given = "an ONNX model" if isinstance(model, bytes) else "a network of ours"
        raise PentimentoError(f"the engine '{engine}' cannot run {given}")
    if engine == "onnx" and precision == "bf16":
        raise PentimentoError("the engine 'onnx' computes in fp32 only; for bf16 choose openvino")
    try:
        if not isinstance(model, bytes):
            return _Torch(model, precision)
        return _OnnxRuntime(model) if engine == "onnx" else _OpenVino(model, precision or "fp32")
    except ImportError:
        package = PACKAGES[engine]
        extra = "" if engine == "onnx" else f"[{engine}]"
        raise PentimentoError(
            f"the engine '{engine}' needs the package {package}: run `pip install '.{extra}'` in the clone"
        ) from None


class _Torch:
    engine: Engine = "torch"

    def __init__(self, network: nn.Module, precision: Precision | None) -> None:
        import torch

        self._device = torch.device(gpu() or "cpu")
        default: Precision = "fp32" if self._device.type == "cpu" else "bf16"
        self.precision: Precision = precision or default
        # Convolutions are fastest in channels-last layout, on both kinds of device.
        self._layout: Any = torch.channels_last
        module: Any = network.eval()
        self._network = module.to(self._device, memory_format=self._layout)

    def run(self, *arrays: Array) -> Array:
        import torch

        half = torch.autocast(self._device.type, torch.bfloat16, enabled=self.precision == "bf16")
        try:
            with torch.inference_mode(), half:
                given = [
                    torch.from_numpy(np.ascontiguousarray(array)).to(self._device, memory_format=self._layout)
                    for array in arrays
                ]
                result = self._network(*given)
                return np.asarray(result.float().contiguous().cpu().numpy(), np.float32)
        except (RuntimeError, MemoryError) as error:
            raise StepFailed(f"torch: {_reason(error)}") from None


class _OnnxRuntime:
    engine: Engine = "onnx"
    precision: Precision = "fp32"

    def __init__(self, model: bytes) -> None:
        import onnxruntime
        from onnxruntime.capi import onnxruntime_pybind11_state as state

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.use_deterministic_compute = True
        # An arena keeps the memory of the largest tile, and gains nothing here.
        options.enable_cpu_mem_arena = False
        options.log_severity_level = 4  # a failure raises; warnings about a graph are of no use
        self._faults = (
            state.Fail, state.InvalidArgument, state.InvalidGraph, state.InvalidProtobuf, state.EPFail,
            state.NoModel, state.NotImplemented, state.RuntimeException, state.EngineError,
            RuntimeError, ValueError, MemoryError,
        )  # fmt: skip
        try:
            self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        except self._faults as error:
            raise _refusal("onnxruntime", error) from None
        self._names = [entry.name for entry in self._session.get_inputs()]

    def run(self, *arrays: Array) -> Array:
        given = dict(zip(self._names, map(np.ascontiguousarray, arrays), strict=True))
        try:
            return np.asarray(self._session.run(None, given)[0], np.float32)
        except self._faults as error:
            raise StepFailed(f"onnxruntime: {_reason(error)}") from None


class _OpenVino:
    engine: Engine = "openvino"

    def __init__(self, model: bytes, precision: Precision) -> None:
        core = _openvino_core()
        hint = {"fp32": "f32", "bf16": "bf16"}[precision]
        self._settings = {
            "INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1, "INFERENCE_PRECISION_HINT": hint,
            "ENABLE_CPU_PINNING": False,  # otherwise all workers run on the machine's first core
        }  # fmt: skip
        try:
            network = core.read_model(model, b"")
            self._compile: Callable[[], Any] = lambda: core.compile_model(network, "CPU", self._settings)
            self._compiled = self._compile()
            used = str(self._compiled.get_property("INFERENCE_PRECISION_HINT"))
        except RuntimeError as error:
            raise _refusal("openvino", error) from None
        # A CPU without such instructions uses full precision instead.
        self.precision: Precision = "bf16" if "bf" in used else "fp32"

    def run(self, *arrays: Array) -> Array:
        # On one thread OpenVINO 2026.4 swallows its own failures: a request that was used before then
        # holds the last result still, and the compiled network is of no use any more. So each tile has
        # its own request, which holds nothing when it failed, and the network is compiled again.
        try:
            request = self._compiled.create_infer_request()
            result = request.infer([np.ascontiguousarray(array) for array in arrays])
            found = np.array(result[0], np.float32)  # a copy: the request's memory is freed with it
        except (RuntimeError, MemoryError) as error:
            raise StepFailed(f"openvino: {_reason(error)}") from None
        if not found.size:
            _KEPT.append((self._compiled, request))  # once it is gone, other networks crash
            self._compiled = self._compile()
            raise StepFailed("openvino: it gave no result; sizes that do not fit, or too little memory")
        return found


def _refusal(package: str, error: Exception) -> PentimentoError:
    """The reason why a model cannot be loaded, in one line."""
    if found := _MISSING_OPERATOR.search(str(error)):
        return PentimentoError(f"it uses operators that {package} {version(package)} lacks: {found[1]}")
    return PentimentoError(f"{package} cannot load it: {_reason(error)}")


def _reason(error: Exception) -> str:
    """The most informative line of an engine's message, cut to a readable length."""
    lines = [line.strip() for line in str(error).splitlines()]
    telling = [line for line in lines if line and not line.startswith(("Exception from", "Check '"))]
    text = (telling or [type(error).__name__])[0]
    return re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", text)[:200]
