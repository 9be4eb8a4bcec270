"""What to doubt: near-duplicates, likely wrong labels, drift, and tables that break a rule.

A check reports; it changes no work. Stages and flows import the checks one by one.
"""

__all__ = [
    "drift",
    "duplicates",
    "faults",
    "matching",
    "neighbours",
    "profile",
    "schemas",
    "sketches",
    "twosample",
]
