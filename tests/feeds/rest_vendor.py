"""A REST vendor for tests: real HTTP on loopback, with every style of paging and its faults."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from pydantic import SecretStr

from armillary.errors import ArmillaryError, FeedRefused
from armillary.feeds import FeedReading, RestDefinition, read_feed
from armillary.feeds.rest_delivery import rest_delivery
from tests.api.clocks import JumpClock
from tests.feeds.vendor import DATA_TYPES

TOKEN = SecretStr("s3cr3t-t0k3n")
TEN = [f"T{number}.xasx" for number in range(10)]
OFFSET = {"style": "offset", "size": 3}
LATER = "Nothing was written and nothing is archived. "

Row = dict[str, Any]


@dataclass
class Answer:
    """What the vendor says to one request."""

    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes | None = None
    cut: bool = False


@dataclass
class Asked:
    """One request as it came."""

    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


class RestVendor:
    """Answers by ``answer``; ``asked`` holds every request."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.answer: Callable[[Asked], Answer] = lambda asked: Answer([])
        vendor = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = 65_536  # headers and body in one piece: else each answer waits 40 ms

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - of the base
                """Silence."""

            def do_GET(self) -> None:
                length = int(self.headers.get("content-length") or 0)
                parts = urlsplit(self.path)
                content = self.rfile.read(length)
                asked = Asked(
                    parts.path,
                    dict(parse_qsl(parts.query, keep_blank_values=True)),
                    {key.lower(): value for key, value in self.headers.items()},
                    json.loads(content) if content else None,
                )
                vendor.asked.append(asked)
                answer = vendor.answer(asked)
                raw = json.dumps(answer.body).encode() if answer.raw is None else answer.raw
                self.send_response(answer.status)
                for key, value in answer.headers.items():
                    self.send_header(key, value)
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw[: len(raw) // 2] if answer.cut else raw)
                if answer.cut:
                    self.close_connection = True

            do_POST = do_GET  # noqa: N815 - of the base class

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/v1/instruments"

    def holds(self, rows: list[Row], *, size: int = 3, declared: int | None = None) -> None:
        """A list in pages, in every style at once."""
        total = len(rows) if declared is None else declared

        def answer(asked: Asked) -> Answer:
            given = {**asked.query, **(asked.body or {})}
            limit = min(int(given.get("limit", size)), size)
            start = int(given.get("offset", 0)) or int(given.get("cursor") or 0)
            if "page" in given:
                start = (int(given["page"]) - 1) * limit
            end = start + limit
            more = end < len(rows)
            following = f"/v1/instruments?cursor={end}"
            return Answer(
                {
                    "data": {"items": rows[start:end]},
                    "meta": {"count": total, "next": end if more else None},
                    "links": {"next": following if more else None},
                },
                headers={"Link": f'<{following}>; rel="next"'} if more else {},
            )

        self.answer = answer

    def feed(self, **keys: Any) -> RestDefinition:
        plain: dict[str, Any] = {
            "name": "vendor-rest",
            "url": self.url,
            "rows": "data.items",
            "instrument_type": "equity",
            "identifier": "{ticker}.{mic}",
            "fields": {"isin": "{isin}", "lot_size": "{lot}"},
        }
        return RestDefinition.model_validate(plain | keys)


@contextmanager
def rest_vendor() -> Iterator[RestVendor]:
    """A vendor as long as the block runs."""
    vendor = RestVendor()
    vendor._thread.start()
    try:
        yield vendor
    finally:
        vendor._server.shutdown()
        vendor._server.server_close()
        vendor._thread.join()


def rows(count: int) -> list[Row]:
    """Instruments ``T0`` and on."""
    return [
        {"ticker": f"T{number}", "mic": "xasx", "isin": f"AU{number}", "lot": number + 1}
        for number in range(count)
    ]


def read(definition: RestDefinition, clock: JumpClock, **secrets: Any) -> FeedReading:
    return read_feed(
        definition, DATA_TYPES, lambda: rest_delivery(definition, clock=clock, **secrets)
    )


def refusal(
    definition: RestDefinition,
    clock: JumpClock,
    kind: type[ArmillaryError] = FeedRefused,
    **secrets: Any,
) -> str:
    with pytest.raises(kind) as refused:
        read(definition, clock, **secrets)
    assert refused.value.__context__ is None, "it would carry headers, and with them the token"
    message = str(refused.value).replace(definition.url, "LIST")
    assert TOKEN.get_secret_value() not in message + repr(refused.value)
    return message
