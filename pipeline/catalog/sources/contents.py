"""What a download must be to be kept: a JSON document, or a picture."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipeline.archive.filetypes import SUFFIX_OF
from pipeline.archive.images import probe
from pipeline.errors import ItemError

MAX_DEPTH = 64  # of nested lists and objects in a document


def read_json(file: Path) -> Any:
    """The JSON value in a file (RFC 8259: no NaN, no Infinity), nested at most 64 deep.

    Raises:
        ItemError: when it is no such thing.
    """
    return parse_json(file.read_bytes(), _no_constant)


def parse_json(content: bytes | str, constant: Callable[[str], Any] | None = None) -> Any:
    """The JSON value in a text, nested at most 64 deep.

    Args:
        content: the text, as str or in UTF-8, -16 or -32.
        constant: what is called for NaN and Infinity; None: they are taken, as many programs write them.

    Raises:
        ItemError: when it is no such thing.
    """
    try:
        value = json.loads(content, parse_constant=constant)
    except (ValueError, RecursionError) as error:
        raise ItemError(f"is not valid JSON: {str(error)[:200]}") from None
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            inner
            for outer in level
            if isinstance(outer, list | dict)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return value
    raise ItemError(f"is nested more than {MAX_DEPTH} deep")


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def document_suffix(file: Path) -> str:
    """`.json`, when the file is a document; else an ItemError."""
    read_json(file)
    return ".json"


def picture_suffix(file: Path) -> str:
    """The suffix of a picture by its content; an ItemError when it is none that can be worked with."""
    found = probe(file).format
    if found not in SUFFIX_OF:
        raise ItemError(f"is a picture of a format that is not taken: {found}")
    return SUFFIX_OF[found]
