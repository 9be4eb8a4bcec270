"""Restoring: runs over an archive, above the work on one picture, above the methods of each step.

`runs` may import `work` and `methods`, `work` may import `methods`, and never the other way round.
"""

__all__ = ["methods", "runs", "work"]
