"""The iiif source against a server on loopback: what becomes an item, what it costs, what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from pydantic import TypeAdapter

from pipeline.catalog.location import file_of
from pipeline.catalog.sources import AnySpec, Item, list_items
from pipeline.errors import PentimentoError
from tests.unit.catalog.sources.iiif_server import Handler, Server, jpeg

HTTP = {"requests_per_second": 1000, "backoff": 0.001, "fresh": 0, "timeout": 5, "retries": 2}
Take = Callable[..., list[Item]]


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setenv("PENTIMENTO_STATE", str(tmp_path / "state"))


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        yield server


@pytest.fixture
def take(tmp_path: Path) -> Take:
    """take(location, **params): the source's items."""

    def items(location: str, **params: Any) -> list[Item]:
        source = {"kind": "iiif", "location": location, **params, "http": HTTP | params.get("http", {})}
        adapter: TypeAdapter[tuple[AnySpec, ...]] = TypeAdapter(tuple[AnySpec, ...])
        return list_items(adapter.validate_json(json.dumps([source])), tmp_path)

    return items


def pixels(item: Item, root: Path) -> tuple[int, int]:
    with Image.open(file_of(item.location, item.path, root)) as image:
        return image.size


def collection(server: Server, name: str, *addresses: str, **more: Any) -> str:
    entries = [{"id": one, "type": "Manifest"} for one in addresses]
    body = {"id": f"{server.url}/{name}.json", "type": "Collection", "items": entries, **more}
    return server.put(f"/{name}.json", body)


def metadata(**pairs: str) -> list[dict[str, str]]:
    return [{"label": label, "value": value} for label, value in pairs.items()]


def test_a_collection_of_both_versions_becomes_works_with_fields(
    server: Server, take: Take, tmp_path: Path
) -> None:
    three = server.manifest3(
        "three",
        server.image("a", 1),
        server.image("b", 2),
        label={"en": ["Night Watch"], "nl": ["De Nachtwacht"]},
        metadata=metadata(Artist="Rembrandt", Date="1642"),
        rights="http://creativecommons.org/publicdomain/mark/1.0/",
    )
    two = server.manifest2("two", server.image("c", 3, version=2), metadata=metadata(Schilder="Jan Steen"))
    items = take(collection(server, "top", three, two), fields={"artist": ["Schilder"]}, languages=["nl"])
    assert [item.id for item in items] == [
        f"iiif:{three}/canvas/1",
        f"iiif:{three}/canvas/2",
        f"iiif:{two}/canvas/1",
    ]
    assert [item.fields["artist"] for item in items] == ["Rembrandt", "Rembrandt", "Jan Steen"]
    assert [item.fields["title"] for item in items] == ["De Nachtwacht", "De Nachtwacht", "two"]
    assert items[0].record["rights"].endswith("mark/1.0/")
    assert items[0].record["picture"] == f"{server.url}/img/a/full/max/0/default.jpg"
    assert items[2].record["picture"] == f"{server.url}/img/c/full/full/0/default.jpg"
    assert [pixels(item, tmp_path) for item in items] == [(128, 96)] * 3
    assert {item.location for item in items} == {"state:downloads/iiif"}
    assert not any(item.problem for item in items)


def test_a_second_run_costs_conditional_requests_only(server: Server, take: Take) -> None:
    top = collection(server, "top", server.manifest3("m", server.image("a")))
    first = take(top)
    server.log.clear()
    sent: list[int] = []
    for path in server.bodies:

        def counted(handler: Handler) -> None:
            handler.file()
            sent.append(int(handler.headers.get("If-None-Match") is None))

        server.tricks[path] = [counted]
    assert take(top) == first
    assert sum(server.asked().values()) == 4  # collection, manifest, info.json, picture
    assert sent == [0, 0, 0, 0]


def test_only_what_is_new_is_downloaded(server: Server, take: Take) -> None:
    one, two = server.manifest3("one", server.image("a", 1)), server.manifest3("two", server.image("b", 2))
    take(collection(server, "top", one), http={"fresh": 60})
    server.asked()
    items = take(collection(server, "wider", one, two), http={"fresh": 60})
    assert len(items) == 2
    assert set(server.asked()) == {
        "/wider.json",
        "/two.json",
        "/img/b/info.json",
        "/img/b/full/max/0/default.jpg",
    }


