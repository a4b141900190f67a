"""An S3 service that holds one request, before or after doing what it asks: a moment to kill in."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.runs.s3 import LoopbackS3

Matches = Callable[[str, str, bytes], bool]
"""Of a request: its method, its path with query, and the start of its body."""

SHOWN_BYTES = 64 * 1024
PATIENCE_SECONDS = 60.0


class HeldS3(LoopbackS3):
    """Answers everything at once but the request that a test is waiting for."""

    def __init__(self) -> None:
        self._matches: Matches | None = None
        self._do_it_first = False
        self._caught = threading.Event()
        self._released = threading.Event()
        super().__init__()

    @contextmanager
    def holding(self, matches: Matches, *, done: bool = False) -> Iterator[threading.Event]:
        """Hold the first request that matches; yields what is set once it is held.

        Args:
            matches: which request.
            done: carry it out, and hold the answer.
        """
        self._caught.clear()
        self._released.clear()
        self._do_it_first, self._matches = done, matches
        try:
            yield self._caught
        finally:
            self._matches = None
            self._released.set()

    def _gate(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        matches = self._matches
        if matches is None:
            return super()._gate(environ, start)
        query = environ["QUERY_STRING"]
        path = environ["PATH_INFO"] + (f"?{query}" if query else "")
        begun, rest = b"", environ["wsgi.input"]
        if environ["REQUEST_METHOD"] in {"PUT", "POST"}:
            begun = rest.read(min(SHOWN_BYTES, int(environ.get("CONTENT_LENGTH") or 0)))
            environ["wsgi.input"] = _Joined(begun, rest)
        if not matches(environ["REQUEST_METHOD"], path, begun):
            return super()._gate(environ, start)
        self._matches = None
        answer = super()._gate(environ, start) if self._do_it_first else []
        self._caught.set()
        self._released.wait(PATIENCE_SECONDS)
        # Whoever asked is dead by now; what it asked for is not done after its death.
        if not self._do_it_first:
            start("503 Slow Down", [("Content-Length", "0")])
        return answer


class _Joined:
    """What was read already, then the rest."""

    def __init__(self, begun: bytes, rest: Any) -> None:
        self._begun = begun
        self._rest = rest

    def read(self, size: int = -1) -> bytes:
        if not self._begun:
            return bytes(self._rest.read(size))
        if size < 0:
            found = bytes(self._begun + self._rest.read())
            self._begun = b""
            return found
        found, self._begun = self._begun[:size], self._begun[size:]
        return found

    def readline(self, *sizes: int) -> bytes:
        line, mark, self._begun = self._begun.partition(b"\n")
        return line + mark if mark else line + bytes(self._rest.readline(*sizes))
