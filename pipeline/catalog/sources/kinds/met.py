"""Records of The Metropolitan Museum of Art's open-access API, with their pictures.

A folder (or package) that holds records as JSON (one record, a list, or {"objects": [...]}) or JSON
lines, or one such file; and pictures named `<objectID>.<suffix>`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import Field

from pipeline.catalog.location import base_folder
from pipeline.catalog.sources.base import Item, SourceSpec, spelt, text, whole
from pipeline.catalog.sources.contents import parse_json
from pipeline.catalog.sources.kinds.folder import picture_files
from pipeline.catalog.sources.registry import SOURCES
from pipeline.errors import ItemError, PentimentoError
from pipeline.progress import say


@SOURCES.register("met")
class MetSpec(SourceSpec):
    """`kind: met`: records with an objectID, and pictures named after it.

    `pictures` is the pictures' folder, where they lie elsewhere than beside the records. Of two pictures
    of one record the first by its path is taken.
    """

    pictures: str | None = Field(default=None, min_length=1)

    def items(self, root: Path) -> Iterator[Item]:
        """Every record that has a picture; a record without one is no work to learn from.

        What is no record, or contradicts one of the same objectID, is an item with its problem.

        Raises:
            PentimentoError: when there is no record at all.
        """
        base = base_folder(self.location, root)
        beside = self.location if base.is_dir() else str(PurePosixPath(self.location).parent)
        location = self.pictures or beside
        folder = base_folder(location, root)
        pictures: dict[str, Path] = {}
        for file in picture_files(folder):
            pictures.setdefault(file.stem, file)
        seen: dict[str, dict[str, Any]] = {}
        faults: list[Item] = []
        without = 0
        for found in _records(base):
            if found.problem:
                faults.append(self._fault(found.place, found.problem))
                continue
            key = spelt(text(found.record["objectID"]) or "")
            if key in seen:
                if found.record != seen[key]:
                    faults.append(
                        self._fault(found.place, f"objectID {key} occurs twice, with other content")
                    )
                continue
            seen[key] = found.record
            if key not in pictures:
                without += 1
                continue
            path = pictures[key].relative_to(folder).as_posix()
            yield Item(f"{self.title}:{key}", self.title, location, path, found.record, _fields(found.record))
        if not seen:
            reason = f": {faults[0].problem}" if faults else ""
            raise PentimentoError(
                f"inventory.sources: {base} holds no record with an objectID (*.json, *.jsonl){reason}"
            )
        if without:
            say(f"{self.title}: {without} of {len(seen)} records have no picture and are left out")
        yield from faults

    def _fault(self, place: str, problem: str) -> Item:
        return Item(spelt(f"{self.title}:{place}"), self.title, self.location, spelt(place), problem=problem)


@dataclass(frozen=True)
class _Found:
    """A record, or why there is none; where it was found."""

    place: str  # file name, and the number of the line or entry
    record: dict[str, Any]
    problem: str | None = None


def _records(base: Path) -> Iterator[_Found]:
    files = [base] if base.is_file() else sorted([*base.rglob("*.json"), *base.rglob("*.jsonl")])
    for file in files:
        name = file.name if base.is_file() else file.relative_to(base).as_posix()
        content = file.read_bytes()
        if file.suffix in (".jsonl", ".ndjson"):
            for number, line in enumerate(content.removeprefix(b"\xef\xbb\xbf").splitlines(), 1):
                if line.strip():
                    yield from _of_value(f"{name}, line {number}", line)
        else:
            yield from _of_value(name, content)


def _of_value(place: str, content: bytes) -> Iterator[_Found]:
    """The records in one JSON value. One that has none and claims none is a file of another kind."""
    try:
        loaded = parse_json(content)
    except ItemError as error:
        yield _Found(place, {}, f"{place} {error}")
        return
    if isinstance(loaded, dict):
        loaded = loaded.get("objects", [loaded])
    for number, record in enumerate(loaded if isinstance(loaded, list) else [], 1):
        if isinstance(record, dict) and "objectID" in record:
            where = place if len(loaded) == 1 else f"{place}, entry {number}"
            if text(record["objectID"]) is None:
                yield _Found(where, {}, f"{where}: its objectID is empty")
            else:
                yield _Found(where, record)


def _fields(record: dict[str, Any]) -> dict[str, Any]:
    prefix, name = text(record.get("artistPrefix")), text(record.get("artistDisplayName"))
    tags = record.get("tags")
    terms = [text(tag.get("term")) for tag in tags if isinstance(tag, dict)] if isinstance(tags, list) else []
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
        "tags": [term for term in terms if term],
    }
