"""An S3 service on loopback that decides conditional writes one at a time, or misbehaves."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

import boto3
import botocore.session
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from moto.s3.models import FakeKey, s3_backends
from werkzeug.serving import make_server

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# Each session of boto3 looks for its descriptions of services and parses a megabyte of them anew,
# and a test has several sessions.
botocore.session.create_loader = cache(botocore.session.create_loader)

REFUSAL = "<Error><Code>{}</Code><Message>made up by the test</Message></Error>"


def _nothing() -> None:
    """Happens on a good day."""


@dataclass(frozen=True)
class Asked:
    """A request as it came in, without its body."""

    method: str
    target: str
    """Path, and query if there is one."""
    headers: Mapping[str, str]
    """By name in lower case."""


@dataclass
class Fault:
    """What happens to requests of one kind; without further words they are carried out."""

    method: str
    part: str = ""
    """Stands in the target: ``uploadId``, ``partNumber=2``, a piece of a key."""
    status: str = ""
    """Refuse with this status line: ``503 SlowDown``."""
    body: bytes | None = None
    """Answer 200 with this."""
    drop: bool = False
    """Hang up instead of answering."""
    done: bool = False
    """Carry it out before that."""
    flip_at: int | None = None
    """Send the answer with one bit of this byte turned over."""
    cut_at: int | None = None
    """Hang up after so many bytes of the answer."""
    after: int = 0
    """So many pass unharmed first."""
    times: int = 1

    def strikes(self, asked: Asked) -> bool:
        """Whether it is this one's turn; counts it."""
        if asked.method != self.method or self.part not in asked.target or not self.times:
            return False
        if self.after:
            self.after -= 1
            return False
        self.times -= 1
        return True


class LoopbackS3:
    """moto behind a gate: moto alone looks at a condition and writes in two steps."""

    def __init__(self) -> None:
        logging.getLogger("werkzeug").setLevel(logging.WARNING)  # a line for each request
        self.behave()
        self._app = DomainDispatcherApplication(create_backend_app)
        self._turn = threading.Lock()
        self._noting = threading.Lock()
        self._server = make_server(
            "127.0.0.1", 0, self._gate, threaded=True, request_handler=MotoRequestHandler
        )
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    @cached_property
    def client(self) -> S3Client:
        """A plain client for whoever looks at what was stored."""
        return boto3.client(
            "s3",
            endpoint_url=self.url,
            aws_access_key_id="made-up",
            aws_secret_access_key="made-up-secret",
            region_name="us-east-1",
        )

    def remove(self, name: str) -> None:
        """Take a bucket away with all it holds; to ask for that takes longer than most tests."""
        store = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
        bucket = store.buckets.pop(name)
        s3_backends.bucket_accounts.pop(name)
        for key in list(bucket.keys):
            for version in bucket.keys.getlist(key):
                if isinstance(version, FakeKey):
                    version.dispose()
        for upload in bucket.multiparts.values():
            upload.dispose()

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
        self.faults: list[Fault] = []
        """The first that matches a request strikes it."""
        self.asked: list[Asked] = []
        """Every request since the last good behaviour."""

    def stop(self) -> None:
        """End, and free the port."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _gate(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        asked = _asked(environ)
        with self._noting:
            self.asked.append(asked)
            fault = next((fault for fault in self.faults if fault.strikes(asked)), None)
        if fault is not None:
            return self._struck(fault, environ, start)
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

    def _struck(
        self, fault: Fault, environ: dict[str, Any], start: Callable[..., Any]
    ) -> Iterable[bytes]:
        if fault.flip_at is not None or fault.cut_at is not None:
            with self._turn:
                return _harmed(fault, b"".join(self._app(environ, start)), environ)
        if fault.done:
            with self._turn:
                list(self._app(environ, lambda *_: None))
        else:
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        if fault.drop:
            _hang_up(environ)
        if fault.body is not None:
            start("200 OK", [("Content-Type", "application/xml")])
            return [fault.body]
        return _refusal(start, fault.status)


def _asked(environ: Mapping[str, Any]) -> Asked:
    query = environ["QUERY_STRING"]
    return Asked(
        environ["REQUEST_METHOD"],
        environ["PATH_INFO"] + (f"?{query}" if query else ""),
        {
            name.removeprefix("HTTP_").replace("_", "-").lower(): value
            for name, value in environ.items()
            if name.startswith("HTTP_")
        },
    )


def _harmed(fault: Fault, body: bytes, environ: Mapping[str, Any]) -> Iterator[bytes]:
    if fault.flip_at is not None:
        at = fault.flip_at
        body = body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]
    yield body[: fault.cut_at]
    if fault.cut_at is not None:
        _hang_up(environ)


def _hang_up(environ: Mapping[str, Any]) -> None:
    environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
    raise ConnectionResetError


def _refusal(start: Callable[..., Any], status: str) -> Iterable[bytes]:
    body = REFUSAL.format(status.partition(" ")[2]).encode()
    start(status, [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
    return [body]
