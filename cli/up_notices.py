"""Where notifications of the practice stack arrive: a page, and the terminal."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cli.console import err

MOST_BYTES = 1_000_000

_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta http-equiv="refresh" content="5"><title>Notifications</title>
<style>
body{{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;color:#222}}
article{{border:1px solid #ccc;border-radius:6px;padding:.5rem 1rem;margin:1rem 0}}
h2{{font-size:1.1rem;margin:.3rem 0}}time{{color:#666}}pre{{white-space:pre-wrap;font:inherit}}
</style>
</head><body><h1>Notifications</h1><p>What the automations of this practice stack have sent, newest
first. In production they go to the chat, the email address or the service in the block
custom-webhook/alerts.</p>{notices}</body></html>"""


class Notices:
    """The notifications that have arrived."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._arrived: list[tuple[datetime, str, str]] = []

    def add(self, subject: str, body: str) -> None:
        """Keep one, and tell the person at the keyboard."""
        with self._lock:
            self._arrived.append((datetime.now().astimezone(), subject, body))
        err.print(f"Notification: {subject}\n{body}", markup=False)

    def page(self) -> str:
        """All of them, newest first."""
        with self._lock:
            arrived = list(reversed(self._arrived))
        found = "".join(
            f"<article><time>{at:%H:%M:%S}</time><h2>{escape(subject)}</h2>"
            f"<pre>{escape(body)}</pre></article>"
            for at, subject, body in arrived
        )
        return _PAGE.format(notices=found or "<p>None yet.</p>")


@contextmanager
def receiver() -> Iterator[str]:
    """Take notifications for as long as the block lasts.

    Yields:
        The address: to send to, and to look at.
    """
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(Notices()))
    thread = threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(notices: Notices) -> Callable[..., BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(200, notices.page())

        def do_POST(self) -> None:
            try:
                told = json.loads(self.rfile.read(self._length()))
                notices.add(str(told["subject"]), str(told["body"]))
            except (ValueError, KeyError, TypeError):
                self._answer(400, "A JSON object with subject and body is expected.")
            else:
                self._answer(200, "told")

        def log_message(self, *_: Any) -> None:
            """Requests are no news."""

        def _length(self) -> int:
            return min(int(self.headers.get("Content-Length") or 0), MOST_BYTES)

        def _answer(self, status: int, text: str) -> None:
            content = text.encode()
            kind = "text/html" if text.startswith("<") else "text/plain"
            self.send_response(status)
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(content)

    return Handler
