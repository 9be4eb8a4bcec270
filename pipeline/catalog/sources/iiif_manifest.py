"""IIIF Presentation API documents, versions 2 and 3: what a collection lists and what a manifest shows.

Nothing here touches the network. Documents are other people's: a part that is not as the specification
has it is left out, and only what is no collection or manifest at all is an error.
<https://iiif.io/api/presentation/2.1/>, <https://iiif.io/api/presentation/3.0/>
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any

from pipeline.catalog.sources.base import FIELDS, text, whole
from pipeline.errors import ItemError

# Labels of metadata pairs (lower case, without a final colon) by the field that they fill, the better first.
LABELS: dict[str, tuple[str, ...]] = {
    "title": ("title", "titel", "titre", "titolo", "título"),
    "artist": ("artist", "artists", "creator", "creators", "artist/maker", "artist(s)", "creator(s)", "maker",
               "painter", "author", "attribution", "künstler", "artiste", "auteur", "autore", "autor"),
    "artist_bio": ("artist biography", "artist bio", "artist dates", "biography"),
    "nationality": ("nationality", "artist nationality", "school"),
    "date": ("date", "dates", "date created", "creation date", "date of creation", "date made", "dated",
             "created", "production date", "datering", "datierung", "datum", "data", "fecha"),
    "year_begin": ("year begin", "earliest date", "start date"),
    "year_end": ("year end", "latest date", "end date"),
    "period": ("period", "periode", "epoch"),
    "culture": ("culture", "kultur", "place of origin"),
    "medium": ("medium", "materials", "material", "technique", "materials and techniques", "medium/technique",
               "materials & techniques", "physical medium", "technik", "matériau", "tecnica", "técnica"),
    "classification": ("classification", "object type", "work type", "type", "category", "genre"),
    "tags": ("subject", "subjects", "keywords", "tags", "depicts", "topic", "topics"),
}  # fmt: skip
_DESCRIPTIVE = (
    "id", "@id", "label", "metadata", "summary", "description", "rights", "license",
    "requiredStatement", "attribution", "provider", "homepage", "navDate",
)  # fmt: skip

_LISTS = ("items", "members", "manifests", "collections", "orderedItems")  # of what a collection lists


@dataclass(frozen=True)
class Picture:
    """One picture of a canvas: an Image API service, or the address of a file."""

    service: str | None  # the service's id
    url: str | None  # of the file itself


@dataclass(frozen=True)
class IIIFCanvas:
    """One view of a manifest, with its pictures."""

    id: str | None
    record: dict[str, Any]
    pictures: tuple[Picture, ...]


@dataclass(frozen=True)
class Manifest:
    """One object: its descriptive properties as published, and its canvases in their order."""

    id: str | None
    record: dict[str, Any]
    canvases: tuple[IIIFCanvas, ...]


@dataclass(frozen=True)
class Collection:
    """What a collection, or one page of it, leads to: addresses, and manifests that it holds itself."""

    id: str | None
    references: tuple[str, ...]
    manifests: tuple[Manifest, ...]


def parse(document: Any) -> Collection | Manifest:
    """What a Presentation API document says.

    Raises:
        ItemError: when it is neither a collection nor a manifest.
    """
    kind = _type(document)
    if kind == "Manifest":
        return _manifest(document)
    if kind in ("Collection", "CollectionPage", "OrderedCollection", "OrderedCollectionPage"):
        return _collection(document)
    raise ItemError(f"is no IIIF collection or manifest, its type is {str(kind)[:50]!a}")


def texts(value: Any, languages: Sequence[str] = ()) -> list[str]:
    """The strings of a IIIF value in the best language there is.

    Args:
        value: a string, a list, version 2's {"@value", "@language"}, or version 3's {language: [strings]}.
        languages: BCP 47 tags, the most wanted first; `en` stands for `en-GB`, too. Without a match what
            has no language is taken, else the first language that is there.
    """
    found = _by_language(value)
    for wanted in (*(language.lower() for language in languages), "none"):
        chosen = [one for tag, ones in found.items() if _matches(tag, wanted) for one in ones]
        if chosen:
            return chosen
    return next((ones for ones in found.values() if ones), [])


def fields_of(
    records: Sequence[dict[str, Any]], labels: Mapping[str, Sequence[str]], languages: Sequence[str] = ()
) -> dict[str, Any]:
    """What of the records of a manifest and its canvas fills the catalog's FIELDS.

    Args:
        records: descriptive properties, the manifest's first; the first that has a value counts.
        labels: field -> labels of metadata pairs that fill it, before those of LABELS.
        languages: as `texts` takes them.
    """
    pairs = [pair for record in records for pair in _pairs(record, languages)]
    fields: dict[str, Any] = {}
    for field in FIELDS:
        wanted = [*(_folded(label) for label in labels.get(field, ())), *LABELS[field]]
        values = next((values for label in wanted for names, values in pairs if label in names), [])
        if field == "tags":
            fields[field] = list(dict.fromkeys(values))
        elif field in ("year_begin", "year_end"):
            fields[field] = whole(values[0]) if values else None
        else:
            fields[field] = "; ".join(values) or None
    if fields["title"] is None:
        fields["title"] = next((one for r in records for one in texts(r.get("label"), languages)), None)
    return fields


def rights_of(record: dict[str, Any], languages: Sequence[str] = ()) -> dict[str, str | None]:
    """The licence's address and the attribution that must be shown, by version 2's names or 3's."""
    statement = record.get("requiredStatement")
    shown = statement.get("value") if isinstance(statement, dict) else record.get("attribution")
    return {
        "rights": "; ".join(texts(record.get("rights") or record.get("license"), languages)) or None,
        "attribution": "; ".join(texts(shown, languages)) or None,
    }


