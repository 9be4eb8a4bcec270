"""Presentation API documents of versions 2 and 3, good, odd and hostile."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.catalog.sources.base import FIELDS
from pipeline.catalog.sources.iiif_image import addresses
from pipeline.catalog.sources.iiif_manifest import (
    LABELS,
    Collection,
    Manifest,
    Picture,
    fields_of,
    parse,
    rights_of,
    texts,
)
from pipeline.errors import ItemError


def pair(label: Any, value: Any) -> dict[str, Any]:
    return {"label": label, "value": value}


def canvas3(*bodies: Any, motivation: Any = "painting") -> dict[str, Any]:
    annotations = [{"type": "Annotation", "motivation": motivation, "body": body} for body in bodies]
    return {"id": "c", "type": "Canvas", "items": [{"type": "AnnotationPage", "items": annotations}]}


def pictures3(*bodies: Any, **options: Any) -> tuple[Picture, ...]:
    manifest = parse({"id": "m", "type": "Manifest", "items": [canvas3(*bodies, **options)]})
    assert isinstance(manifest, Manifest)
    return manifest.canvases[0].pictures


def pictures2(resource: Any) -> tuple[Picture, ...]:
    canvas = {"@type": "sc:Canvas", "images": [{"@type": "oa:Annotation", "resource": resource}]}
    manifest = parse({"@id": "m", "@type": "sc:Manifest", "sequences": [{"canvases": [canvas]}]})
    assert isinstance(manifest, Manifest)
    return manifest.canvases[0].pictures


@pytest.mark.parametrize(
    ("value", "languages", "expected"),
    [
        ("plain", (), ["plain"]),
        (["a", "b"], (), ["a", "b"]),
        ({"@value": "a", "@language": "fr"}, ("en",), ["a"]),
        (
            [{"@value": "Mère", "@language": "fr"}, {"@value": "Mother", "@language": "en"}],
            ("en",),
            ["Mother"],
        ),
        ({"fr": ["Mère"], "en": ["Mother"]}, ("en",), ["Mother"]),
        ({"fr": ["Mère"], "en-GB": ["Mother"]}, ("en",), ["Mother"]),
        ({"fr": ["Mère"], "none": ["M"]}, ("en",), ["M"]),
        ({"fr": ["Mère"], "de": ["Mutter"]}, ("en",), ["Mère"]),
        ({"fr": ["Mère"], "de": ["Mutter"]}, ("en", "de"), ["Mutter"]),
        ({"en": "not a list"}, ("en",), ["not a list"]),
        (1650, (), ["1650"]),
        ("<span>Oil on <b>canvas</b><br/>1650 &amp; later</span>", (), ["Oil on canvas 1650 & later"]),
        (
            "<i>Untitled</i> (study)",
            (),
            ["<i>Untitled</i> (study)"],
        ),  # HTML only where the specification has it
        ("  two\n lines\x00 ", (), ["two lines"]),
        ("", (), []),
        (None, (), []),
        (True, (), []),
        ([[[["deep"]]]], (), []),
    ],
)
def test_texts_of_both_versions(value: Any, languages: tuple[str, ...], expected: list[str]) -> None:
    assert texts(value, languages) == expected


def test_metadata_pairs_fill_the_fields_whatever_the_labels_language() -> None:
    metadata = [
        pair({"en": ["Creator:"], "fr": ["Auteur"]}, {"none": ["Whistler, James McNeill", "a pupil"]}),
        pair("Date", "1871"),
        pair("Materials", ["oil", "canvas"]),
        pair("Subjects", ["portraits", "mothers", "portraits"]),
        pair("Year begin", "1871"),
        pair("Shelfmark", "RF 699"),
    ]
    fields = fields_of([{"label": {"en": ["Mother"]}, "metadata": metadata}], {})
    assert set(fields) == set(FIELDS)
    assert fields["artist"] == "Whistler, James McNeill; a pupil"
    assert (fields["title"], fields["date"], fields["medium"]) == ("Mother", "1871", "oil; canvas")
    assert fields["tags"] == ["portraits", "mothers"]
    assert (fields["year_begin"], fields["year_end"]) == (1871, None)


def test_labels_of_the_params_come_first_and_the_manifest_before_its_canvas() -> None:
    manifest = {"metadata": [pair("Creator", "the printer"), pair("Schilder", "Jan Steen")]}
    canvas = {"label": "verso", "metadata": [pair("Creator", "somebody"), pair("Date", "1660")]}
    fields = fields_of([manifest, canvas], {"artist": ("schilder",)})
    assert (fields["artist"], fields["date"], fields["title"]) == ("Jan Steen", "1660", "verso")
    assert fields_of([manifest, canvas], {})["artist"] == "the printer"


def test_every_field_has_labels() -> None:
    assert tuple(LABELS) == FIELDS or set(LABELS) == set(FIELDS)
    assert all(label == label.lower() for labels in LABELS.values() for label in labels)


@pytest.mark.parametrize(
    "record",
    [
        {"license": "https://example.org/cc0", "attribution": "The Museum"},
        {"rights": "https://example.org/cc0", "requiredStatement": pair("By", {"en": ["The Museum"]})},
    ],
)
def test_rights_of_both_versions(record: dict[str, Any]) -> None:
    assert rights_of(record) == {"rights": "https://example.org/cc0", "attribution": "The Museum"}


SERVICE3 = {"id": "s3", "type": "ImageService3", "profile": "level1"}
SERVICE2 = {"@id": "s2", "@context": "http://iiif.io/api/image/2/context.json"}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"id": "u", "type": "Image"}, [Picture(None, "u")]),
        ({"id": "u", "type": "Image", "service": [SERVICE3]}, [Picture("s3", "u")]),
        ({"id": "u", "type": "Image", "service": SERVICE2}, [Picture("s2", "u")]),
        (
            {"id": "u", "type": "Image", "service": [{"@id": "x", "type": "ImageService1"}]},
            [Picture(None, "u")],
        ),
        (
            {"id": "u", "type": "Image", "service": [{"id": "x", "type": "AuthCookieService1"}, SERVICE3]},
            [Picture("s3", "u")],
        ),
        (
            {"type": "Choice", "items": [{"id": "a", "type": "Image"}, {"id": "b", "type": "Image"}]},
            [Picture(None, "a")],
        ),
        ({"type": "SpecificResource", "source": {"id": "a", "type": "Image"}}, [Picture(None, "a")]),
        (
            [{"id": "a", "type": "Image"}, {"id": "b", "type": "Image"}],
            [Picture(None, "a"), Picture(None, "b")],
        ),
        ({"id": "u", "type": "Sound"}, []),
        ({"id": "u", "type": "TextualBody"}, []),
        ({"type": "Image"}, []),
        ("https://example.org/a.jpg", []),
        (None, []),
    ],
)
def test_pictures_of_version_3(body: Any, expected: list[Picture]) -> None:
    assert list(pictures3(body)) == expected


def test_an_annotation_that_does_not_paint_is_no_picture() -> None:
    assert not pictures3({"id": "u", "type": "Image"}, motivation="commenting")
    assert pictures3({"id": "u", "type": "Image"}, motivation=["painting", "tagging"])


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        ({"@id": "u", "@type": "dctypes:Image", "service": SERVICE2}, Picture("s2", "u")),
        (
            {
                "@id": "u",
                "@type": "dctypes:Image",
                "service": {"@id": "p", "profile": "http://iiif.io/api/image/2/level1.json"},
            },
            Picture("p", "u"),
        ),
        (
            {
                "@id": "u",
                "@type": "dctypes:Image",
                "service": {
                    "@id": "p",
                    "@context": "http://library.stanford.edu/iiif/image-api/1.1/context.json",
                },
            },
            Picture(None, "u"),
        ),
        (
            {"@type": "oa:Choice", "default": {"@id": "d", "@type": "dctypes:Image"}, "item": []},
            Picture(None, "d"),
        ),
        (
            {"@type": "oa:SpecificResource", "full": {"@id": "f", "@type": "dctypes:Image"}},
            Picture(None, "f"),
        ),
    ],
)
def test_pictures_of_version_2(resource: Any, expected: Picture) -> None:
    assert pictures2(resource) == (expected,)


@pytest.mark.parametrize(
    ("document", "references"),
    [
        (
            {
                "type": "Collection",
                "items": [{"id": "a", "type": "Manifest"}, {"id": "b", "type": "Collection"}],
            },
            "ab",
        ),
        (
            {
                "@type": "sc:Collection",
                "manifests": [{"@id": "a", "@type": "sc:Manifest"}],
                "collections": [{"@id": "b", "@type": "sc:Collection"}],
                "members": [{"@id": "a"}],
            },
            "ab",
        ),
        ({"@type": "sc:Collection", "manifests": ["a", "b"]}, "ab"),
        ({"@type": "sc:Collection", "total": 9, "first": "a"}, "a"),
        ({"@type": "sc:Collection", "manifests": ["a"], "next": {"@id": "b"}, "within": "c"}, "ab"),
        (
            {
                "@type": "sc:Collection",
                "collections": [{"@id": "held", "@type": "sc:Collection", "manifests": ["a"]}],
            },
            "a",
        ),
        ({"type": "Collection", "items": [{"id": "a", "type": "Range"}, 5, None]}, ""),
    ],
)
def test_where_collections_lead(document: Any, references: str) -> None:
    collection = parse(document)
    assert isinstance(collection, Collection)
    assert sorted(collection.references) == sorted(references)


def test_a_collection_may_hold_manifests_itself() -> None:
    inner = {"id": "m", "type": "Manifest", "items": [canvas3({"id": "u", "type": "Image"})]}
    collection = parse({"type": "Collection", "items": [inner]})
    assert isinstance(collection, Collection)
    assert (collection.references, collection.manifests[0].id) == ((), "m")


@pytest.mark.parametrize(
    "document", [None, [], "x", 5, {}, {"type": "AnnotationPage"}, {"type": ["Manifest"]}, {"@type": 3}]
)
def test_what_is_neither_is_an_item_error(document: Any) -> None:
    with pytest.raises(ItemError, match="is no IIIF collection or manifest"):
        parse(document)


V3, V2 = "http://iiif.io/api/image/3/context.json", "http://iiif.io/api/image/2/context.json"


def asked(size: Any, width: int = 6000, height: int = 4000, context: Any = V3, **info: Any) -> list[str]:
    head = {"@context": context, "width": width, "height": height, "profile": "level1"}
    found = addresses(head | info, "s", size)
    assert all(one.startswith("s/full/") and one.endswith("/0/default.jpg") for one in found)
    return [one.split("/")[2] for one in found]


SIZES = [{"width": 750, "height": 500}, {"width": 3000, "height": 2000}, {"width": 1500, "height": 1000}]


@pytest.mark.parametrize(
    ("size", "info", "expected"),
    [
        ("max", {}, ["max"]),
        ("max", {"context": V2}, ["full"]),
        ("max", {"context": V2, "profile": ["level1", {"maxWidth": 3000}]}, ["max"]),
        (1000, {}, ["1000,"]),
        (1000, {"width": 4000, "height": 6000}, [",1000"]),
        (1000, {"context": V2}, ["1000,"]),
        (6000, {}, ["max"]),
        (9000, {}, ["max"]),  # never larger than it is
        (9000, {"context": V2}, ["full"]),
        (5000, {"maxWidth": 3000}, ["3000,"]),
        (5000, {"maxWidth": 5000, "maxHeight": 1000}, ["1500,"]),
        (5000, {"maxArea": 6_000_000}, ["3000,"]),
        (1000, {"maxArea": 6_000_000}, ["1000,"]),
        (1000, {"profile": "level0", "sizes": SIZES}, ["1500,1000", "1500,"]),
        (5000, {"profile": "level0", "sizes": SIZES}, ["3000,2000", "3000,"]),
        (1000, {"profile": "level0"}, ["max"]),
        (1000, {"profile": "level0", "sizes": "none"}, ["max"]),
        (1000, {"context": V2, "profile": ["http://iiif.io/api/image/2/level0.json"]}, ["full"]),
        (1000, {"context": ["http://example.org/extension", V3]}, ["1000,"]),
        (1000, {"context": None, "type": "ImageService3"}, ["1000,"]),
    ],
)
def test_sizes_that_are_asked_for(size: Any, info: dict[str, Any], expected: list[str]) -> None:
    assert asked(size, **info) == expected


@pytest.mark.parametrize(
    ("info", "words"),
    [
        ([], "is no JSON object"),
        ({}, "not of version 2 or 3"),
        (
            {"@context": "http://library.stanford.edu/iiif/image-api/1.1/context.json"},
            "not of version 2 or 3",
        ),
        ({"@context": V3}, "no width and height"),
        ({"@context": V3, "width": "6000", "height": 4000}, "no width and height"),
        ({"@context": V3, "width": 0, "height": 4000}, "no width and height"),
        ({"@context": V3, "width": True, "height": 10**30}, "no width and height"),
    ],
)
def test_an_unusable_info_json_is_an_item_error(info: Any, words: str) -> None:
    with pytest.raises(ItemError, match=words):
        addresses(info, "s", "max")


KEYS = st.sampled_from(
    [
        "id",
        "@id",
        "type",
        "@type",
        "@context",
        "label",
        "value",
        "metadata",
        "items",
        "sequences",
        "canvases",
        "images",
        "resource",
        "body",
        "motivation",
        "service",
        "profile",
        "sizes",
        "width",
        "height",
        "maxWidth",
        "maxArea",
        "maxHeight",
        "manifests",
        "members",
        "collections",
        "first",
        "next",
        "default",
        "source",
        "full",
        "en",
        "none",
        "@value",
        "@language",
        "rights",
        "requiredStatement",
        "attribution",
        "protocol",
    ]
)
WORDS = st.sampled_from(
    [
        "Manifest",
        "sc:Manifest",
        "Collection",
        "Canvas",
        "AnnotationPage",
        "Annotation",
        "painting",
        "Image",
        "Choice",
        "oa:Choice",
        "SpecificResource",
        "ImageService3",
        "level0",
        "level1",
        V2,
        V3,
        "http://h/a",
        "file:///etc",
        "<b>x</b>",
        "Artist",
        "Date",
        "\ud800",
        "\x00",
        "http://[",
        "<![",
    ]
)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | WORDS
JSON = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(KEYS | st.text(max_size=4), inner, max_size=6)
    ),
    max_leaves=40,
)


@pytest.mark.slow
@settings(max_examples=400, deadline=None)
@given(
    document=JSON,
    kind=st.sampled_from(["Manifest", "Collection", "sc:Manifest", None]),
    size=st.integers(16, 9999),
)
def test_no_json_value_crashes_the_parsers(document: Any, kind: str | None, size: int) -> None:
    if isinstance(document, dict) and kind:
        document = document | {"type": kind}
    try:
        parsed = parse(document)
    except ItemError:
        parsed = None
    if isinstance(parsed, Manifest):
        for canvas in parsed.canvases:
            fields = fields_of([parsed.record, canvas.record], {}, ("en",))
            json.dumps(fields)
            assert all(isinstance(f, str | int | list | None) for f in fields.values())
            rights_of(parsed.record)
            assert all(isinstance(p.service or p.url, str) for p in canvas.pictures)
    if isinstance(parsed, Collection):
        assert all(isinstance(reference, str) for reference in parsed.references)
    for info in (
        document,
        {"@context": V3, "width": 800, "height": 600} | (document if isinstance(document, dict) else {}),
    ):
        try:
            assert addresses(info, "s", size)
        except ItemError:
            continue
