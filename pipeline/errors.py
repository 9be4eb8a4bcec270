"""The two kinds of failure that Pentimento tells apart."""

from __future__ import annotations


class PentimentoError(Exception):
    """The run cannot go on; the message says what is wrong, where, and what to do (one line)."""


class ItemError(Exception):
    """One item of many is bad; it is quarantined with this message as its reason, the run goes on."""
