"""Orchestration: the command line and the Prefect flows. No pixel and no tensor is touched here."""
