"""Families of generators, one a file; the files register themselves in `GENERATORS`."""

from pipeline.training.families.generators.base import (
    GENERATORS,
    GeneratorFamily,
    GeneratorParams,
    load,
    load_start_weights,
)

__all__ = ["GENERATORS", "GeneratorFamily", "GeneratorParams", "load", "load_start_weights"]