def test_the_size_is_what_is_asked_for(server: Server, take: Take, tmp_path: Path) -> None:
    top = server.manifest3("m", server.image("a", side=128))
    assert pixels(take(top, size=64)[0], tmp_path) == (64, 48)
    assert pixels(take(top, size=4000)[0], tmp_path) == (128, 96)


def test_one_way_of_writing_a_size_may_be_unknown(server: Server, take: Take, tmp_path: Path) -> None:
    sizes = [{"width": 64, "height": 48}]
    top = server.manifest3("m", server.image("a", profile="level0", sizes=sizes))  # serves "64,", not "64,48"
    assert pixels(take(top, size=64)[0], tmp_path) == (64, 48)


def test_the_first_canvas_of_each_and_no_more_than_the_limit(server: Server, take: Take) -> None:
    images = [server.image(name, seed) for seed, name in enumerate("abc")]
    top = collection(server, "top", server.manifest3("one", *images), server.manifest3("two", *images))
    assert len(take(top, canvases="first")) == 2
    assert len(take(top, limit=4)) == 4
    server.asked()
    assert len(take(top, limit=1)) == 1
    assert set(server.asked()) == {
        "/top.json",
        "/one.json",
        "/img/a/info.json",
        "/img/a/full/max/0/default.jpg",
    }


def test_collections_in_a_circle_and_in_pages(server: Server, take: Take) -> None:
    one, two = server.manifest3("one", server.image("a", 1)), server.manifest3("two", server.image("b", 2))
    top = f"{server.url}/top.json"
    head = {"@type": "sc:Collection", "@id": top}
    server.put("/top.json", head | {"first": f"{server.url}/p1.json", "collections": [{"@id": top}]})
    server.put("/p1.json", head | {"manifests": [{"@id": one}], "next": f"{server.url}/p2.json"})
    server.put("/p2.json", head | {"members": [{"@id": two}, {"@id": one}, {"@id": f"{top}#again"}]})
    assert len(take(top)) == 2
    assert max(server.asked().values()) == 1


def test_what_cannot_be_had_is_an_item_with_its_reason(server: Server, take: Take) -> None:
    good = server.manifest3("good", server.image("a"))
    server.put("/html.json", b"<html>Sign in</html>")
    server.tricks["/html.json"] = [lambda h: h.answer(200, b"<html>", {"Content-Type": "text/html"})]
    server.put("/page.json", {"type": "AnnotationPage"})
    empty = server.manifest3("empty")
    broken = server.manifest3("broken", server.image("cut", 5), server.image("whole", 6))
    server.bodies["/img/cut/full/max/0/default.jpg"] = b"{}"
    no_info = server.manifest3("no-info", f"{server.url}/img/nothing")
    elsewhere = server.manifest3("elsewhere", "file:///etc")
    addresses = [good, f"{server.url}/html.json", f"{server.url}/page.json", f"{server.url}/gone.json",
                 empty, broken, no_info, elsewhere, "ftp://x/y", "../../etc/passwd",
                 "http://a:b:c/"]  # fmt: skip
    problems = {item.id.removeprefix("iiif:").replace(server.url, ""): item.problem
                for item in take(collection(server, "top", *addresses))}  # fmt: skip
    words = {
        "/good.json/canvas/1": None,
        "/html.json": "is not valid JSON",
        "/page.json": "is no IIIF collection or manifest, its type is 'AnnotationPage'",
        "/gone.json": "the server answers 404",
        "/empty.json": "shows no picture",
        "/broken.json/canvas/1": "default.jpg",
        "/broken.json/canvas/2": None,
        "/no-info.json/canvas/1": "nothing/info.json: the server answers 404",
        "/elsewhere.json/canvas/1": "only http and https are followed",
        "ftp://x/y": "only http and https are followed",
        "../../etc/passwd": "only http and https are followed",
        "http://a:b:c/": "is no URL",
    }
    assert set(problems) == set(words)
    for key, word in words.items():
        assert (problems[key] is None) == (word is None), (key, problems[key])
        assert (word or "") in (problems[key] or ""), (key, problems[key])


