"""Families of generators, one a file; the files register themselves in `GENERATORS`.

From outside a family is reached by its name in the parameters, through the functions below.
"""

from pipeline.training.families.generators.base import (
    GENERATORS,
    GeneratorFamily,
    GeneratorParams,
    load,
    load_start_weights,
)

__all__ = ["GENERATORS", "GeneratorFamily", "GeneratorParams", "gan", "load", "load_start_weights"]
