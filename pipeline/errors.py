"""The two kinds of failure that Pentimento tells apart."""

from __future__ import annotations


class PentimentoError(Exception):
    """The run cannot go on; the message says what is wrong, where, and what to do (one line)."""


def explain_machine(error: OSError) -> str:
    """One line for trouble with the machine: a full disk, a missing permission, and the like."""
    reason = error.strerror or str(error)
    return f"{error.filename}: {reason}" if error.filename else reason


class ItemError(Exception):
    """One item of many is bad; it is quarantined with this message as its reason, the run goes on."""


class StepFailed(Exception):
    """A step has no sound result for this window; another method should be tried."""