def test_odd_names_stay_names(server: Server, take: Take, tmp_path: Path) -> None:
    body = {"type": "Image", "id": server.put("/..%2f..%2fx%00.jpg", jpeg(0, 64))}
    annotation = {"type": "Annotation", "motivation": "painting", "body": body}
    canvas = {"type": "Canvas", "items": [{"type": "AnnotationPage", "items": [annotation]}]}
    ids = ["../../../etc/passwd", "a\x00b\n\ud800", "a" * 5000, "", "=cmd|' /C calc'!A0", "c", "c", "c#2"]
    manifest = {
        "id": "m",
        "type": "Manifest",
        "label": "A\x00 \ud800title",
        "items": [canvas | {"id": i} for i in ids],
    }
    items = take(server.put("/m.json", manifest))
    assert len({item.id for item in items}) == len(ids)
    for item in items:
        item.id.encode()
        assert "\x00" not in item.id + item.path
        assert item.fields["title"] == "A title"
        assert file_of(item.location, item.path, tmp_path).is_file()


def test_a_location_that_fails_is_an_error_and_not_an_empty_archive(
    server: Server, take: Take, tmp_path: Path
) -> None:
    with pytest.raises(PentimentoError, match=r"inventory.sources: iiif: .*answers 404"):
        take(f"{server.url}/nothing.json")
    with pytest.raises(PentimentoError, match="does not exist"):
        take("no/such/file.json")
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(PentimentoError, match=r"bad.json is not valid JSON"):
        take(str(tmp_path / "bad.json"))
    (tmp_path / "none").mkdir()
    with pytest.raises(PentimentoError, match="holds no manifest"):
        take(str(tmp_path / "none"))


def test_an_earlier_copy_keeps_the_works_of_a_server_that_is_down(
    server: Server, take: Take, capsys: pytest.CaptureFixture[str]
) -> None:
    top = collection(server, "top", server.manifest3("m", server.image("a")))
    before = take(top)
    for path in server.bodies:
        server.tricks[path] = [lambda handler: handler.answer(503, b"")]
    assert take(top) == before
    assert "4 addresses could not be reached, the copies of an earlier run stand" in capsys.readouterr().err


def test_documents_on_disk_alone_and_leading_on(server: Server, take: Take, tmp_path: Path) -> None:
    http = {"private_hosts": True}
    one, two = server.manifest3("one", server.image("a", 1)), server.manifest3("two", server.image("b", 2))
    folder = tmp_path / "documents"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "one.json").write_bytes(server.bodies["/one.json"])
    (folder / "bad.json").write_text("{")
    top = {"type": "Collection", "items": [{"id": one, "type": "Manifest"}, {"id": two, "type": "Manifest"},
           {"id": "sub/one.json", "type": "Manifest"}, {"id": "../state", "type": "Manifest"}]}  # fmt: skip
    (folder / "top.json").write_text(json.dumps(top))
    single = take(str(folder / "sub" / "one.json"), http=http)
    assert [item.id for item in single] == [f"iiif:{one}/canvas/1"]
    server.asked()
    items = {
        item.id.removeprefix("iiif:").replace(server.url, ""): item.problem
        for item in take(str(folder), http=http)
    }
    assert "/one.json" not in server.asked(), "a manifest that is there is not asked for"
    assert items["/two.json/canvas/1"] is None
    assert items["/one.json/canvas/1"] is None
    assert len(items) == 4
    assert "is not valid JSON" in str(items["bad.json"])
    assert "leads out of" in str(items["../state"])


def test_links_to_private_hosts_are_refused_for_documents_on_disk(
    server: Server, take: Take, tmp_path: Path
) -> None:
    server.manifest3("one", server.image("a", 1))
    (tmp_path / "one.json").write_bytes(server.bodies["/one.json"])
    (item,) = take(str(tmp_path / "one.json"))
    assert "leads to a private address" in str(item.problem)
    assert not server.asked()


def test_downloads_may_lie_in_a_folder_of_ones_own(server: Server, take: Take, tmp_path: Path) -> None:
    (item,) = take(server.manifest3("m", server.image("a")), folder="scans/iiif", name="museum")
    assert (item.location, item.source) == ("scans/iiif", "museum")
    assert (tmp_path / "scans/iiif" / item.path).is_file()
    assert item.id.startswith("museum:")


@pytest.mark.parametrize(
    "params",
    [
        {"size": "large"},
        {"size": 0},
        {"fields": {"titel": ["Titel"]}},
        {"limit": 0},
        {"http": {"retries": -1}},
        {"http": {"contact": "a\nb"}},
        {"http": {"colour": 1}},
    ],
)
def test_params_are_checked(params: dict[str, Any], take: Take) -> None:
    with pytest.raises(ValueError, match="validation error"):
        take("http://example.org/m.json", **params)
