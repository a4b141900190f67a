"""An S3 service on loopback that decides conditional writes one at a time, or misbehaves."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from typing import Any

from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import make_server

REFUSAL = "<Error><Code>{}</Code><Message>made up by the test</Message></Error>"


def _nothing() -> None:
    """Happens on a good day."""


class LoopbackS3:
    """moto behind a gate: moto alone looks at a condition and writes in two steps."""

    def __init__(self) -> None:
        logging.getLogger("werkzeug").setLevel(logging.WARNING)  # a line for each request
        self.behave()
        self._app = DomainDispatcherApplication(create_backend_app)
        self._turn = threading.Lock()
        self._server = make_server(
            "127.0.0.1", 0, self._gate, threaded=True, request_handler=MotoRequestHandler
        )
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def behave(self) -> None:
        """Do as S3 does."""
        self.ignores_conditions = False
        """Overwrites whatever the condition, as ``rclone serve s3`` does."""
        self.refuse_puts = ""
        """Status line of every write, ``503 SlowDown``; blank: writes work."""
        self.lose_answers = 0
        """So many writes are carried out and answered with 503."""
        self.page_keys = 1000
        """Keys on a page of a listing."""
        self.before_write: Callable[[], None] = _nothing

    def stop(self) -> None:
        """End, and free the port."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _gate(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        if "list-type=2" in environ["QUERY_STRING"]:
            environ["QUERY_STRING"] += f"&max-keys={self.page_keys}"
        if environ["REQUEST_METHOD"] == "PUT" and environ["PATH_INFO"].count("/") > 1:
            return self._write(environ, start)
        with self._turn:
            return list(self._app(environ, start))

    def _write(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        self.before_write()
        if self.refuse_puts:
            environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
            return _refusal(start, self.refuse_puts)
        if self.ignores_conditions:
            environ.pop("HTTP_IF_MATCH", None)
            environ.pop("HTTP_IF_NONE_MATCH", None)
        with self._turn:
            if not self.lose_answers:
                return list(self._app(environ, start))
            self.lose_answers -= 1
            list(self._app(environ, lambda *_: None))
        return _refusal(start, "503 SlowDown")


def _refusal(start: Callable[..., Any], status: str) -> Iterable[bytes]:
    body = REFUSAL.format(status.partition(" ")[2]).encode()
    start(status, [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
    return [body]