def id_of(value: Any) -> str | None:
    """The address that a part gives itself, by version 3's name or 2's."""
    found = (value.get("id") or value.get("@id")) if isinstance(value, dict) else None
    return found if isinstance(found, str) else None


def _collection(document: dict[str, Any]) -> Collection:
    references: list[str] = []
    manifests: list[Manifest] = []
    for name in _LISTS:
        for entry in _dicts(document.get(name)):
            # A part may be held by the collection itself; one that is only named is to be fetched.
            if _type(entry) == "Manifest" and (entry.get("items") or entry.get("sequences")):
                manifests.append(_manifest(entry))
            elif _type(entry) == "Collection" and any(entry.get(inner) for inner in _LISTS):
                held = _collection(entry)
                references += held.references
                manifests += held.manifests
            elif _type(entry) in ("Manifest", "Collection", None) and (address := id_of(entry)):
                references.append(address)
        references += [entry for entry in _list(document.get(name)) if isinstance(entry, str)]
    for name in ("first", "next"):  # pages: 2.1, section 4.3
        page = document.get(name)
        address = id_of(page) if isinstance(page, dict) else page
        if isinstance(address, str) and address:
            references.append(address)
    return Collection(id_of(document), tuple(dict.fromkeys(references)), tuple(manifests))


def _manifest(document: dict[str, Any]) -> Manifest:
    version2 = [c for sequence in _dicts(document.get("sequences")) for c in _dicts(sequence.get("canvases"))]
    canvases = [c for c in _dicts(document.get("items")) if _type(c) == "Canvas"] or version2
    return Manifest(
        id_of(document),
        _described(document),
        tuple(IIIFCanvas(id_of(c), _described(c), tuple(_pictures(c))) for c in canvases),
    )


def _pictures(canvas: dict[str, Any]) -> Iterator[Picture]:
    for annotation in _dicts(canvas.get("images")):
        yield from _bodies(annotation.get("resource"))
    for page in _dicts(canvas.get("items")):
        for annotation in _dicts(page.get("items")):
            if "painting" in _list(annotation.get("motivation")):
                yield from _bodies(annotation.get("body"))


def _bodies(body: Any, depth: int = 0) -> Iterator[Picture]:
    """The pictures of an annotation: one, several, the default of a choice, or a part of one."""
    for one in _dicts(body):
        kind = _type(one)
        if depth < 3 and kind == "Choice":  # the first is what is shown: 3.0, Choice; 2.1, oa:Choice
            yield from list(_bodies(one.get("default") or one.get("items"), depth + 1))[:1]
        elif depth < 3 and kind == "SpecificResource":
            yield from _bodies(one.get("source") or one.get("full"), depth + 1)
        elif kind in ("Image", None):
            service = next((id_of(s) for s in _dicts(one.get("service")) if _serves_images(s)), None)
            if service or id_of(one):
                yield Picture(service, id_of(one))


def _serves_images(service: dict[str, Any]) -> bool:
    """Whether a service is an Image API of version 2 or 3; with an older one the file itself is taken."""
    marks = [service.get("type"), service.get("@type"), *_list(service.get("@context"))]
    written = " ".join(str(mark) for mark in [*marks, *_list(service.get("profile"))])
    return re.search(r"ImageService[23]|iiif\.io/api/image/[23]/|(^| )level[012]( |$)", written) is not None


def _pairs(record: dict[str, Any], languages: Sequence[str]) -> Iterator[tuple[set[str], list[str]]]:
    """Metadata pairs: the label in every language, and the values."""
    for pair in _dicts(record.get("metadata")):
        names = {_folded(name) for ones in _by_language(pair.get("label")).values() for name in ones}
        if values := texts(pair.get("value"), languages):
            yield names, values


def _by_language(value: Any, depth: int = 0) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    if isinstance(value, dict) and "@value" in value:
        tag = value.get("@language")
        found[tag.lower() if isinstance(tag, str) else "none"] = _written(value["@value"])
    elif isinstance(value, dict):
        for tag, ones in value.items():
            found[str(tag).lower()] = [one for entry in _list(ones) for one in _written(entry)]
    elif isinstance(value, list) and depth < 3:
        for entry in value:
            for tag, ones in _by_language(entry, depth + 1).items():
                found.setdefault(tag, []).extend(ones)
    else:
        found["none"] = _written(value)
    return found


def _written(value: Any) -> list[str]:
    """A string as people read it: what begins with < and ends with > is HTML (2.1 and 3.0)."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return []
    if isinstance(value, str) and value.lstrip().startswith("<") and value.rstrip().endswith(">"):
        reader = _Text()
        reader.feed(value)
        reader.close()
        value = "".join(reader.parts)
    plain = text(value)
    return [plain] if plain else []


class _Text(HTMLParser):
    """Collects what is between the tags."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """A tag that begins a line keeps words apart."""
        if tag in ("br", "p", "div", "li"):
            self.parts.append(" ")

    def handle_data(self, data: str) -> None:
        """Text is kept."""
        self.parts.append(data)


def _matches(tag: str, wanted: str) -> bool:
    return tag == wanted or tag.startswith(f"{wanted}-")


def _folded(label: str) -> str:
    return label.strip().rstrip(":").strip().lower()


def _described(value: dict[str, Any]) -> dict[str, Any]:
    return {name: value[name] for name in _DESCRIPTIVE if name in value}


def _type(value: Any) -> str | None:
    kind = (value.get("type") or value.get("@type")) if isinstance(value, dict) else None
    return kind.rpartition(":")[2] if isinstance(kind, str) else None


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [one for one in _list(value) if isinstance(one, dict)]
