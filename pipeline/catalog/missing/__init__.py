"""Missing labels and values completed, each marked with its origin and confidence.

The methods are in `methods/`, one kind a file. From outside, gaps are completed by `complete`; the reports
that compare methods are the `impute_` modules.
"""

from pipeline.catalog.missing.complete import complete
from pipeline.catalog.missing.heldout import completed, keep_in_train, recorded_only
from pipeline.catalog.missing.registry import Method, names, parse, shortest
from pipeline.catalog.missing.spec import Spec

__all__ = [
    "Method",
    "Spec",
    "complete",
    "completed",
    "impute_plot",
    "impute_report",
    "impute_table",
    "keep_in_train",
    "names",
    "parse",
    "recorded_only",
    "registry",
    "shortest",
]
