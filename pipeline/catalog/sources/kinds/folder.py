"""A folder of pictures; its sub-folders may name labels."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Literal

from pipeline.archive.filetypes import SUFFIXES
from pipeline.catalog.location import base_folder
from pipeline.catalog.sources.base import Item, SourceSpec
from pipeline.catalog.sources.registry import SOURCES
from pipeline.errors import PentimentoError


@SOURCES.register("folder")
class FolderSpec(SourceSpec):
    """`kind: folder`: every picture below `location`.

    `labels` says what the levels of sub-folders name: [school, artist] reads
    Dutch/Rembrandt/x.jpg as a work of the Dutch school by Rembrandt.
    """

    labels: tuple[Literal["school", "artist", "period"], ...] = ()

    def items(self, root: Path) -> Iterator[Item]:
        """The pictures below the folder, hidden ones left out, links to folders not followed."""
        base = base_folder(self.location, root)
        for file in picture_files(base):
            path = PurePosixPath(file.relative_to(base).as_posix())
            named = {str(label): part for label, part in zip(self.labels, path.parts[:-1], strict=False)}
            fields = {"title": path.stem, **_as_fields(named)}
            yield Item(
                f"{self.title}:{path}",
                self.title,
                self.location,
                str(path),
                {"path": str(path)},
                fields,
            )


def picture_files(base: Path) -> Iterator[Path]:
    """Files below `base` whose suffix is an image's, sorted; what cannot be entered is an error."""
    if not base.is_dir():
        raise PentimentoError(f"inventory.sources: {base} is no folder")
    for folder, names, files in os.walk(base, onerror=_raise):
        names[:] = sorted(name for name in names if not name.startswith("."))
        for name in sorted(files):
            if Path(name).suffix.lower() in SUFFIXES and not name.startswith("."):
                yield Path(folder) / name


def _raise(error: OSError) -> None:
    raise PentimentoError(f"inventory.sources: {error.filename} cannot be read: {error.strerror}")


def _as_fields(named: dict[str, str]) -> dict[str, str]:
    return {("nationality" if label == "school" else label): value for label, value in named.items()}
