"""Bytes to a service and back, under one deadline for the whole exchange.

A timeout per read is no limit at all: a server that sends one byte a second, in the headers or
in the body, holds a worker for hours. Here every read and write of the socket is given no more
than what is left of the exchange's deadline (``reliability.md`` A14).
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterable, Iterator
from typing import Any

import httpcore
import httpx

from armillary.api.endpoint import Endpoint
from armillary.proxies import proxy_for

MAX_ANSWER_BYTES = 64 * 1024 * 1024
"""A page of 200 records is far below; more is a fault, and must not fill the memory."""

_KEEP_IDLE_SECONDS = 4.0
"""Below the five seconds after which common servers hang up on an idle connection."""

_WRITE_BYTES = 64 * 1024

_PACKED_BYTES = 16 * 1024
"""Unpacked at a time: deflate makes at most a thousandfold of it."""

_PROBE_SECONDS = 60
"""A refresh of a venue is silent for many minutes, and routers forget what is so long at rest."""

_KEEP_ALIVE: list[httpcore.SOCKET_OPTION] = [
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    *(
        (socket.IPPROTO_TCP, getattr(socket, name), _PROBE_SECONDS)
        for name in ("TCP_KEEPIDLE", "TCP_KEEPINTVL")
        if hasattr(socket, name)  # not on every system
    ),
]


class AnswerTooLong(httpcore.RemoteProtocolError):
    """The body went past ``MAX_ANSWER_BYTES``."""


class Wire(httpx.BaseTransport):
    """A pool of connections to one host. Safe to use from many threads.

    ``handle_request`` returns answers read to their end. The request's extension ``deadline`` is
    the moment, by ``time.monotonic``, at which the exchange is given up. That clock is not the
    injected one: sockets wait in real time, whatever a test's clock says.

    Raises:
        httpcore.ConnectError, ConnectTimeout, PoolTimeout, ProxyError: nothing was sent.
        httpcore.NetworkError, TimeoutException, ProtocolError: something may have been.
        httpx.DecodingError: the answer's compression is broken.
    """

    def __init__(self, connection: Endpoint) -> None:
        secure = connection.url.startswith("https:")
        self._deadline = _Deadline()
        self._pool = httpcore.ConnectionPool(
            ssl_context=httpx.create_ssl_context() if secure else None,
            proxy=_proxy_for(connection.url),
            max_connections=connection.max_in_flight,
            keepalive_expiry=_KEEP_IDLE_SECONDS,
            network_backend=_Backend(self._deadline),
            socket_options=_KEEP_ALIVE,
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send, and read the whole answer."""
        self._deadline.moment = request.extensions["deadline"]
        url = request.url
        response = self._pool.handle_request(
            httpcore.Request(
                method=request.method,
                url=httpcore.URL(
                    scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
                ),
                headers=request.headers.raw,
                content=request.stream,
                extensions=request.extensions,
            )
        )
        try:
            body = _whole(response.iter_stream())
        finally:
            response.close()
        return _unpacked(httpx.Headers(response.headers), response.status, body)

    def close(self) -> None:
        """Close every connection."""
        self._pool.close()


class _Deadline(threading.local):
    """When the exchange of this thread ends.

    httpcore hands a stream a timeout per read and nothing else; a thread makes one exchange at a
    time and does its own reading, so the thread is what a deadline can hang on.
    """

    moment: float = 0.0

    def cap(self, timeout: float | None) -> float:
        """The time a single step may take; not above zero when the deadline has passed."""
        left = self.moment - time.monotonic()
        return left if timeout is None or left < timeout else timeout


class _Backend(httpcore.NetworkBackend):
    def __init__(self, deadline: _Deadline) -> None:
        self._deadline = deadline
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        seconds = self._deadline.cap(timeout)
        if seconds <= 0:
            raise httpcore.ConnectTimeout
        stream = self._sockets.connect_tcp(host, port, seconds, local_address, socket_options)
        return _Stream(stream, self._deadline)


class _Stream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream, deadline: _Deadline) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        seconds = self._deadline.cap(timeout)
        if seconds <= 0:
            raise httpcore.ReadTimeout
        return self._stream.read(max_bytes, seconds)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for start in range(0, len(buffer), _WRITE_BYTES):
            seconds = self._deadline.cap(timeout)
            if seconds <= 0:
                raise httpcore.WriteTimeout
            self._stream.write(buffer[start : start + _WRITE_BYTES], seconds)

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        seconds = self._deadline.cap(timeout)
        if seconds <= 0:
            raise httpcore.ConnectTimeout
        secured = self._stream.start_tls(ssl_context, server_hostname, seconds)
        return _Stream(secured, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _whole(chunks: Iterable[bytes]) -> bytes:
    kept: list[bytes] = []
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > MAX_ANSWER_BYTES:
            raise AnswerTooLong(f"more than {MAX_ANSWER_BYTES} bytes")
        kept.append(chunk)
    return b"".join(kept)


class _Pieces(httpx.SyncByteStream):
    """A packed body in pieces so small that what one unpacks to fits into memory."""

    def __init__(self, packed: bytes) -> None:
        self._packed = packed

    def __iter__(self) -> Iterator[bytes]:
        for start in range(0, len(self._packed), _PACKED_BYTES):
            yield self._packed[start : start + _PACKED_BYTES]


def _unpacked(headers: httpx.Headers, status: int, body: bytes) -> httpx.Response:
    """The answer, its body unpacked as far as an answer may be long: 300 KB can hold 300 MB."""
    if "content-encoding" in headers:
        packed = httpx.Response(status, headers=headers, stream=_Pieces(body))
        body = _whole(packed.iter_bytes())
        for name in ("content-encoding", "content-length"):
            headers.pop(name, None)
    return httpx.Response(status, headers=headers, content=body)


def _proxy_for(url: str) -> httpcore.Proxy | None:
    """The proxy the environment names for this address, as httpx's own client would take it."""
    address = proxy_for(url)
    if address is None:
        return None
    named = httpx.Proxy(address)
    return httpcore.Proxy(
        str(named.url),
        auth=named.raw_auth,
        headers=named.headers.raw,
        ssl_context=named.ssl_context,
    )
