"""How a source behaves towards other people's servers: parameters, pace, and which hosts it may ask."""

from __future__ import annotations

import ipaddress
import socket
import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from email.utils import parsedate_to_datetime
from functools import lru_cache
from threading import Lock

from pydantic import Field

from pipeline.params import StageParams

GIVEN_UP = 3  # requests in a row that failed to the end, after which a host is left alone for this run


class Manners(StageParams):
    """`http:` of a source that downloads; every key has a default that a public server can live with."""

    requests_per_second: float = Field(default=4, gt=0, le=1000)  # to one host
    connections: int = Field(default=2, ge=1, le=16)  # side by side, to all hosts
    retries: int = Field(default=5, ge=0, le=20)  # of one request, on 408, 425, 429, 5xx and broken lines
    backoff: float = Field(default=1.0, ge=0, le=60)  # seconds before the first retry; doubled each time
    max_wait: float = Field(default=120, ge=0, le=3600)  # seconds; a server that asks for more is given up
    timeout: float = Field(default=30, gt=0, le=600)  # seconds without a byte
    max_seconds: float = Field(default=900, gt=0)  # for one file, however steadily it drips
    max_megabytes: float = Field(default=500, gt=0)  # of one picture
    max_json_megabytes: float = Field(default=32, gt=0)  # of one manifest, collection or info.json
    fresh: float = Field(default=600, ge=0)  # seconds in which a copy is not asked for again
    private_hosts: bool = False  # follow links to loopback and private addresses other than `location`'s host
    contact: str | None = Field(default=None, pattern=r"^[\x21-\x7e]+$")  # mail or page, in the user agent


class Pace:
    """Spaces the requests to each host, from whichever thread; remembers hosts that do not answer."""

    def __init__(self, requests_per_second: float) -> None:
        self._gap = 1 / requests_per_second
        self._next: defaultdict[str, float] = defaultdict(float)
        self._failures: Counter[str] = Counter()
        self._lock = Lock()

    def wait(self, host: str) -> None:
        """Sleep until it is this request's turn at `host`."""
        with self._lock:
            now = time.monotonic()
            turn = max(now, self._next[host])
            self._next[host] = turn + self._gap
        time.sleep(turn - now)

    def pause(self, host: str, seconds: float) -> None:
        """Let nobody ask `host` for some seconds."""
        with self._lock:
            self._next[host] = max(self._next[host], time.monotonic() + seconds)

    def note(self, host: str, answered: bool) -> None:
        """Count a request that failed to the end; one that was answered clears the count."""
        with self._lock:
            self._failures[host] = 0 if answered else self._failures[host] + 1

    def silent(self, host: str) -> bool:
        """Whether the last requests to `host` all failed."""
        return self._failures[host] >= GIVEN_UP


def retry_after(value: str | None) -> float | None:
    """Seconds that a Retry-After header asks for (RFC 9110, 10.2.3), None when it cannot be read."""
    if value is None:
        return None
    if value.strip().isdecimal():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None


@lru_cache(maxsize=1024)
def is_private(host: str) -> bool:
    """Whether a host's name stands for an address that the public internet does not route.

    A name that cannot be resolved here is not private: the request, or the proxy it goes through, will tell.
    """
    try:
        found: Iterable[str] = {str(entry[4][0]) for entry in socket.getaddrinfo(host, None)}
    except (OSError, UnicodeError):
        return False
    return any(not _is_global(address.partition("%")[0]) for address in found)


def _is_global(address: str) -> bool:
    ip = ipaddress.ip_address(address)
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return (mapped or ip).is_global
