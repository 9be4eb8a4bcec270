"""A IIIF server on loopback that behaves, or misbehaves as it is told."""

from __future__ import annotations

import hashlib
import io
import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

from PIL import Image

from tests.conftest import painting

Answer = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    """Answers by the server's table of bodies; `tricks` come first."""

    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        path = self.path
        with self.server.lock:
            self.server.log.append((path, dict(self.headers)))
            tricks = self.server.tricks.get(path, [])
            trick = tricks.pop(0) if len(tricks) > 1 else (tricks[0] if tricks else None)
        try:
            if trick:
                trick(self)
            else:
                self.file()
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def file(self, etag: bool = True, kind: str | None = None) -> None:
        """The file of this path: conditional, ranged, or whole."""
        body = self.server.bodies.get(self.path)
        if body is None:
            self.answer(404, b"nothing here")
            return
        tag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
        headers = {"ETag": tag} if etag else {}
        headers["Content-Type"] = kind or (
            "application/json" if body[:1] in b"{[" else Image.MIME[Image.open(io.BytesIO(body)).format]
        )
        if etag and self.headers.get("If-None-Match") == tag:
            self.answer(304, b"", headers)
            return
        wanted = self.headers.get("Range")
        if wanted and self.headers.get("If-Range") in (None, tag):
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            if start >= len(body):
                self.answer(416, b"", {"Content-Range": f"bytes */{len(body)}"})
                return
            headers["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
            self.answer(206, body[start:], headers)
            return
        self.answer(200, body, headers)

    def answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.server.pause:  # in pieces, so that a client can be killed between them
            for start in range(0, len(body), 4096):
                self.wfile.write(body[start : start + 4096])
                time.sleep(self.server.pause)
        else:
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Silence: the test looks at `Server.log`."""


class Server(ThreadingHTTPServer):
    """In a thread of its own: `with Server() as server: ... server.url`."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.bodies: dict[str, bytes] = {}
        self.tricks: dict[str, list[Answer]] = {}  # path -> one after the other; the last stays
        self.log: list[tuple[str, dict[str, str]]] = []
        self.pause = 0.0  # seconds between two pieces of a body
        self.lock = threading.Lock()
        self.url = f"http://127.0.0.1:{self.server_port}"

    def __enter__(self) -> Server:
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shutdown()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that hang up are no news."""

    def put(self, path: str, value: Any) -> str:
        """Serve JSON or bytes at a path; its address."""
        self.bodies[path] = value if isinstance(value, bytes) else json.dumps(value).encode()
        return self.url + path

    def asked(self) -> Counter[str]:
        """How often each path was asked for since the last look."""
        with self.lock:
            counts = Counter(path for path, _ in self.log)
            self.log.clear()
        return counts

    def image(self, name: str, seed: int = 0, side: int = 128, version: int = 3, **info: Any) -> str:
        """An Image API service, its picture `side` pixels wide and 3/4 as high; its address."""
        service = f"{self.url}/img/{name}"
        head = {"@context": f"http://iiif.io/api/image/{version}/context.json", "width": side}
        head |= {"height": side * 3 // 4, "profile": "level2"} | info
        self.put(f"/img/{name}/info.json", head | {"id" if version == 3 else "@id": service})
        for size, width in (("max", side), ("full", side), ("64,", 64)):
            self.put(f"/img/{name}/full/{size}/0/default.jpg", jpeg(seed, width))
        return service

    def manifest3(self, name: str, *services: str, **described: Any) -> str:
        """A manifest of version 3, a canvas for each service; its address."""
        address = f"{self.url}/{name}.json"
        canvases = [
            {"id": f"{address}/canvas/{n}", "type": "Canvas", "items": [
                {"type": "AnnotationPage", "items": [
                    {"type": "Annotation", "motivation": "painting", "body": {
                        "id": f"{service}/full/max/0/default.jpg", "type": "Image",
                        "service": [{"id": service, "type": "ImageService3", "profile": "level2"}]}}]}]}
            for n, service in enumerate(services, 1)
        ]  # fmt: skip
        described = {"label": {"en": [name]}} | described
        return self.put(f"/{name}.json", {"id": address, "type": "Manifest", **described, "items": canvases})

    def manifest2(self, name: str, *services: str, **described: Any) -> str:
        """A manifest of version 2, a canvas for each service; its address."""
        address = f"{self.url}/{name}.json"
        context = "http://iiif.io/api/image/2/context.json"
        canvases = [
            {"@id": f"{address}/canvas/{n}", "@type": "sc:Canvas", "images": [
                {"@type": "oa:Annotation", "motivation": "sc:painting", "resource": {
                    "@id": f"{service}/full/full/0/default.jpg", "@type": "dctypes:Image",
                    "service": {"@context": context, "@id": service}}}]}
            for n, service in enumerate(services, 1)
        ]  # fmt: skip
        body = {"@id": address, "@type": "sc:Manifest", "label": name, **described}
        return self.put(f"/{name}.json", body | {"sequences": [{"canvases": canvases}]})


def jpeg(seed: int, width: int) -> bytes:
    """A picture of width x 3/4 width pixels."""
    buffer = io.BytesIO()
    Image.fromarray(painting(seed, width * 3 // 4, width)).save(buffer, "JPEG", quality=92)
    return buffer.getvalue()
