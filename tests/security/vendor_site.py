"""A vendor's web server that wants a password, and a query that is nobody's business."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

USER = "armillary"
PASSWORD = "vendor-password-5d1f0c"
EDITION = "vendor-edition-77ab21"


class Site:
    """Where it is, and what it delivers."""

    def __init__(self, port: int) -> None:
        self._host = f"127.0.0.1:{port}"
        self.content = b""
        self.pings: list[str] = []
        """Paths that were asked for without a password."""

    @property
    def feed(self) -> str:
        """The address of the file; its query is shown nowhere."""
        return f"http://{self._host}/drop/asx.csv?edition={EDITION}"

    @property
    def heartbeat(self) -> str:
        """An address that is a secret as a whole."""
        return f"http://{self._host}/ping/{HEARTBEAT}"


HEARTBEAT = "heartbeat-9c2e44d1"


@contextmanager
def vendor_site() -> Iterator[Site]:
    """The server, until the end of the block."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        site = Site(server.server_port)
        server.site = site  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield site
        server.shutdown()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_POST(self) -> None:
        self._answer(with_body=True)

    def _answer(self, *, with_body: bool) -> None:
        site: Site = self.server.site  # type: ignore[attr-defined]
        parts = urlsplit(self.path)
        if parts.path.startswith("/ping/"):
            site.pings.append(parts.path)
            self._send(200, b"", with_body=False)
            return
        wanted = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        signed = parse_qs(parts.query).get("edition") == [EDITION]
        if self.headers.get("Authorization") != wanted or not signed:
            # As many servers do: what was wrong is quoted in the answer.
            self._send(403, f"not allowed: {self.path}".encode(), with_body=with_body)
            return
        self._send(200, site.content, with_body=with_body)

    def _send(self, status: int, body: bytes, *, with_body: bool) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - of the base class
        """Nothing: what it would tell is what is looked for."""
