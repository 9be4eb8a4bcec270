"""What all kinds of sources share."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import Field

from pipeline.params import StageParams

# What the catalog knows of a work, whatever source it is from: written values, not yet normalised.
FIELDS = (
    "title", "artist", "artist_bio", "nationality", "date", "year_begin", "year_end", "period",
    "culture", "medium", "classification", "tags",
)  # fmt: skip
_HALVES = re.compile(r"[\ud800-\udfff]")  # of surrogate pairs: no text by themselves
_UNWRITABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")  # and control characters


@dataclass(frozen=True)
class Item:
    """One picture of a source, with the record that goes with it."""

    id: str  # unique in the archive: "<source name>:<key in the source>"
    source: str  # the source's name
    location: str  # folder of the pictures, as `location.base_folder` takes it
    path: str  # of the picture, relative to that folder, with forward slashes
    record: dict[str, Any] = field(default_factory=dict)  # as published
    fields: dict[str, Any] = field(default_factory=dict)  # what of it fills FIELDS
    problem: str | None = None  # why there is no picture to look at; the item goes to quarantine


class SourceSpec(StageParams):
    """Parameters that every kind of source has."""

    kind: str
    location: str = Field(min_length=1)  # a folder or file, package:NAME, or what the kind says
    name: str | None = Field(default=None, pattern=r"^[a-z0-9_-]+$")  # default: the kind

    @property
    def title(self) -> str:
        """The source's name in ids and reports."""
        return self.name or self.kind

    def items(self, root: Path) -> Iterator[Item]:
        """The source's items."""
        raise NotImplementedError


def is_writable(name: str) -> bool:
    """Whether a table can hold a name: UTF-8 without control characters."""
    return _UNWRITABLE.search(name) is None


def spelt(name: str) -> str:
    """A name that a table can hold: as it is, else with its odd characters spelt out (\\x00, \\udcff)."""
    return name if is_writable(name) else ascii(name)[1:-1]


def as_json(value: Any) -> str:
    """A record as JSON that a table can hold: halves of surrogate pairs, which are no text, become U+FFFD."""
    return _HALVES.sub("\ufffd", json.dumps(value, ensure_ascii=False, default=str))


def text(value: Any) -> str | None:
    """A written value without control characters and surrounding space; None when nothing is written."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # a whole number, from a column with gaps
    stripped = " ".join(_UNWRITABLE.sub(" ", str(value)).split())
    return stripped or None


def whole(value: Any) -> int | None:
    """A whole number, or None when there is none."""
    try:
        return int(float(value))
    except (TypeError, ValueError, OverflowError):
        return None
