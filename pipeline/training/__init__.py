"""Training: one loop for all models, and what each task brings to it.

It may use models and damage; it knows neither restorations nor evaluations.
"""

__all__ = [
    "adversarial",
    "classifier",
    "colour",
    "descriptions",
    "detector",
    "enhancer",
    "examples",
    "families",
    "labels",
    "loop",
    "restorer",
    "squares",
    "task",
]
