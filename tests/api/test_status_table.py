"""Status to error, attempts, and words: pure classification, so no socket is needed."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from armillary.api import Connection, connect
from armillary.errors import (
    AccessDenied,
    AnswerLost,
    ApiError,
    Conflict,
    NotFound,
    RequestRejected,
    TransientError,
    UnexpectedAnswer,
)
from tests.api.clocks import JumpClock

ACTIONS = ("get", "patch", "create")


def provoke(
    status: int, action: str, body: bytes = b"", headers: dict[str, str] | None = None
) -> tuple[ApiError, int]:
    """The error of one action, and how many requests it took."""
    seen: list[httpx.Request] = []

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(status, content=body, headers=headers)

    connection = Connection("https://ptolemy.test/v1", "acme", SecretStr("t"))
    ptolemy = connect(connection, clock=JumpClock(), wire=httpx.MockTransport(handle))
    act: Callable[[], object] = {
        "get": lambda: ptolemy.instruments.get("bhp.ax"),
        "patch": lambda: ptolemy.instruments.patch("bhp.ax", {}),
        "create": lambda: ptolemy.instruments.create({}),
    }[action]
    with pytest.raises(ApiError) as caught:
        act()
    return caught.value, len(seen)


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (300, UnexpectedAnswer),
        (304, UnexpectedAnswer),
        (400, RequestRejected),
        (401, AccessDenied),
        (403, AccessDenied),
        (404, NotFound),
        (405, UnexpectedAnswer),
        (409, Conflict),
        (410, UnexpectedAnswer),
        (413, RequestRejected),
        (418, UnexpectedAnswer),
        (422, RequestRejected),
    ],
)
def test_a17_a19_a20_a_final_answer_is_not_asked_for_twice(
    status: int, kind: type[ApiError], action: str
) -> None:
    error, requests = provoke(status, action)
    assert type(error) is kind
    assert error.status == status
    assert requests == 1


@pytest.mark.parametrize("status", [408, 500, 502, 503, 504, 599])
@pytest.mark.parametrize(
    ("action", "kind", "requests"),
    [("get", TransientError, 4), ("patch", AnswerLost, 4), ("create", AnswerLost, 1)],
)
def test_a06_a_failure_is_repeated_where_that_is_safe(
    status: int, action: str, kind: type[ApiError], requests: int
) -> None:
    error, made = provoke(status, action)
    assert type(error) is kind
    assert made == requests


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"message": "no such type"}, "no such type"),
        ({"error": "no such type"}, "no such type"),
        ({"error": {"code": "bad_type", "message": "no such type"}}, "no such type; bad_type"),
        ({"detail": [{"loc": ["body"], "msg": "not a number"}]}, "not a number"),
        ({"errors": [{"field": "lot_size", "message": "not a number"}]}, "lot_size: not a number"),
        ({"errors": {"lot_size": ["not a number"]}}, "lot_size: not a number"),
        ({"errors": ["a", "b", "a"]}, "a; b"),
        ("plainly wrong", "plainly wrong"),
        ({"status": 422}, ""),
        (None, ""),
        ([], ""),
    ],
)
def test_the_words_of_an_error_body_in_any_shape(body: Any, words: str) -> None:
    error, _ = provoke(422, "patch", json.dumps(body).encode())
    assert error.detail == words
    assert error.body_start == json.dumps(body)


@pytest.mark.parametrize("body", [b"", b"<html>Bad Gateway</html>", b"\xff\xfe", b"[" * 5000])
def test_an_error_body_that_says_nothing_is_kept_as_it_came(body: bytes) -> None:
    error, _ = provoke(422, "patch", body)
    assert error.detail == ""
    assert error.body_start == body.decode("utf-8", "replace")[:500]


def test_the_message_names_everything_support_asks_for() -> None:
    body = json.dumps({"errors": [{"field": "lot_size", "message": "not a number"}]}).encode()
    error, _ = provoke(422, "patch", body, {"X-Request-Id": "req-7"})
    assert error.request_id == "req-7"
    assert str(error) == (
        "PATCH /instruments/bhp.ax 422 (request req-7): the values were refused. It said: "
        "lot_size: not a number Mend the record in the source; the next run tries it again."
    )


def test_a19_a_revoked_token_says_what_to_do() -> None:
    error, _ = provoke(401, "get")
    assert str(error) == (
        "GET /instruments/bhp.ax 401: the token is missing, revoked or expired. Make a new robot "
        "token in Ptolemy, put it in the connection, start the run again."
    )


@pytest.mark.parametrize("status", [404, 409])
def test_a12_a_refusal_after_a_lost_answer_says_so(status: int) -> None:
    answers = iter([httpx.Response(502), httpx.Response(status)])
    connection = Connection("https://ptolemy.test/v1", "acme", SecretStr("t"))
    wire = httpx.MockTransport(lambda _: next(answers))
    with pytest.raises(RequestRejected) as caught:
        connect(connection, clock=JumpClock(), wire=wire).instruments.archive("bhp.ax")
    assert caught.value.earlier_attempt_lost


def test_a12_a_first_refusal_is_nobodys_echo() -> None:
    error, _ = provoke(409, "patch")
    assert not error.earlier_attempt_lost
