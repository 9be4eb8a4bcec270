"""Downloads from a server on loopback that misbehaves in every way that servers do."""

from __future__ import annotations

import errno
import hashlib
import json
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from pipeline.catalog.sources import manners
from pipeline.catalog.sources.contents import read_json
from pipeline.catalog.sources.download import Downloader
from pipeline.catalog.sources.manners import Manners, Pace, is_private, retry_after
from pipeline.catalog.sources.responses import Unreachable
from pipeline.errors import ItemError
from tests.unit.catalog.sources.iiif_server import Handler, Server, jpeg

BRISK = Manners(requests_per_second=1000, backoff=0.001, fresh=0, timeout=5, retries=3)
PICTURE = jpeg(0, 640)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        server.put("/a.jpg", PICTURE)
        server.put("/a.json", {"type": "Manifest"})
        yield server


@pytest.fixture
def open_folder(tmp_path: Path) -> Callable[..., Downloader]:
    def make(**changes: Any) -> Downloader:
        return Downloader(tmp_path / "downloads", BRISK.model_copy(update=changes), ["127.0.0.1"])

    return make


Open = Callable[..., Downloader]


def status(code: int, **headers: str) -> Callable[[Handler], None]:
    return lambda handler: handler.answer(code, b"no", {k.replace("_", "-"): v for k, v in headers.items()})


def body(content: bytes, kind: str) -> Callable[[Handler], None]:
    return lambda handler: handler.answer(200, content, {"Content-Type": kind})


def cut(after: int, etag: str | None = '"e"', announce: bool = True) -> Callable[[Handler], None]:
    """A whole picture is announced, a part of it sent, and the line goes dead."""

    def trick(handler: Handler) -> None:
        handler.send_response(200)
        if announce:
            handler.send_header("Content-Length", str(len(PICTURE)))
        else:
            handler.send_header("Transfer-Encoding", "chunked")
        if etag:
            handler.send_header("ETag", etag)
        handler.end_headers()
        handler.wfile.write(PICTURE[:after] if announce else b"%x\r\n%b\r\n" % (after, PICTURE[:after]))
        handler.wfile.flush()
        handler.close_connection = True
        handler.connection.shutdown(socket.SHUT_RDWR)

    return trick


def plain(handler: Handler) -> None:
    handler.file()


def test_a_file_is_downloaded_once_and_then_only_asked_for(server: Server, open_folder: Open) -> None:
    for run in range(2):
        with open_folder() as downloader:
            path = downloader.picture(server.url + "/a.jpg")
            assert downloader.document(server.url + "/a.json") == {"type": "Manifest"}
            assert (downloader.folder / path).read_bytes() == PICTURE
            assert Path(path).suffix == ".jpg"
        headers = [headers for _, headers in server.log]
        assert all(("If-None-Match" in one) == (run == 1) for one in headers)
        assert all(one["User-Agent"].startswith("pentimento/") for one in headers)
        assert server.asked() == {"/a.jpg": 1, "/a.json": 1}
    assert not list((downloader.folder / "partial").iterdir())


def test_what_was_asked_for_just_now_is_not_asked_again(server: Server, open_folder: Open) -> None:
    for _ in range(2):
        with open_folder(fresh=60) as downloader:
            downloader.picture(server.url + "/a.jpg")
    assert server.asked() == {"/a.jpg": 1}


def test_many_threads_ask_once(server: Server, open_folder: Open) -> None:
    with open_folder() as downloader, ThreadPoolExecutor(8) as pool:
        paths = set(pool.map(downloader.picture, [server.url + "/a.jpg", server.url + "/a.jpg#x"] * 8))
    assert len(paths) == 1
    assert server.asked() == {"/a.jpg": 1}


def test_a_changed_file_replaces_the_old_one(server: Server, open_folder: Open) -> None:
    with open_folder() as downloader:
        old = downloader.picture(server.url + "/a.jpg")
    server.put("/a.jpg", jpeg(1, 320))
    with open_folder() as downloader:
        new = downloader.picture(server.url + "/a.jpg")
        assert (downloader.folder / new).read_bytes() == jpeg(1, 320)
    assert new == old


def test_a_copy_that_was_removed_or_damaged_is_fetched_again(server: Server, open_folder: Open) -> None:
    for damage in (lambda file: file.unlink(), lambda file: file.write_bytes(b"cut")):
        with open_folder() as downloader:
            damage(downloader.folder / downloader.picture(server.url + "/a.jpg"))
        with open_folder() as downloader:
            file = downloader.folder / downloader.picture(server.url + "/a.jpg")
            assert file.read_bytes() == PICTURE


