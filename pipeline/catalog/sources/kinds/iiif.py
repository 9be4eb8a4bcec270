"""IIIF: manifests and collections (Presentation API 2 and 3), their pictures by the Image API 2 and 3.

The pictures are downloaded into a folder; from there on they are files like any others. What is there
already is only asked whether it has changed, what was cut off goes on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from pipeline.catalog.location import local_path
from pipeline.catalog.sources.base import FIELDS, Item, SourceSpec, spelt
from pipeline.catalog.sources.iiif_documents import Documents, is_web
from pipeline.catalog.sources.iiif_image import Size, addresses
from pipeline.catalog.sources.iiif_manifest import (
    Collection,
    IIIFCanvas,
    Manifest,
    Picture,
    fields_of,
    id_of,
    parse,
    rights_of,
)
from pipeline.catalog.sources.manners import Manners
from pipeline.catalog.sources.registry import SOURCES
from pipeline.errors import ItemError, PentimentoError
from pipeline.progress import say, track

if TYPE_CHECKING:
    from pipeline.catalog.sources.download import Downloader

R = TypeVar("R")
MAX_DOCUMENTS = 1_000_000  # of one source
_BATCH = 64  # documents read side by side before their pictures are counted


@SOURCES.register("iiif")
class IiifSpec(SourceSpec):
    """`kind: iiif`: `location` is the address of a manifest or collection, or a file or folder of them.

    Every picture of every canvas is a work, `canvases: first` takes the first of each manifest.
    `size` is what is downloaded: "max", or pixels of the longer side; a picture without an image service
    (Image API 2 or 3) is taken as it is. `fields` adds labels of metadata
    pairs to those that are known, by the field that they fill: {artist: [Schilder]}.
    """

    size: Size = Field(default="max", union_mode="left_to_right")
    canvases: Literal["all", "first"] = "all"
    limit: int | None = Field(default=None, ge=1)  # pictures; null = all there are
    languages: tuple[str, ...] = ("en",)  # of titles and the like, the most wanted first
    fields: dict[str, tuple[str, ...]] = Field(default={})
    folder: str | None = Field(default=None, min_length=1)  # of the downloads; null = in the state folder
    http: Manners = Manners()

    @field_validator("size")
    @classmethod
    def _not_nothing(cls, size: Size) -> Size:
        if size != "max" and not 16 <= size <= 100_000:
            raise ValueError("it must be max, or 16 to 100000 pixels")
        return size

    @field_validator("fields")
    @classmethod
    def _known(cls, fields: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        for name in fields:
            if name not in FIELDS:
                raise ValueError(f"unknown field '{name}'; known: {', '.join(FIELDS)}")
        return fields

    @property
    def downloads(self) -> str:
        """The location of the pictures, as `base_folder` takes it."""
        return self.folder or f"state:downloads/{self.title}"

    def items(self, root: Path) -> Iterator[Item]:
        """Every picture, downloaded where it is new or has changed; what cannot be had keeps the reason.

        Raises:
            PentimentoError: when the location itself cannot be read.
        """
        from pipeline.catalog.sources.download import Downloader

        host = urlsplit(self.location).hostname if is_web(self.location) else None
        with Downloader(local_path(self.downloads, root), self.http, [host] if host else []) as downloader:
            walk = _Walk(self, downloader)
            views = walk.views(Documents(self.title, self.location, root, downloader))
            label = f"inventory: pictures of {self.title}"
            with ThreadPoolExecutor(self.http.connections) as pool:
                yield from track(pool.map(walk.item, views), label, len(views))
            if downloader.kept:
                say(
                    f"{self.title}: {len(downloader.kept)} addresses could not be reached, the copies of an "
                    f"earlier run stand for them; the first: {downloader.kept[0]}"
                )


@dataclass(frozen=True)
class _View:
    """A picture that is to be downloaded, or (`problem`) what stands where one should be."""

    key: str
    picture: Picture | None = None
    record: dict[str, Any] | None = None
    fields: dict[str, Any] | None = None
    problem: str | None = None


class _Walk:
    """From the location to its pictures, each document once: a collection may list itself."""

    def __init__(self, spec: IiifSpec, downloader: Downloader) -> None:
        self._spec, self._downloader = spec, downloader

    def views(self, documents: Documents) -> list[_View]:
        """All pictures that documents lead to, as many as `limit` allows, each with its own key."""
        found: list[_View] = []
        references: list[str] = []
        seen: set[str] = set()
        for address, document in documents.roots():
            views, leads = self._read(address, document)
            found += views
            references += leads
            seen |= {address, id_of(document) or address}
        with ThreadPoolExecutor(self._spec.http.connections) as pool:
            while references and self._room(found):
                wanted = [one for one in dict.fromkeys(map(_plain, references)) if one not in seen]
                seen |= set(wanted)
                if len(seen) > MAX_DOCUMENTS:
                    raise PentimentoError(f"{self._spec.title}: leads to more than {MAX_DOCUMENTS} documents")
                references = []
                label = f"inventory: documents of {self._spec.title}"
                results = self._side_by_side(
                    pool, lambda one: self._read(one, documents.referred(one)), wanted, found
                )
                for views, leads in track(results, label, len(wanted)):
                    found += views
                    references += leads
        return _unique(found[: self._spec.limit])

    def _side_by_side(
        self, pool: ThreadPoolExecutor, read: Callable[[str], R], wanted: list[str], found: list[_View]
    ) -> Iterator[R]:
        """Read documents side by side, since each answer takes its time; no more than the limit needs."""
        start = 0
        while start < len(wanted) and (room := self._room(found)):
            yield from pool.map(read, wanted[start : start + room])
            start += room

    def item(self, view: _View) -> Item:
        """The item of a view, its picture downloaded."""
        path, problem, record = view.key, view.problem, dict(view.record or {})
        if view.picture:
            try:
                record["picture"], path = self._download(view.picture)
            except ItemError as error:
                problem = str(error)
        return Item(
            spelt(f"{self._spec.title}:{view.key}"),
            self._spec.title,
            self._spec.downloads,
            spelt(path),
            record,
            view.fields or {},
            problem,
        )

    def _read(self, address: str, document: Any) -> tuple[list[_View], tuple[str, ...]]:
        """What a document shows, and where it leads; an ItemError stands for one that there is not."""
        if isinstance(document, ItemError):
            return [_View(address, problem=str(document))], ()
        try:
            parsed = parse(document)
        except ItemError as error:
            return [_View(address, problem=f"{address}: {error}")], ()
        if isinstance(parsed, Collection):
            views = [v for m in parsed.manifests for v in self._of_manifest(m.id or address, m)]
            return views, parsed.references
        return self._of_manifest(address, parsed), ()

    def _of_manifest(self, address: str, manifest: Manifest) -> list[_View]:
        canvases = [canvas for canvas in manifest.canvases if canvas.pictures]
        if not canvases:
            return [_View(manifest.id or address, problem="the manifest shows no picture")]
        if self._spec.canvases == "first":
            canvases = [replace(canvases[0], pictures=canvases[0].pictures[:1])]
        return [
            self._view(manifest, canvas, f"{manifest.id or address}#{number}", picture)
            for number, canvas in enumerate(canvases, 1)
            for picture in canvas.pictures
        ]

    def _view(self, manifest: Manifest, canvas: IIIFCanvas, fallback: str, picture: Picture) -> _View:
        records, languages = (manifest.record, canvas.record), self._spec.languages
        record = {"manifest": manifest.record, "canvas": canvas.record} | rights_of(
            manifest.record, languages
        )
        return _View(canvas.id or fallback, picture, record, fields_of(records, self._spec.fields, languages))

    def _download(self, picture: Picture) -> tuple[str, str]:
        """The address that gave a picture, and its path."""
        if picture.service is None:
            address = picture.url or ""
            return address, self._downloader.picture(address)
        service = picture.service.removesuffix("/info.json").rstrip("/")
        info = self._downloader.document(f"{service}/info.json")
        *others, last = addresses(info, service, self._spec.size)
        for address in others:
            try:
                return address, self._downloader.picture(address)
            except ItemError:
                continue  # a server of level 0 may know one way of writing a size only
        return last, self._downloader.picture(last)

    def _room(self, found: list[_View]) -> int:
        """How many documents are worth reading at a time: each gives a picture at least, as a rule."""
        limit = self._spec.limit
        return _BATCH if limit is None else max(0, min(_BATCH, limit - len(found)))


def _unique(views: Iterable[_View]) -> list[_View]:
    """Views with a key each: a second picture of a canvas is `#2`."""
    counts: Counter[str] = Counter()
    named = []
    for view in views:
        counts[view.key] += 1
        number = counts[view.key]
        named.append(view if number == 1 else replace(view, key=f"{view.key}#{number}"))
    if len({view.key for view in named}) < len(named):  # a key that ends in #2 by itself
        return [replace(view, key=f"{view.key}#{number}") for number, view in enumerate(named, 1)]
    return named


def _plain(address: str) -> str:
    return address.partition("#")[0]
