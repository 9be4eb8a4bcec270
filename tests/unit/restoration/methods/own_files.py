"""Small ONNX models as users declare them: each is a few operators, so that what it makes is known."""

import json

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from pipeline.restoration.methods.own_models import OwnModel

FLOAT = TensorProto.FLOAT
PICTURE = ("picture", FLOAT, ["n", 3, "h", "w"])
MASK = ("mask", FLOAT, ["n", 1, "h", "w"])


def write(path, nodes, inputs=(PICTURE,), constants=(), outputs=("out",)):
    """An ONNX model of these nodes (operator, inputs, outputs, attributes) at `path`."""
    graph = helper.make_graph(
        [helper.make_node(kind, takes, gives, **more) for kind, takes, gives, more in nodes],
        "own",
        [helper.make_tensor_value_info(*entry) for entry in inputs],
        [helper.make_tensor_value_info(name, FLOAT, None) for name in outputs],
        [numpy_helper.from_array(np.asarray(values), name) for name, values in constants],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    path.write_bytes(model.SerializeToString())


def affine(path, factor=1.0, plus=0.0, **more):
    """A model that multiplies its picture and adds to it."""
    numbers = [("a", np.float32(factor)), ("b", np.float32(plus))]
    nodes = [("Mul", ["picture", "a"], ["scaled"], {}), ("Add", ["scaled", "b"], ["out"], {})]
    write(path, nodes, constants=numbers, **more)


def enlarge(path, times):
    sizes = [("sizes", np.float32([1, 1, times, times]))]
    nodes = [("Resize", ["picture", "", "sizes"], ["out"], {"mode": "nearest"})]
    write(path, nodes, constants=sizes)


def own(**values):
    return OwnModel.model_validate_json(json.dumps({"path": "own.onnx", "step": "enhance"} | values))


def scene(channels=3, height=37, width=50):
    return np.random.default_rng(0).uniform(0.2, 0.8, (height, width, channels)).astype(np.float32)


def filling(path, value=0.5):
    """A model that paints holes in one value, and spoils everything outside them."""
    write(path, [("Mul", ["mask", "value"], ["out1"], {}), ("Sub", ["out1", "picture"], ["out"], {})],
          inputs=[PICTURE, MASK], constants=[("value", np.float32(value))])  # fmt: skip
