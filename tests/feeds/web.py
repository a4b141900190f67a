"""A web server on loopback that delivers, refuses, leads away, cuts off, or grows."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Page:
    """What an address answers with."""

    content: bytes = b""
    status: int = 200
    etag: str = '"v1"'
    headers: dict[str, str] = field(default_factory=dict)
    heads: bool = True
    """Whether HEAD is answered."""
    cut_at: int | None = None
    """Hang up after so many bytes of the body."""
    cuts: int = 99
    """So many times."""
    grows: bool = False
    """Another content after each answer to GET."""


class Web:
    """Pages by path, and what was asked for."""

    def __init__(self, server: ThreadingHTTPServer) -> None:
        self.url = f"http://127.0.0.1:{server.server_port}"
        self.pages: dict[str, Page] = {}
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        """Method, target and headers, names in lower case."""

    def put(self, path: str, content: bytes, **facts: object) -> str:
        """Deliver; returns the address."""
        self.pages[path] = Page(content, **facts)  # type: ignore[arg-type]
        return self.url + path


@contextmanager
def web(certificate: tuple[str, str] | None = None) -> Iterator[Web]:
    """The server, until the end of the block; over TLS with these files of certificate and key."""
    with _Server(("127.0.0.1", 0), _Handler) as server:
        site = Web(server)
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
            site.url = site.url.replace("http:", "https:")
        server.site = site  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield site
        finally:
            server.shutdown()
            thread.join()


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """Nothing: a client that refuses the certificate is what is tested."""


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def _answer(self) -> None:
        site: Web = self.server.site  # type: ignore[attr-defined]
        headers = {name.lower(): value for name, value in self.headers.items()}
        site.asked.append((self.command, self.path, headers))
        page = site.pages.get(self.path.partition("?")[0], Page(status=404))
        head = self.command == "HEAD"
        self.send_response(405 if head and not page.heads else page.status)
        self.send_header("Content-Length", str(len(page.content)))
        if page.etag:
            self.send_header("ETag", page.etag)
        for name, value in page.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if head:
            return
        cut = page.cut_at if page.cuts else None
        self.wfile.write(page.content[:cut])
        if cut is not None:
            page.cuts -= 1
            self.close_connection = True
        if page.grows:
            page.content += b"more\n"
            page.etag = f'"{len(page.content)}"'

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - of the base class
        """Nothing."""
