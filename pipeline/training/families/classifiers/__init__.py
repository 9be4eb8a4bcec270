"""Families of classifiers, one a file; the files register themselves in `CLASSIFIERS`."""

from pipeline.training.families.classifiers.base import (
    CLASSIFIERS,
    ClassifierFamily,
    ClassifierParams,
    Examples,
    Setup,
    fit,
    fit_fold,
    load,
)

__all__ = [
    "CLASSIFIERS",
    "ClassifierFamily",
    "ClassifierParams",
    "Examples",
    "Setup",
    "fit",
    "fit_fold",
    "load",
]
