"""What all kinds of sources share."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import Field

from pipeline.environment import clone_dir
from pipeline.errors import PentimentoError
from pipeline.params import StageParams

# What the catalog knows of a work, whatever source it is from: written values, not yet normalised.
FIELDS = (
    "title", "artist", "artist_bio", "nationality", "date", "year_begin", "year_end", "period",
    "culture", "medium", "classification", "tags",
)  # fmt: skip


@dataclass(frozen=True)
class Item:
    """One picture of a source, with the record that goes with it."""

    id: str  # unique in the archive: "<source name>:<key in the source>"
    source: str  # the source's name
    location: str  # folder of the pictures, as `base_folder` takes it
    path: str  # of the picture, relative to that folder, with forward slashes
    record: dict[str, Any] = field(default_factory=dict)  # as published
    fields: dict[str, Any] = field(default_factory=dict)  # what of it fills FIELDS


class SourceSpec(StageParams):
    """Parameters that every kind of source has."""

    kind: str
    location: str = Field(min_length=1)  # a folder or file, or package:NAME
    name: str | None = Field(default=None, pattern=r"^[a-z0-9_-]+$")  # default: the kind

    @property
    def title(self) -> str:
        """The source's name in ids and reports."""
        return self.name or self.kind

    def items(self, root: Path) -> Iterator[Item]:
        """The source's items."""
        raise NotImplementedError


def base_folder(location: str, root: Path) -> Path:
    """The folder that a location stands for: package:NAME, an absolute path, or one relative to the clone.

    Raises:
        PentimentoError: when there is no such package, folder or file.
    """
    if location.startswith("package:"):
        package = location.removeprefix("package:")
        try:
            spec = importlib.util.find_spec(package)
        except (ImportError, ValueError):
            spec = None
        if spec is None or not spec.submodule_search_locations:
            raise PentimentoError(
                f"inventory.sources: package '{package}' is not installed; `pip install {package}`"
            )
        return Path(spec.submodule_search_locations[0])
    try:
        folder = clone_dir(root) / Path(location).expanduser()
        folder.stat()
    except FileNotFoundError:
        raise PentimentoError(f"inventory.sources: location '{location}' does not exist ({folder})") from None
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise PentimentoError(f"inventory.sources: location '{location}': {reason}") from None
    return folder


def text(value: Any) -> str | None:
    """A written value without surrounding space; None when nothing is written."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # a whole number, from a column with gaps
    stripped = " ".join(str(value).split())
    return stripped or None


def whole(value: Any) -> int | None:
    """A whole number, or None when there is none."""
    try:
        return int(float(value))
    except (TypeError, ValueError, OverflowError):
        return None
