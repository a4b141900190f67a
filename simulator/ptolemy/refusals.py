"""Error bodies in every shape the documentation leaves open (contract N1)."""

from __future__ import annotations

import html
from collections.abc import Callable
from typing import Any, Final

from simulator.exchange import Answer, Refusal


def answer(refusal: Refusal, shape: str, headers: dict[str, str]) -> Answer:
    """The answer for a refusal."""
    all_headers = {**headers, **refusal.headers}
    if shape == "html":
        page = f"<html><body><h1>{refusal.status}</h1>{html.escape(refusal.message)}</body></html>"
        return Answer(
            refusal.status, raw=page.encode(), media_type="text/html", headers=all_headers
        )
    if shape == "empty":
        return Answer(refusal.status, raw=b"", headers=all_headers)
    return Answer(refusal.status, _SHAPES[shape](refusal), headers=all_headers)


def _message(refusal: Refusal) -> dict[str, Any]:
    body: dict[str, Any] = {"message": refusal.message, "code": refusal.code}
    if refusal.field:
        body["field"] = refusal.field
    return body


def _detail(refusal: Refusal) -> dict[str, Any]:
    return {"detail": refusal.message}


def _error_text(refusal: Refusal) -> dict[str, Any]:
    return {"error": refusal.message}


def _error_object(refusal: Refusal) -> dict[str, Any]:
    return {"error": _message(refusal)}


def _errors(refusal: Refusal) -> dict[str, Any]:
    entry = {"field": refusal.field, "message": refusal.message, "code": refusal.code}
    return {"errors": [entry]}


_SHAPES: Final[dict[str, Callable[[Refusal], dict[str, Any]]]] = {
    "message": _message,
    "detail": _detail,
    "error_text": _error_text,
    "error_object": _error_object,
    "errors": _errors,
}
