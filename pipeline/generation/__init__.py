"""Sampling from the generator: pictures by seed and index, and folders of them.

Stages and flows use the same functions, so the same request gives the same bytes.
"""

__all__ = ["batch", "sampling"]
