"""Metrics with confidence intervals, the gate, and what a stage of evaluation reports.

It judges what others made: it trains nothing and restores nothing.
"""

__all__ = ["classification", "detection", "generation", "predict", "report", "restoration", "tail"]
