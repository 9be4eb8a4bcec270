"""Families of networks to choose from in params.yaml, each in a file of its own, with its parameters.

`classifiers/` and `generators/` each hold one registry; stages and flows reach a family through it.
"""

__all__ = ["classifiers", "generators"]
