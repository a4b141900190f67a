"""Both ends of a transfer in a process of its own: a file behind a link, an S3 that keeps nothing.

    python -m benchmarks.loopback_store FILE

Meant to cost next to nothing beside what is measured: the file goes out by ``sendfile``, what comes
in is counted and thrown away. ETags are the checksums that came with the bytes, as a store may do.
"""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import escape

EXPORT = "/export.json"
BUCKET = "bench"
_SIGNED = "X-Amz-Expires=900&X-Amz-Signature="
_SIGNATURE = "0" * 64
_BUFFER_BYTES = 1024**2
_RANGE = re.compile(r"bytes=(\d+)-")


@dataclass(frozen=True)
class LoopbackStore:
    """Such a process."""

    url: str

    @property
    def link(self) -> str:
        """The link of the file, as if signed."""
        return f"{self.url}{EXPORT}?{_SIGNED}{_SIGNATURE}"


@contextmanager
def loopback_store(file: Path) -> Iterator[LoopbackStore]:
    """Start one, and end it."""
    command = [sys.executable, "-m", "benchmarks.loopback_store", str(file)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    try:
        yield LoopbackStore(child.stdout.readline().strip())
    finally:
        child.terminate()
        child.wait(30)
        child.stdout.close()


@dataclass
class _Objects:
    """What was stored: lengths and the ETags that were answered."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    parts: dict[str, int] = field(default_factory=dict)
    lengths: dict[str, int] = field(default_factory=dict)
    metadata: dict[str, dict[str, str]] = field(default_factory=dict)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 64 * 1024
    disable_nagle_algorithm = True
    file: Path
    objects: _Objects

    def handle_expect_100(self) -> bool:
        """Ask for the body at once: who asked waits a second for that."""
        going_on = super().handle_expect_100()
        self.wfile.flush()
        return going_on

    def do_GET(self) -> None:
        """The file, or its rest by Range, to whoever has the link."""
        path, query = self._asked()
        if path != EXPORT or query.get("X-Amz-Signature") != [_SIGNATURE]:
            self._answer(403, b"<Error><Code>AccessDenied</Code></Error>")
            return
        size = self.file.stat().st_size
        asked = _RANGE.fullmatch(self.headers.get("Range", ""))
        start = int(asked[1]) if asked else 0
        self.send_response(206 if asked else 200)
        if asked:
            self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(size - start))
        self.send_header("ETag", f'"{size:x}"')
        self.end_headers()
        self.wfile.flush()
        with self.file.open("rb") as content:
            self.connection.sendfile(content, start)

    def do_HEAD(self) -> None:
        """An object that was stored: length, ETag, metadata."""
        path, _ = self._asked()
        length = self.objects.lengths.get(path)
        self.send_response(404 if length is None else 200)
        self.send_header("Content-Length", str(length or 0))
        self.send_header("ETag", f'"{length or 0:x}"')
        for name, value in self.objects.metadata.get(path, {}).items():
            self.send_header(name, value)
        self.end_headers()

    def do_PUT(self) -> None:
        """A whole object, or a part of one."""
        path, query = self._asked()
        length = self._swallow()
        with self.objects.lock:
            if "uploadId" in query:
                key = f"{path}?{query['partNumber'][0]}"
                self.objects.parts[key] = length
            else:
                self.objects.lengths[path] = length
                self._note_metadata(path)
        self._answer(200, ETag=f'"{self.headers.get("x-amz-checksum-crc32", "none")}"')

    def do_POST(self) -> None:
        """The begin or the end of an upload in parts."""
        path, query = self._asked()
        self._swallow()
        key = escape(path.removeprefix(f"/{BUCKET}/"))
        named = f"<Bucket>{BUCKET}</Bucket><Key>{key}</Key>"
        if "uploads" in query:
            with self.objects.lock:
                self._forget_parts(path)
                self._note_metadata(path)
            words = f"{named}<UploadId>one</UploadId>"
            self._answer(200, _xml("InitiateMultipartUploadResult", words))
            return
        with self.objects.lock:
            length = self.objects.lengths[path] = self._forget_parts(path)
        self._answer(
            200, _xml("CompleteMultipartUploadResult", f'{named}<ETag>"{length:x}"</ETag>')
        )

    def do_DELETE(self) -> None:
        """An upload that is given up."""
        path, _ = self._asked()
        with self.objects.lock:
            self._forget_parts(path)
        self._answer(204)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Say nothing."""

    def _asked(self) -> tuple[str, dict[str, list[str]]]:
        parts = urlsplit(self.path)
        return parts.path, parse_qs(parts.query, keep_blank_values=True)

    def _swallow(self) -> int:
        """Read the body away; how long it was."""
        length = left = int(self.headers.get("Content-Length", 0))
        buffer = memoryview(bytearray(min(left, _BUFFER_BYTES)))
        while left:
            read = self.rfile.readinto(buffer[:left])
            if not read:
                raise ConnectionError(f"{left:,} of {length:,} bytes did not come")
            left -= read
        return length

    def _forget_parts(self, path: str) -> int:
        found = [key for key in self.objects.parts if key.startswith(f"{path}?")]
        return sum(self.objects.parts.pop(key) for key in found)

    def _note_metadata(self, path: str) -> None:
        own = {name: value for name, value in self.headers.items() if name.startswith("x-amz-meta")}
        self.objects.metadata[path] = own

    def _answer(self, status: int, content: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)


def _xml(name: str, words: str) -> bytes:
    return f'<?xml version="1.0" encoding="UTF-8"?><{name}>{words}</{name}>'.encode()


class _Server(ThreadingHTTPServer):
    daemon_threads = True


def _serve(file: str) -> None:
    handler = type("Handler", (_Handler,), {"file": Path(file), "objects": _Objects()})
    server = _Server(("127.0.0.1", 0), handler)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    _serve(sys.argv[1])