@pytest.mark.parametrize("code", [429, 500, 502, 503, 504, 408])
def test_a_passing_state_is_tried_again(code: int, server: Server, open_folder: Open) -> None:
    server.tricks["/a.jpg"] = [status(code), status(code, Retry_After="0"), plain]
    with open_folder() as downloader:
        assert (downloader.folder / downloader.picture(server.url + "/a.jpg")).read_bytes() == PICTURE
    assert server.asked() == {"/a.jpg": 3}


def test_a_state_that_does_not_pass_is_given_up(server: Server, open_folder: Open) -> None:
    server.tricks["/a.jpg"] = [status(500)]
    with open_folder() as downloader, pytest.raises(Unreachable, match=r"answers 500 .*\(asked 4 times\)"):
        downloader.picture(server.url + "/a.jpg")
    assert server.asked() == {"/a.jpg": 4}


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that would have been slept."""
    seconds: list[float] = []
    monkeypatch.setattr("time.sleep", seconds.append)
    return seconds


def test_a_servers_wish_to_wait_is_kept_for_the_whole_host(
    server: Server, open_folder: Open, slept: list[float]
) -> None:
    server.tricks["/a.jpg"] = [status(429, Retry_After="100"), plain]
    with open_folder() as downloader:
        downloader.picture(server.url + "/a.jpg")
        assert max(slept) > 90
        slept.clear()
        downloader.document(server.url + "/a.json")
        assert max(slept) > 90, "another file of the same host waits, too"


def test_a_wait_is_twice_as_long_each_time(server: Server, open_folder: Open, slept: list[float]) -> None:
    server.tricks["/a.jpg"] = [status(500)]
    with open_folder(backoff=8, retries=5) as downloader, pytest.raises(Unreachable):
        downloader.picture(server.url + "/a.jpg")
    waits = [seconds for seconds in slept if seconds > 1]
    assert len(waits) == 5
    assert all(most / 2 <= wait <= most for wait, most in zip(waits, (8, 16, 32, 60, 60), strict=True))


def test_a_wish_to_wait_too_long_ends_it(server: Server, open_folder: Open) -> None:
    server.tricks["/a.jpg"] = [status(503, Retry_After="86400")]
    with (
        open_folder() as downloader,
        pytest.raises(Unreachable, match=r"again in 86400 s, more than http.max"),
    ):
        downloader.picture(server.url + "/a.jpg")
    assert server.asked() == {"/a.jpg": 1}


@pytest.mark.parametrize("code", [400, 401, 403, 404, 410, 418])
def test_a_no_is_not_asked_twice(code: int, server: Server, open_folder: Open) -> None:
    server.tricks["/a.jpg"] = [status(code)]
    with open_folder() as downloader, pytest.raises(ItemError, match=f"the server answers {code}"):
        downloader.picture(server.url + "/a.jpg")
    assert server.asked() == {"/a.jpg": 1}


def test_what_was_cut_off_goes_on_where_it_was(server: Server, open_folder: Open) -> None:
    etag = f'"{hashlib.sha256(PICTURE).hexdigest()[:16]}"'
    server.tricks["/a.jpg"] = [cut(5000, etag), plain]
    with open_folder() as downloader:
        assert (downloader.folder / downloader.picture(server.url + "/a.jpg")).read_bytes() == PICTURE
    second = server.log[1][1]
    assert (second["Range"], second["If-Range"]) == ("bytes=5000-", etag)


def test_a_later_run_goes_on_with_what_an_earlier_one_left(server: Server, open_folder: Open) -> None:
    etag = f'"{hashlib.sha256(PICTURE).hexdigest()[:16]}"'
    server.tricks["/a.jpg"] = [cut(5000, etag)]
    with open_folder(retries=0) as downloader, pytest.raises(Unreachable):
        downloader.picture(server.url + "/a.jpg")
    server.tricks.clear()
    server.asked()
    with open_folder() as downloader:
        assert (downloader.folder / downloader.picture(server.url + "/a.jpg")).read_bytes() == PICTURE
    assert server.log[0][1]["Range"] == "bytes=5000-"


def test_the_rest_of_another_version_is_not_appended(server: Server, open_folder: Open) -> None:
    server.tricks["/a.jpg"] = [cut(5000, '"an old version"'), plain]
    with open_folder() as downloader:
        assert (downloader.folder / downloader.picture(server.url + "/a.jpg")).read_bytes() == PICTURE
    assert server.log[1][1]["If-Range"] == '"an old version"'


@pytest.mark.parametrize("etag", [None, 'W/"weak"'])
def test_without_a_strong_validator_it_begins_again(
    etag: str | None, server: Server, open_folder: Open
) -> None:
    server.tricks["/a.jpg"] = [cut(5000, etag), plain]
    with open_folder() as downloader:
        assert (downloader.folder / downloader.picture(server.url + "/a.jpg")).read_bytes() == PICTURE
    assert "Range" not in server.log[1][1]


def test_a_range_that_begins_elsewhere_is_not_believed(server: Server, open_folder: Open) -> None:
    def elsewhere(handler: Handler) -> None:
        handler.answer(206, PICTURE[100:], {"Content-Range": f"bytes 100-{len(PICTURE) - 1}/{len(PICTURE)}"})

    server.tricks["/a.jpg"] = [cut(5000), elsewhere, plain]
    with open_folder() as downloader:
        assert (downloader.folder / downloader.picture(server.url + "/a.jpg")).read_bytes() == PICTURE


def test_a_download_that_was_whole_when_it_was_killed_is_kept(server: Server, open_folder: Open) -> None:
    etag = f'"{hashlib.sha256(PICTURE).hexdigest()[:16]}"'
    server.tricks["/a.jpg"] = [cut(5000, etag)]
    with open_folder(retries=0) as downloader, pytest.raises(Unreachable):
        downloader.picture(server.url + "/a.jpg")
    (part,) = (downloader.folder / "partial").iterdir()
    part.write_bytes(PICTURE)
    server.tricks.clear()
    with open_folder() as downloader:  # 416: nothing is missing
        assert (downloader.folder / downloader.picture(server.url + "/a.jpg")).read_bytes() == PICTURE
    assert not part.exists()


@pytest.mark.parametrize("announce", [True, False])
def test_a_truncated_body_is_never_a_file(announce: bool, server: Server, open_folder: Open) -> None:
    server.tricks["/a.jpg"] = [cut(5000, None, announce)]
    with open_folder() as downloader, pytest.raises(Unreachable):
        downloader.picture(server.url + "/a.jpg")
    assert not list((downloader.folder / "pictures").rglob("*.*"))


@pytest.mark.parametrize(
    ("content", "kind", "words"),
    [
        (b"<html>Sign in</html>", "text/html", "calls it text/html"),
        (b"<html>Sign in</html>", "image/jpeg", "calls it image/jpeg"),
        (b"", "image/jpeg", "empty"),
        (b"%PDF-1.4", "application/pdf", "application/pdf"),
    ],
)
def test_what_is_no_picture_is_not_kept(
    content: bytes, kind: str, words: str, server: Server, open_folder: Open
) -> None:
    server.tricks["/a.jpg"] = [body(content, kind)]
    with open_folder() as downloader, pytest.raises(ItemError, match=words):
        downloader.picture(server.url + "/a.jpg")
    assert not [file for file in downloader.folder.rglob("*") if file.suffix == ".jpg"]
    assert not list((downloader.folder / "partial").iterdir())


def test_a_picture_under_a_wrong_content_type_is_a_picture(server: Server, open_folder: Open) -> None:
    server.tricks["/a.jpg"] = [body(PICTURE, "text/plain")]
    with open_folder() as downloader:
        assert (downloader.folder / downloader.picture(server.url + "/a.jpg")).read_bytes() == PICTURE


DEEP = b"[" * 100_000 + b"]" * 100_000


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"<html></html>", "is not valid JSON"),
        (b'{"a": NaN}', "NaN is no JSON"),
        (b'{"a": 1', "is not valid JSON"),
        (DEEP, "is not valid JSON"),
        (b"[" * 70 + b"]" * 70, "nested more than 64 deep"),
        (b'{"a": ' + b"1" * 5000 + b"}", "is not valid JSON"),
        (b"\xff\xfe\xfa", "is not valid JSON"),
        (b'"' + b"a" * 2_000_000 + b'"', "larger than 1 MB"),
        (b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "bb">]><a>&b;</a>', "is not valid JSON"),
    ],
)
def test_documents_that_are_none(content: bytes, words: str, server: Server, open_folder: Open) -> None:
    server.tricks["/a.json"] = [body(content, "application/json")]
    with open_folder(max_json_megabytes=1) as downloader, pytest.raises(ItemError, match=words):
        downloader.document(server.url + "/a.json")


def test_an_endless_body_ends_at_the_limit(server: Server, open_folder: Open) -> None:
    def endless(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        while True:
            handler.wfile.write(b"10000\r\n" + b"x" * 65536 + b"\r\n")

    server.tricks["/a.jpg"] = [endless]
    with open_folder(max_megabytes=1) as downloader, pytest.raises(ItemError, match="larger than 1 MB"):
        downloader.picture(server.url + "/a.jpg")
    assert not list((downloader.folder / "partial").iterdir())


def test_a_dripping_body_ends_at_its_time(server: Server, open_folder: Open) -> None:
    def drip(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        for _ in range(1000):
            handler.wfile.write(b"x")
            time.sleep(0.02)

    server.tricks["/a.jpg"] = [drip]
    with (
        open_folder(max_seconds=0.2) as downloader,
        pytest.raises(Unreachable, match=r"not whole after 0\.2 s"),
    ):
        downloader.picture(server.url + "/a.jpg")


def test_a_server_that_says_nothing_is_given_up(server: Server, open_folder: Open) -> None:
    server.tricks["/a.jpg"] = [lambda handler: time.sleep(0.3)]
    with (
        open_folder(timeout=0.05, retries=1) as downloader,
        pytest.raises(Unreachable, match="asked 2 times"),
    ):
        downloader.picture(server.url + "/a.jpg")


def test_a_dead_host_is_left_alone_after_a_while(open_folder: Open) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        dead = f"http://127.0.0.1:{unused.getsockname()[1]}"
    with open_folder(retries=0) as downloader:
        reasons = []
        for number in range(manners.GIVEN_UP + 1):
            with pytest.raises(Unreachable) as failure:
                downloader.picture(f"{dead}/{number}.jpg")
            reasons.append(str(failure.value))
    assert ["left alone" in reason for reason in reasons] == [False] * manners.GIVEN_UP + [True]


def test_files_that_fail_by_themselves_do_not_close_a_host(server: Server, open_folder: Open) -> None:
    with open_folder(retries=0) as downloader:
        for number in range(manners.GIVEN_UP + 1):
            server.tricks[f"/{number}.jpg"] = [status(500)]
            with pytest.raises(Unreachable):
                downloader.picture(f"{server.url}/{number}.jpg")
        assert downloader.picture(server.url + "/a.jpg")


@pytest.mark.parametrize(
    "trick", [status(503), body(b"<html>Down for maintenance</html>", "text/html"), cut(9)]
)
def test_an_earlier_copy_stands_for_a_server_in_trouble_and_that_is_said(
    trick: Callable[[Handler], None], server: Server, open_folder: Open
) -> None:
    with open_folder() as downloader:
        before = downloader.picture(server.url + "/a.jpg")
    server.tricks["/a.jpg"] = [trick]
    with open_folder() as downloader:
        assert downloader.picture(server.url + "/a.jpg") == before
        assert downloader.kept == [server.url + "/a.jpg"]
        assert (downloader.folder / before).read_bytes() == PICTURE


def test_an_earlier_copy_does_not_stand_for_what_is_gone(server: Server, open_folder: Open) -> None:
    with open_folder() as downloader:
        downloader.picture(server.url + "/a.jpg")
    del server.bodies["/a.jpg"]
    with open_folder() as downloader, pytest.raises(ItemError, match="404"):
        downloader.picture(server.url + "/a.jpg")


def test_redirects_are_followed_to_the_web_only(server: Server, open_folder: Open) -> None:
    server.tricks["/moved.jpg"] = [status(301, Location="/a.jpg")]
    server.tricks["/round.jpg"] = [status(302, Location="/round.jpg")]
    with open_folder() as downloader:
        assert (downloader.folder / downloader.picture(server.url + "/moved.jpg")).read_bytes() == PICTURE
        with pytest.raises(ItemError, match="more than 5 redirects"):
            downloader.picture(server.url + "/round.jpg")
        for number, target in enumerate(
            ["file:///etc/passwd", "ftp://127.0.0.1/a.jpg", "gopher://x/", "data:image/png;base64,AA"]
        ):
            server.tricks[f"/{number}.jpg"] = [status(302, Location=target)]
            with pytest.raises(ItemError, match=r"only http and https are followed|is no URL"):
                downloader.picture(f"{server.url}/{number}.jpg")
        server.tricks["/odd.jpg"] = [status(302, Location="http://[")]
        with pytest.raises(ItemError):
            downloader.picture(server.url + "/odd.jpg")


def test_private_hosts_are_followed_only_when_the_params_say_so(server: Server, open_folder: Open) -> None:
    other = server.url.replace("127.0.0.1", "localhost")
    server.tricks["/a.jpg"] = [status(302, Location=other + "/b.jpg")]
    server.put("/b.jpg", PICTURE)
    with open_folder() as downloader:
        for url in (
            server.url + "/a.jpg",
            other + "/b.jpg",
            "http://169.254.169.254/x",
            "http://[::1]/",
            "http://10.1/",
        ):
            with pytest.raises(ItemError, match="leads to a private address"):
                downloader.picture(url)
    assert server.asked() == {"/a.jpg": 1}
    with open_folder(private_hosts=True) as downloader:
        assert downloader.picture(server.url + "/a.jpg")


@pytest.mark.parametrize(
    "url",
    ["", "a.jpg", "/etc/passwd", "file:///etc/passwd", "http://", "http://[", "http://a:b:c/", "javascript:1",
     "http://\x00/", "\ud800", "http://h/" + "a" * 70_000, "//host/a.jpg", "http://exa mple/"],
)  # fmt: skip
def test_odd_addresses_are_item_errors(url: str, open_folder: Open) -> None:
    with open_folder(retries=0) as downloader, pytest.raises(ItemError):
        downloader.picture(url)


@pytest.mark.parametrize(
    "name", ["/../../../etc/passwd", "/..%2f..%2fetc", "/a%00b.jpg", "/" + "n" * 3000, "/é ü?.jpg"]
)
def test_no_name_leads_out_of_the_folder(
    name: str, server: Server, open_folder: Open, tmp_path: Path
) -> None:
    server.bodies = dict.fromkeys([name, *server.bodies], PICTURE)

    class Any_(dict[str, bytes]):
        def get(self, key: str, default: Any = None) -> Any:
            return PICTURE

    server.bodies = Any_()
    with open_folder() as downloader:
        path = downloader.picture(server.url + name)
        assert (downloader.folder / path).resolve().is_relative_to(downloader.folder.resolve() / "pictures")
    assert {file.name for file in tmp_path.iterdir()} == {"downloads"}


def test_a_compressed_body_is_refused(server: Server, open_folder: Open) -> None:
    server.tricks["/a.json"] = [lambda h: h.answer(200, b"\x1f\x8b", {"Content-Encoding": "gzip"})]
    with open_folder() as downloader, pytest.raises(ItemError, match="compressed body"):
        downloader.document(server.url + "/a.json")


def test_a_second_run_waits_for_the_first(
    server: Server, open_folder: Open, capsys: pytest.CaptureFixture[str]
) -> None:
    first = open_folder(fresh=60)
    with ThreadPoolExecutor(1) as pool:
        second = pool.submit(open_folder, fresh=60)
        first.picture(server.url + "/a.jpg")
        while "this one waits" not in capsys.readouterr().err:
            time.sleep(0.001)
        assert not second.done()
        first.close()
        with second.result() as downloader:
            downloader.picture(server.url + "/a.jpg")
    assert server.asked() == {"/a.jpg": 1}


def test_a_full_disk_is_no_fault_of_the_file(
    server: Server, open_folder: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with open_folder() as downloader, pytest.raises(OSError, match="No space left"):
        downloader.picture(server.url + "/a.jpg")


def test_requests_are_spaced(server: Server, open_folder: Open) -> None:
    for number in range(6):
        server.put(f"/{number}.json", {})
    with open_folder(requests_per_second=50) as downloader, ThreadPoolExecutor(6) as pool:
        began = time.monotonic()
        list(pool.map(downloader.document, [f"{server.url}/{number}.json" for number in range(6)]))
        assert time.monotonic() - began >= 5 / 50


def test_a_pace_pauses_one_host_only(slept: list[float]) -> None:
    pace = Pace(1000)
    pace.pause("slow", 100)
    pace.wait("other")
    pace.wait("slow")
    other, slow = slept
    assert other < 1 < 90 < slow


def test_retry_after_in_both_forms() -> None:
    assert retry_after("120") == 120
    soon = retry_after(formatdate(time.time() + 100, usegmt=True))
    assert soon is not None
    assert 90 < soon <= 100
    assert retry_after(formatdate(0, usegmt=True)) == 0
    assert retry_after(None) is retry_after("soon") is retry_after("-5") is None


@pytest.mark.parametrize(
    ("host", "private"),
    [("127.0.0.1", True), ("10.0.0.8", True), ("::1", True), ("::ffff:192.168.0.1", True),
     ("2130706433", True),
     ("8.8.8.8", False), ("0.0.0.0", True), ("fe80::1", True)],
)  # fmt: skip
def test_which_hosts_are_private(host: str, private: bool) -> None:
    assert is_private(host) is private


def test_a_document_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b"\xef\xbb\xbf" + json.dumps({"a": "é"}).encode())
    assert read_json(tmp_path / "a.json") == {"a": "é"}
