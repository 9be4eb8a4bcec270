"""What a server's answer means, after RFC 9110: done, later, no."""

from __future__ import annotations

from typing import Any

import httpx

from pipeline.catalog.sources.manners import retry_after
from pipeline.errors import ItemError

_PASSING = {408, 425, 429, 500, 502, 503, 504}  # states of a server that may pass


class Unreachable(ItemError):
    """A server does not answer, or not with what it should; a copy from an earlier run still counts."""


class Again(Exception):
    """This try failed, another may not; `after` seconds, where the server says so.

    `busy` says that it is the server's state, not this file's: nobody else need ask at once.
    """

    def __init__(self, reason: str, after: float | None = None, busy: bool = False) -> None:
        super().__init__(reason)
        self.after, self.busy = after, busy


def said_by(response: httpx.Response) -> dict[str, Any]:
    """What of a response's headers is needed later."""
    headers = response.headers
    return {
        "etag": headers.get("ETag"),
        "modified": headers.get("Last-Modified"),
        "type": headers.get("Content-Type"),
    }


def strong(said: dict[str, Any]) -> str | None:
    """What If-Range may compare (RFC 9110, 13.1.5): an ETag that is not weak, else the date."""
    etag = said.get("etag")
    if etag and not etag.startswith("W/"):
        return str(etag)
    return said.get("modified")


def continues(response: httpx.Response, begun: int) -> bool:
    """Whether a 206 begins where the part that is there ends, or a 416 says that nothing is missing."""
    place = str(response.headers.get("Content-Range", ""))
    whole = response.status_code == 416 and place == f"bytes */{begun}"
    return begun > 0 and (whole or place.startswith(f"bytes {begun}-"))


def refusal(url: httpx.URL, response: httpx.Response) -> Exception:
    """What a response without the file means: that it may come later, or not at all."""
    status = f"{response.status_code} {response.reason_phrase}".strip()
    if response.status_code not in _PASSING:
        return ItemError(f"{url}: the server answers {status}")
    after = retry_after(response.headers.get("Retry-After"))
    return Again(f"the server answers {status}", after, busy=response.status_code in (429, 503))


def busy(failure: Exception) -> bool:
    """Whether a failure is the server's state rather than one file's."""
    silent = isinstance(failure, httpx.TimeoutException | httpx.ConnectError)
    return silent or getattr(failure, "busy", False)
