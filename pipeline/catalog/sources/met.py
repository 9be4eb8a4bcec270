"""Records of The Metropolitan Museum of Art's open-access API, with their pictures.

A folder (or package) that holds records as JSON (one record, a list, or {"objects": [...]}) or JSON
lines, and beside them pictures named `<objectID>.<suffix>`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from pipeline.catalog.sources.base import Item, SourceSpec, base_folder, text, whole
from pipeline.catalog.sources.folder import picture_files
from pipeline.errors import PentimentoError


class MetSpec(SourceSpec):
    """`kind: met`: records with an objectID, and pictures named after it."""

    kind: Literal["met"]

    def items(self, root: Path) -> Iterator[Item]:
        """Every record that has a picture; a record without one is no work to learn from."""
        base = base_folder(self.location, root)
        pictures = {file.stem: file for file in picture_files(base)}
        for record in _records(base):
            key = str(record["objectID"])
            if key in pictures:
                path = pictures[key].relative_to(base).as_posix()
                yield Item(f"{self.title}:{key}", self.title, self.location, path, record, _fields(record))


def _records(base: Path) -> Iterator[dict[str, Any]]:
    found = False
    for file in sorted([*base.rglob("*.json"), *base.rglob("*.jsonl")]):
        try:
            content = file.read_text(encoding="utf-8-sig")
            if file.suffix == ".jsonl":
                loaded: Any = [json.loads(line) for line in content.splitlines() if line.strip()]
            else:
                loaded = json.loads(content)
        except (ValueError, RecursionError) as error:
            raise PentimentoError(f"inventory.sources: {file} is not valid JSON: {error}") from None
        if isinstance(loaded, dict):
            loaded = loaded.get("objects", [loaded])
        for record in loaded if isinstance(loaded, list) else []:
            if isinstance(record, dict) and "objectID" in record:
                found = True
                yield record
    if not found:
        raise PentimentoError(f"inventory.sources: {base} holds no record with an objectID (*.json, *.jsonl)")


def _fields(record: dict[str, Any]) -> dict[str, Any]:
    prefix, name = text(record.get("artistPrefix")), text(record.get("artistDisplayName"))
    return {
        "title": text(record.get("title")),
        "artist": f"{prefix} {name}" if prefix and name else name,
        "artist_bio": text(record.get("artistDisplayBio")),
        "nationality": text(record.get("artistNationality")),
        "date": text(record.get("objectDate")),
        "year_begin": whole(record.get("objectBeginDate")),
        "year_end": whole(record.get("objectEndDate")),
        "period": text(record.get("period")),
        "culture": text(record.get("culture")),
        "medium": text(record.get("medium")),
        "classification": text(record.get("classification")),
        "tags": [tag["term"] for tag in record.get("tags") or [] if text(tag.get("term"))],
    }
