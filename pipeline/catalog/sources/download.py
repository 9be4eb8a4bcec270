"""Polite downloads into a folder: each file once, then only asked whether it has changed.

HTTP semantics follow RFC 9110: conditional requests (ETag, Last-Modified), ranges (If-Range), Retry-After.
How the folder is kept, so that a kill at any moment spoils nothing: store.py.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any

import httpx

from pipeline.catalog.sources.contents import read_json
from pipeline.catalog.sources.manners import Manners, Pace, is_private
from pipeline.catalog.sources.responses import Again, Unreachable, busy, continues, refusal, said_by, strong
from pipeline.catalog.sources.store import Kind, Store, Target
from pipeline.errors import ItemError

MAX_REDIRECTS = 5
LONGEST_BACKOFF = 60.0  # seconds


class Downloader:
    """Downloads into `folder`; safe to call from several threads, one process at a time.

    Args:
        folder: is made when it does not exist.
        manners: pace, retries and limits.
        trusted: hosts that may have private addresses.

    Attributes:
        kept: URLs whose server could not be reached, so that the copy of an earlier run counts.
    """

    def __init__(self, folder: Path, manners: Manners, trusted: Collection[str] = ()) -> None:
        self.folder, self.kept = folder, list[str]()
        self._manners, self._trusted = manners, frozenset(trusted)
        self._pace, self._lock = Pace(manners.requests_per_second), Lock()
        self._turns: dict[str, Lock] = {}
        self._asked: set[str] = set()  # in this run
        self._store = Store(folder)
        contact = f" (+{manners.contact})" if manners.contact else ""
        self._client = httpx.Client(
            timeout=manners.timeout,
            headers={
                "User-Agent": f"pentimento/{version('pentimento')}{contact}",
                "Accept-Encoding": "identity",  # byte ranges of a file, not of its compressed form
            },
        )

    def document(self, url: str) -> Any:
        """The JSON value at a URL.

        Raises:
            ItemError: when there is none, it is larger or deeper than allowed, or the host may not be asked.
        """
        return read_json(self.folder / self._fetch(url, "documents"))

    def picture(self, url: str) -> str:
        """The path, relative to the folder, of the picture at a URL.

        Raises:
            ItemError: when there is none, it is larger than allowed, or the host may not be asked.
        """
        return self._fetch(url, "pictures")

    def close(self) -> None:
        """Close the connections and the folder."""
        self._client.close()
        self._store.close()

    def __enter__(self) -> Downloader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _fetch(self, url: str, kind: Kind) -> str:
        parsed = self._parsed(url)
        wanted = f"{kind}:{parsed}"
        with self._lock:
            turn = self._turns.setdefault(wanted, Lock())
        with turn:  # two canvases may show the same file: it is asked for once
            target = self._store.target(parsed, kind)
            if target.known and (wanted in self._asked or self._is_fresh(target.known)):
                return str(target.known["path"])
            try:
                path = self._persist(target)
            except Unreachable:
                if target.known is None:
                    raise
                path = str(target.known["path"])
                with self._lock:
                    self.kept.append(url)
            self._asked.add(wanted)
            return path

    def _is_fresh(self, known: dict[str, Any]) -> bool:
        return bool(0 <= time.time() - known["asked"] < self._manners.fresh)

    def _parsed(self, url: str) -> httpx.URL:
        try:
            parsed = httpx.URL(url).copy_with(fragment=None)
        except (httpx.InvalidURL, UnicodeError, ValueError, TypeError) as error:
            raise ItemError(f"{url[:200]!a} is no URL: {error}") from None
        self._admit(parsed)
        return parsed

    def _admit(self, url: httpx.URL) -> None:
        """Refuse what no manifest and no redirect may lead to."""
        if url.scheme not in ("http", "https") or not url.host:
            raise ItemError(f"{str(url)[:200]}: only http and https are followed")
        if self._manners.private_hosts or url.host in self._trusted:
            return
        if is_private(url.host):
            raise ItemError(
                f"{str(url)[:200]}: leads to a private address; http.private_hosts: true would allow it"
            )

    def _persist(self, target: Target) -> str:
        """Ask until there is an answer or no hope."""
        host = target.url.host
        if self._pace.silent(host):
            raise Unreachable(f"{host} did not answer several requests in a row; left alone in this run")
        deadline = time.monotonic() + self._manners.max_seconds
        for attempt in range(self._manners.retries + 1):
            try:
                path = self._ask(target, deadline)
                self._pace.note(host, answered=True)
                return path
            except ItemError:
                self._pace.note(host, answered=True)  # with no, but answered
                raise
            except (Again, httpx.TransportError) as error:
                failure = error
                if attempt < self._manners.retries and not self._rest(host, attempt, error):
                    break
        self._pace.note(host, answered=not busy(failure))
        reason = str(failure) or type(failure).__name__
        raise Unreachable(f"{target.url}: {reason} (asked {attempt + 1} times)")

    def _rest(self, host: str, attempt: int, failure: Exception) -> bool:
        """Wait twice as long as before, or as long as the server asks; False when that is too long."""
        after = getattr(failure, "after", None)
        if after is not None and after > self._manners.max_wait:
            failure.args = (f"{failure}, to ask again in {after:.0f} s, more than http.max_wait",)
            return False
        wait = min(LONGEST_BACKOFF, self._manners.backoff * 2**attempt) * random.uniform(0.5, 1)
        wait = wait if after is None else after
        if busy(failure):
            self._pace.pause(host, wait)
        else:
            time.sleep(wait)
        return True

    def _ask(self, target: Target, deadline: float) -> str:
        part = self._store.part(target)
        headers, begun = self._headers(target, part)
        with self._opened(target.url, headers) as response:
            status = response.status_code
            if status == 304 and target.known:
                self._store.note(target, target.known)
                return str(target.known["path"])
            if status in (206, 416):
                said = self._store.begun(target)
                if not continues(response, begun):
                    part.unlink(missing_ok=True)
                    raise Again("the server cannot go on where the download was cut off")
            elif status == 200:
                said = said_by(response)
                self._store.begin(target, said)
            else:
                raise refusal(target.url, response)
            if status != 416:
                self._receive(target, response, part, deadline)
        return self._store.place(target, said)

    def _headers(self, target: Target, part: Path) -> tuple[dict[str, str], int]:
        """Headers that ask for the rest of what is half done, or for what has changed; where that begins."""
        begun = part.stat().st_size if part.exists() else 0
        if begun and (unchanged := strong(self._store.begun(target))):
            return {"Range": f"bytes={begun}-", "If-Range": unchanged}, begun
        known, headers = target.known or {}, {}
        if known.get("etag"):
            headers["If-None-Match"] = known["etag"]
        if known.get("modified"):
            headers["If-Modified-Since"] = known["modified"]
        return headers, 0

    @contextmanager
    def _opened(self, url: httpx.URL, headers: dict[str, str]) -> Iterator[httpx.Response]:
        """The response at the end of all redirects, its body not yet read."""
        for _ in range(MAX_REDIRECTS + 1):
            self._admit(url)
            self._pace.wait(url.host)
            try:
                with self._client.stream("GET", url, headers=headers) as response:
                    if not response.has_redirect_location:
                        yield response
                        return
                    url = response.url.join(response.headers["Location"])
            except (httpx.InvalidURL, UnicodeError):
                raise ItemError(f"{url}: the server redirects to what is no URL") from None
        raise ItemError(f"{url}: more than {MAX_REDIRECTS} redirects")

    def _receive(self, target: Target, response: httpx.Response, part: Path, deadline: float) -> None:
        megabytes = self._manners.max_megabytes
        if target.kind == "documents":
            megabytes = self._manners.max_json_megabytes
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise ItemError(f"{target.url}: the server sends a compressed body, which was not asked for")
        limit = int(megabytes * 1e6)
        too_large = f"{target.url}: is larger than {megabytes:g} MB"
        announced = response.headers.get("Content-Length", "")
        if announced.isdecimal() and int(announced) > limit:
            raise ItemError(too_large)
        with part.open("ab") as handle:
            size = handle.tell()
            for chunk in response.iter_raw():
                size += len(chunk)
                if size > limit:
                    part.unlink()
                    raise ItemError(too_large)
                if time.monotonic() > deadline:
                    raise Unreachable(f"{target.url}: not whole after {self._manners.max_seconds:g} s")
                handle.write(chunk)
            handle.flush()
            os.fsync(handle.fileno())
