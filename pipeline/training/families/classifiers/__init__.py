"""Families of classifiers, one a file; the files register themselves in `CLASSIFIERS`.

From outside a family is reached by its name in the parameters, through the functions below.
"""

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
