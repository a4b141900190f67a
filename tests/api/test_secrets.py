"""The token is in the header of a request and nowhere else."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import SecretStr

from armillary.api import Connection, Job, Ptolemy, connect
from armillary.errors import ApiError, ArmillaryError, ConfigurationError
from tests.api.clocks import JumpClock
from tests.api.conftest import CANARY, Serve
from tests.api.test_wire_faults import UNUSABLE
from tests.api.wire import Behaviour, answer, black_hole, json, limited, page

ECHO = f"<html>you sent: Authorization: Bearer {CANARY}</html>".encode()
ECHO_JSON = f'{{"message": "bad token {CANARY}", "link": "https://x.test/a?sig={CANARY}"}}'.encode()

FAULTS: dict[str, Behaviour] = {
    **UNUSABLE,
    "black hole": black_hole,
    "echo": answer(200, ECHO, content_type="text/html"),
    **{f"echo {status}": answer(status, ECHO) for status in (400, 401, 404, 418, 500)},
    **{f"echo json {status}": answer(status, ECHO_JSON) for status in (403, 409, 422, 503)},
    "redirect": answer(302, ECHO, {"Location": f"https://{CANARY}@evil.test/?t={CANARY}"}),
    "odd redirect": answer(302, ECHO, {"Location": f"http://[{CANARY}"}),
    "told to wait": limited(Retry_After="9999"),
    "quota": answer(429, ECHO, {"X-RateLimit-Remaining": "0"}),
    "no record": json(["x"]),
}


def everything_about(error: BaseException) -> str:
    """What a log, a state or a crash report could show of an error: the locals of frames too.

    Without the frames of these tests, which hold the token openly.
    """
    told = traceback.TracebackException.from_exception(error, capture_locals=True)
    frames = [frame for frame in told.stack if "/tests/" not in frame.filename]
    assert frames
    locals_of_frames = [text for frame in frames for text in (frame.locals or {}).values()]
    parts = [*told.format_exception_only(), *locals_of_frames, repr(error), repr(vars(error))]
    chained = [link for link in (error.__cause__, error.__context__) if link is not None]
    assert not [link for link in chained if type(link).__module__.startswith("http")]
    return "\n".join([*parts, *(everything_about(link) for link in chained)])


ACTIONS: dict[str, Callable[[Ptolemy], Any]] = {
    "get": lambda p: p.instruments.get("bhp.ax"),
    "list": lambda p: p.instruments.list(),
    "patch": lambda p: p.instruments.patch("bhp.ax", {"name": "BHP"}),
    "create": lambda p: p.instruments.create({"name": "BHP"}),
    "import": lambda p: p.imports.create(b"[]", resource_type="instruments"),
}


@pytest.mark.parametrize("action", ACTIONS.values(), ids=ACTIONS.keys())
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_no_error_shows_the_token(
    serve: Serve,
    fault: Behaviour,
    action: Callable[[Ptolemy], Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    bench = serve(fault, attempts=2, read_timeout_seconds=0.05)
    try:
        action(bench.ptolemy)
    except ArmillaryError as error:
        told = everything_about(error)
    else:
        told = "no error: the fault is an answer to this action"
    assert CANARY in bench.server.received[0].headers["authorization"]
    assert CANARY not in told
    # httpcore logs at DEBUG what a server put into its own headers; that is the server's text.
    ours = [text for text in caplog.messages if "receive_response_headers" not in text]
    assert CANARY not in "\n".join(ours)


def test_no_error_of_a_connection_that_fails_shows_the_token() -> None:
    connection = Connection("http://127.0.0.1:1/v1", "acme", SecretStr(CANARY))
    with connect(connection, clock=JumpClock()) as ptolemy:
        for action in ACTIONS.values():
            with pytest.raises(ApiError) as caught:
                action(ptolemy)
            assert CANARY not in everything_about(caught.value)


def test_no_repr_shows_the_token(serve: Serve) -> None:
    bench = serve(page([]))
    bench.ptolemy.instruments.list()
    ptolemy = bench.ptolemy
    shown = [ptolemy, ptolemy.connection, ptolemy.transport, ptolemy.meter, ptolemy.instruments]
    assert CANARY not in repr(shown)
    assert CANARY not in str(shown)
    assert CANARY not in repr(vars(ptolemy.transport))
    assert "acme" in repr(ptolemy)


def test_a_download_address_is_a_secret() -> None:
    job = Job.of({"id": "1", "status": "completed", "download_url": f"https://x.test/?s={CANARY}"})
    assert CANARY not in repr(job)
    assert CANARY not in str(job)


@pytest.mark.parametrize(
    "token", ["", " ", f"{CANARY}\n", f" {CANARY}", f"{CANARY}é", f"{CANARY}\x00"]
)
def test_a_token_no_header_can_carry_is_refused_without_showing_it(token: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Connection("https://ptolemy.test/v1", "acme", SecretStr(token))
    assert CANARY not in everything_about(caught.value)


def test_a_bare_token_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="not wrapped in SecretStr"):
        Connection("https://ptolemy.test/v1", "acme", "ptk_live_x")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "url",
    [
        f"https://user:{CANARY}@ptolemy.test/v1",
        f"https://ptolemy.test/v1?token={CANARY}",
        f"https://ptolemy.test/v1#{CANARY}",
        "ptolemy.test/v1",
        "ftp://ptolemy.test/v1",
        "https://",
        "https://ptolemy.test:port/v1",
        "https://[::1/v1",
        "",
    ],
)
def test_an_address_that_cannot_be_used_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(ConfigurationError, match="address of the API cannot be used") as caught:
        Connection(url, "acme", SecretStr("t"))
    assert CANARY not in str(caught.value)
