"""Where documents of IIIF are found: on the web, or in a folder of files that may refer to each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pipeline.catalog.location import base_folder
from pipeline.catalog.sources.contents import read_json
from pipeline.errors import ItemError, PentimentoError

if TYPE_CHECKING:
    from pipeline.catalog.sources.download import Downloader

T = TypeVar("T")
R = TypeVar("R")


class Documents:
    """The documents that a source begins with, and those that they refer to.

    Args:
        title: of the source, for errors.
        location: the address of a document, or a file or folder of them.
        root: the project, which relative locations are relative to.
        downloader: gets what lies on the web.
    """

    def __init__(self, title: str, location: str, root: Path, downloader: Downloader) -> None:
        self._title, self._location, self._downloader = title, location, downloader
        self._base = None if is_web(location) else base_folder(location, root)

    def roots(self) -> Iterator[tuple[str, Any]]:
        """The location's own documents, each with its address, one in memory at a time.

        In a folder an ItemError stands for one that cannot be read.

        Raises:
            PentimentoError: when there is none, or the only one cannot be read.
        """
        base = self._base
        if base is None:
            try:
                yield self._location, self._downloader.document(self._location)
            except ItemError as error:
                raise PentimentoError(f"inventory.sources: {self._title}: {error}") from None
        elif base.is_dir():
            for file in _json_files(base):
                yield file.relative_to(base).as_posix(), _tried(read_json, file)
        else:
            try:
                yield base.name, read_json(base)
            except ItemError as error:
                raise PentimentoError(f"inventory.sources: {base} {error}") from None

    def referred(self, address: str) -> Any:
        """The document at an address, beside documents on disk also a relative path; or an ItemError."""
        return _tried(self._load, address)

    def _load(self, address: str) -> Any:
        if self._base is None or is_web(address):
            return self._downloader.document(address)
        folder = (self._base if self._base.is_dir() else self._base.parent).resolve()
        file = (folder / address).resolve()
        if not file.is_relative_to(folder):
            raise ItemError(f"{address}: leads out of {folder}")
        if not file.is_file():
            raise ItemError(f"{address}: there is no such file in {folder}")
        return read_json(file)


def is_web(location: str) -> bool:
    """Whether a location is an address of the web."""
    return location.startswith(("http://", "https://"))


def _tried(load: Callable[[T], R], place: T) -> R | ItemError:
    """What `load` gives, its ItemError as a result: one bad document is not the end of the others."""
    try:
        return load(place)
    except ItemError as error:
        return error


def _json_files(base: Path) -> list[Path]:
    files = sorted(file for file in base.rglob("*.json") if file.is_file())
    if not files:
        raise PentimentoError(f"inventory.sources: {base} holds no manifest (*.json)")
    return files
