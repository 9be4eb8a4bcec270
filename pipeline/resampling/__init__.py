"""Resampling of works: bootstrap intervals and cross-validation.

Statistics that the catalog, trainings and evaluations share; nothing here knows a picture or a record.
"""

__all__ = ["bootstrap", "cross_validation"]
