"""A scripted HTTP server of plain sockets, for every way a server can misbehave."""

from __future__ import annotations

import json as jsonlib
import socket
import struct
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

REASONS = {200: "OK", 201: "Created", 204: "No Content", 429: "Too Many Requests"}


@dataclass(frozen=True)
class Received:
    """One request as it came in."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return jsonlib.loads(self.body)


@dataclass
class Exchange:
    """What a behaviour gets: the socket, the request, and when to stop dawdling."""

    socket: socket.socket
    request: Received
    closing: threading.Event


Behaviour = Callable[[Exchange], bool]
"""Does something to the socket; returns whether the connection stays open."""


def raw(data: bytes, *, keep: bool = False) -> Behaviour:
    """Send exactly these bytes."""

    def behave(exchange: Exchange) -> bool:
        exchange.socket.sendall(data)
        return keep

    return behave


def answer(
    status: int = 200,
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
    *,
    content_type: str = "application/json",
) -> Behaviour:
    """A well-formed answer."""
    lines = [f"HTTP/1.1 {status} {REASONS.get(status, 'Status')}"]
    if status != 204:
        lines += [f"Content-Length: {len(body)}"]
    if content_type and status != 204:
        lines += [f"Content-Type: {content_type}"]
    lines += [f"{key}: {value}" for key, value in (headers or {}).items()]
    return raw("\r\n".join([*lines, "", ""]).encode() + body, keep=True)


def json(data: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Behaviour:
    return answer(status, jsonlib.dumps(data).encode(), headers)


def page(rows: list[Any], after: str | None = None, *, more: bool | None = None) -> Behaviour:
    has_more = after is not None if more is None else more
    return json({"data": rows, "meta": {"next_cursor": after, "has_more": has_more}})


def limited(**headers: str) -> Behaviour:
    """A 429; ``limited(Retry_After="3")``."""
    return answer(429, b"", {key.replace("_", "-"): value for key, value in headers.items()})


def black_hole(exchange: Exchange) -> bool:
    """Take the request, never answer."""
    exchange.closing.wait(20)
    return False


def drip(data: bytes, start: bytes = b"", every: float = 0.02) -> Behaviour:
    """Send ``start`` at once, then one byte at a time, for ever if need be."""

    def behave(exchange: Exchange) -> bool:
        exchange.socket.sendall(start)
        for byte in data:
            if exchange.closing.is_set():
                return False
            exchange.socket.sendall(bytes([byte]))
            time.sleep(every)
        return False

    return behave


def reset(exchange: Exchange) -> bool:
    """Read the request, then a TCP reset instead of an answer."""
    exchange.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return False


def hang_up(exchange: Exchange) -> bool:
    """Read the request, then close without a word."""
    return False


@dataclass
class WireServer:
    """Serves the behaviours in turn, the last one for ever; usable in ``with``.

    ``connections`` counts accepted sockets; ``most_at_once`` is the peak of requests under way.
    """

    script: list[Behaviour]
    received: list[Received] = field(default_factory=list)
    connections: int = 0
    most_at_once: int = 0

    def __enter__(self) -> Self:
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._under_way = 0
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._accepting = self._start(self._accept)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._closing.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._accepting.join(5)
        for connection in self._sockets:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
        for thread in self._threads:
            thread.join(5)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}/v1"

    @property
    def calls(self) -> list[str]:
        """What was asked, as in ``GET /instruments``, relative to the workspace."""
        return [f"{r.method} {r.target.removeprefix('/v1/workspaces/acme')}" for r in self.received]

    def _start(self, target: Callable[..., None], *args: Any) -> threading.Thread:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()
        return thread

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._sockets.append(connection)
            self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with connection, connection.makefile("rb") as reader:
            while (request := self._read(reader)) is not None:
                behaviour = self._next(request)
                try:
                    keep = behaviour(Exchange(connection, request, self._closing))
                except OSError:
                    return
                finally:
                    with self._lock:
                        self._under_way -= 1
                if not keep:
                    return

    def _next(self, request: Received) -> Behaviour:
        with self._lock:
            self.received.append(request)
            self._under_way += 1
            self.most_at_once = max(self.most_at_once, self._under_way)
            return self.script.pop(0) if len(self.script) > 1 else self.script[0]

    def _read(self, reader: Any) -> Received | None:
        try:
            first = reader.readline().decode().split()
            headers: dict[str, str] = {}
            while line := reader.readline().strip():
                key, _, value = line.decode().partition(":")
                headers[key.lower()] = value.strip()
            body = reader.read(int(headers.get("content-length", 0)))
        except OSError:
            return None
        return Received(first[0], first[1], headers, body) if len(first) == 3 else None
