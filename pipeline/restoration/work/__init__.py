"""One work: its pages, masks and steps, what was changed, and the sidecar that says so.

It takes its methods from the kit (methods/kit.py) and knows no other work.
"""

__all__ = ["engine", "enhancing", "kept", "masks", "quantisation", "work"]
