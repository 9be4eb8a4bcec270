"""What a step of a restoration is done with: classical, learnt and users' own methods, in one registry.

A method registers itself. It knows arrays and masks, and neither files of works nor runs.
"""

__all__ = [
    "classical",
    "colour",
    "detect",
    "fill",
    "interface",
    "kit",
    "learnt_detector",
    "learnt_enhancer",
    "learnt_filler",
    "registry",
    "settings",
    "shapes",
    "steps",
]
