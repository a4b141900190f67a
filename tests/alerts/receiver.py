"""Where notifications and pings arrive: an HTTP server on loopback that keeps all of it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Receiver:
    """What has arrived."""

    url: str
    notifications: list[dict[str, str]] = field(default_factory=list)
    """Bodies of POST: ``subject`` and ``body``."""
    pings: list[str] = field(default_factory=list)
    """Paths of GET, with their queries."""
    answers: dict[str, tuple[int, dict[str, str]]] = field(default_factory=dict)
    """By path: a status and headers other than 200."""
    arrived: threading.Event = field(default_factory=threading.Event)

    def about(self, words: str) -> list[dict[str, str]]:
        """The notifications whose subject has these words."""
        return [each for each in self.notifications if words in each["subject"]]


@contextmanager
def receiving() -> Iterator[Receiver]:
    """The server, until the end of the block."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        receiver = Receiver(f"http://127.0.0.1:{server.server_port}")
        server.receiver = receiver  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield receiver
        server.shutdown()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        receiver: Receiver = self.server.receiver  # type: ignore[attr-defined]
        receiver.pings.append(self.path)
        status, headers = receiver.answers.get(self.path, (200, {}))
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_POST(self) -> None:
        receiver: Receiver = self.server.receiver  # type: ignore[attr-defined]
        length = int(self.headers["Content-Length"])
        receiver.notifications.append(json.loads(self.rfile.read(length)))
        receiver.arrived.set()
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's word
        """Nothing: standard error belongs to the tests."""
