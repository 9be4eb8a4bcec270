"""Metrics with confidence intervals, and the report."""
