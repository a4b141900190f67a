"""What goes in and out of a service: requests, answers, refusals."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Protocol
from urllib.parse import parse_qsl, unquote

import msgspec


class NumberText(str):
    """A JSON number with a fraction or exponent, kept as it was written."""

    __slots__ = ()


_decoder = msgspec.json.Decoder(float_hook=NumberText)


def _as_number(value: Any) -> msgspec.Raw:
    if isinstance(value, NumberText):
        return msgspec.Raw(value.encode("ascii"))
    raise TypeError(f"{type(value).__name__} is no JSON value")


_encoder = msgspec.json.Encoder(enc_hook=_as_number)
_sorted_encoder = msgspec.json.Encoder(enc_hook=_as_number, order="sorted")
encode = _encoder.encode
encode_sorted = _sorted_encoder.encode


class Refusal(Exception):
    """A request that is answered with an error status."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        field: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code or f"error_{status}"
        self.field = field
        self.headers = dict(headers or {})


@dataclass(slots=True)
class PageMark:
    """How a page fault gets hold of a page: its place, and a way to write a cursor for it."""

    after: str | None
    cursor_here: Callable[[], str]


@dataclass(slots=True)
class Answer:
    """An answer: a value to be written as JSON, or raw bytes, or a stream of known length."""

    status: int
    value: Any = None
    raw: bytes | None = None
    media_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    page: PageMark | None = None
    rows: list[Any] | None = None
    """The records of a page, for ``included``."""
    stream: AsyncIterator[bytes] | None = None
    length: int | None = None
    after_seconds: float = 0.0
    """Real seconds the answer is kept back; the work is done."""

    def content(self) -> bytes:
        """The body; empty for a status that has none."""
        if self.raw is not None:
            return self.raw
        return b"" if self.status == HTTPStatus.NO_CONTENT else encode(self.value)


@dataclass(slots=True)
class Incoming:
    """A request as it came off the wire, its body read."""

    method: str
    raw_path: str
    query_string: str
    headers: dict[str, str]
    body: bytes
    too_large: bool = False

    @property
    def segments(self) -> list[str]:
        """The path parts, each decoded on its own: an encoded slash survives (contract N3)."""
        return [unquote(part) for part in self.raw_path.strip("/").split("/")]

    @property
    def query(self) -> dict[str, str]:
        """The query parameters; of a repeated one the last."""
        if not self.query_string:
            return {}
        return dict(parse_qsl(self.query_string, keep_blank_values=True))

    def json(self) -> Any:
        """The body as JSON; numbers with a fraction are :class:`NumberText`.

        Raises:
            Refusal: 400 when the body is not JSON.
        """
        try:
            return _decoder.decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Refusal(400, f"The body is not JSON: {error}", code="invalid_json") from error


@dataclass(slots=True)
class Location:
    """Where in a service a request goes."""

    template: str
    """Such as ``/instruments/{id}``; ``unknown`` when nothing is there."""
    path: str
    """The path below the workspace, as sent."""
    scope: str
    """The workspace as written in the path; empty when there is none."""
    target: Any = None
    """What the service needs to answer."""
    secret_body: bool = False
    """Whether the body holds a password or a token: the log has no digest of it."""


@dataclass(slots=True)
class Admission:
    """What a service decided before any work: who calls, and what every answer carries."""

    caller: str
    headers: dict[str, str]
    refusal: Refusal | None = None
    token: Any = None


class Service(Protocol):
    """One simulated API."""

    def locate(self, incoming: Incoming) -> Location | None:
        """Where the request goes; none when it is not for this service."""
        ...

    def admit(self, incoming: Incoming, location: Location) -> Admission:
        """Count the call and judge the caller."""
        ...

    def answer(self, incoming: Incoming, location: Location, admission: Admission) -> Answer:
        """Do the work."""
        ...

    def refuse(self, refusal: Refusal, admission: Admission) -> Answer:
        """The answer for a refusal."""
        ...

    def expired_cursor_status(self) -> int:
        """The status of an expired cursor."""
        ...
