"""Format versions: a file that a later run reads back states the version of its format.

docs/formats.md describes each format. A file that states no version has version 1.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pipeline.errors import PentimentoError

KEY = "format_version"  # in JSON objects, and in the metadata of Parquet files


def check_version(path: Path, what: str, found: object, known: int, remedy: str) -> None:
    """Refuse a file whose format this code does not know.

    Args:
        path: the file.
        what: its kind, as docs/formats.md calls it.
        found: the version that it states; None when it states none, which means 1.
        known: the newest version that this code reads.
        remedy: what the user can do beside an upgrade of Pentimento.

    Raises:
        PentimentoError: when `found` is not a whole number in 1 to `known`.
    """
    if found is None or (type(found) is int and 1 <= found <= known):
        return
    raise PentimentoError(
        f"{path} is a {what} of format version {found}, and this Pentimento reads up to version {known}; "
        f"upgrade Pentimento, or {remedy}"
    )


def read_json(path: Path, what: str, known: int, remedy: str) -> Any:
    """The value in a JSON file without its version, which is checked.

    Raises:
        PentimentoError: when the version is not known.
        OSError, ValueError: when the file cannot be read, or is no JSON.
    """
    value = json.loads(path.read_text(encoding="utf-8"))
    if isinstance(value, dict):
        check_version(path, what, value.pop(KEY, None), known, remedy)
    return value
