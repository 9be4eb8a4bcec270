"""What is known of a work: where its file lies, its record, what is missing or doubtful, what is learnt from.

Modules here read files of the archive once each; the packages below hold what is done with what they say.
"""

__all__ = [
    "checks",
    "describing",
    "features",
    "location",
    "missing",
    "originals",
    "reading",
    "records",
    "sets",
    "sources",
]
