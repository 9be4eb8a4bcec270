"""Network architectures (nn.Module only, one family a file), their registry, and the engines that run them.

They know tensors, not pictures, files of the archive or training.
"""

__all__ = [
    "cells",
    "classifier",
    "cnn",
    "colour",
    "detector",
    "enhancer",
    "gan",
    "generator",
    "hats",
    "inference",
    "lite0",
    "network",
    "onnx_header",
    "patchgan",
    "registry",
    "surroundings",
    "unet",
]
