"""Kinds of sources, one a file; the files register themselves in `SOURCES` (registry.py)."""
