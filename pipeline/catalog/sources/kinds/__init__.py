"""Kinds of sources, one a file; the files register themselves in `SOURCES` (registry.py).

From outside a kind is reached by its name in the parameters, through `SOURCES`.
"""

__all__ = ["folder", "met", "table"]
