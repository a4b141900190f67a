"""The shapes of Ptolemy's answers, read the same whichever of its documents is right."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

import httpx
import msgspec

from armillary.errors import BODY_START_CHARS

Row = dict[str, Any]

_DECODER = msgspec.json.Decoder(float_hook=Decimal)
_NO_CONTENT = 204
_SECRET_CHARS = 8
"""A shorter token is one of a trial; blotting it out would only spoil the words around it."""

_WORDS = ("message", "msg", "detail", "title", "error", "errors", "code")
_MOST_WORDS = 20
_QUERY = re.compile(r"(https?://[^\s\"'<>?]*)\?[^\s\"'<>]*")
_REQUEST_ID = ("x-request-id", "request-id", "x-correlation-id", "x-amzn-requestid", "cf-ray")


class UnreadableAnswer(ValueError):
    """A success whose body says nothing; its text says why."""


def decode(response: httpx.Response, *, may_be_empty: bool) -> Any:
    """The JSON value of a success; numbers with a fraction become ``Decimal`` (contract section 6).

    Raises:
        UnreadableAnswer: empty, not JSON by its content type, cut off, or damaged: something
            between here and Ptolemy answered (``reliability.md`` A15, A16).
    """
    body = response.content
    if response.status_code == _NO_CONTENT or (may_be_empty and not body):
        return None
    if not body.strip():
        raise UnreadableAnswer("it is empty")
    content_type = response.headers.get("content-type", "").lower()
    if content_type and "json" not in content_type:
        raise UnreadableAnswer(f"it is {content_type.partition(';')[0]}, not JSON")
    try:
        return _DECODER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    raise UnreadableAnswer("its JSON is cut off or damaged")


def unwrap(data: Any) -> Any:
    """The value in its envelope or without one (contract D1)."""
    if isinstance(data, dict) and "id" not in data and isinstance(data.get("data"), dict | list):
        return data["data"]
    return data


def reference(row: Mapping[str, Any], name: str) -> str | None:
    """What ``row`` refers to as ``name``: its UUID where given, else its identifier (contract D2).

    ``reference(row, "type")`` reads ``type_id`` or ``type``, either as text or as an object.
    """
    for found in _referred(row, name):
        return found
    return None


def references(row: Mapping[str, Any], *names: str) -> frozenset[str]:
    """Every UUID and identifier by which ``row`` refers to one of ``names``."""
    return frozenset(found for name in names for found in _referred(row, name))


def _referred(row: Mapping[str, Any], name: str) -> Iterator[str]:
    for value in (row.get(f"{name}_id"), row.get(name)):
        parts = (value.get("id"), value.get("identifier")) if isinstance(value, dict) else (value,)
        yield from (part for part in parts if isinstance(part, str) and part)


def count_of(data: Any) -> int | None:
    """The number in an answer to ``/count``, in any of its shapes; None if none (contract N7)."""
    value = unwrap(data)
    if isinstance(value, dict):
        value = value.get("count", value.get("total"))
    if isinstance(value, dict):
        value = value.get("count")
    return whole(value)


def whole(value: Any) -> int | None:
    """A count given as a number or as digits; None for anything else."""
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def request_id(headers: Mapping[str, str]) -> str | None:
    """What support finds the request by, where the service names it."""
    return next((headers[name] for name in _REQUEST_ID if name in headers), None)


def body_start(response: httpx.Response, *secrets: str) -> str:
    """The first part of the body as text, without the token and without signed addresses."""
    text = response.content[: BODY_START_CHARS * 4].decode("utf-8", "replace")
    return redact(text, *secrets)[:BODY_START_CHARS]


def redact(text: str, *secrets: str) -> str:
    """``text`` without the secrets, should a proxy echo them, and without any address's query."""
    for secret in secrets:
        if len(secret) >= _SECRET_CHARS:
            text = text.replace(secret, "**********")
    return _QUERY.sub(r"\1?...", text)


def error_words(response: httpx.Response, *secrets: str) -> str:
    """What an error body says in words, in whatever shape; blank if nothing (contract N1)."""
    try:
        data = msgspec.json.decode(response.content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    words = list(dict.fromkeys(_words(data)))[:_MOST_WORDS]
    return redact("; ".join(words), *secrets)[:BODY_START_CHARS]


def _words(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield from [value.strip()] if value.strip() else []
    elif isinstance(value, list):
        for entry in value[:_MOST_WORDS]:
            yield from _words(entry)
    elif isinstance(value, dict):
        yield from _words_of_object(value)


def _words_of_object(value: Row) -> Iterator[str]:
    known = [key for key in _WORDS if key in value]
    said = [word for key in known for word in _words(value[key])]
    if not known:  # {"lot_size": ["not a number"]}
        yield from (f"{key}: {word}" for key in value for word in _words(value[key]))
        return
    field = value.get("field") or value.get("field_key")
    yield from [f"{field}: {', '.join(said)}"] if isinstance(field, str) and said else said
