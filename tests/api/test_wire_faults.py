"""What comes off a real socket when things go wrong, and what a caller is told."""

from __future__ import annotations

import gzip
import json as jsonlib
import socket
import ssl
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import SecretStr

from armillary.api import Connection, Ptolemy, connect
from armillary.api.wire import Wire
from armillary.errors import (
    AnswerLost,
    ApiError,
    ConfigurationError,
    TransientError,
    UnexpectedAnswer,
)
from tests.api.clocks import JumpClock
from tests.api.conftest import Serve
from tests.api.wire import (
    Behaviour,
    Exchange,
    answer,
    black_hole,
    drip,
    hang_up,
    json,
    page,
    raw,
    reset,
)

GOOD = json({"data": {"id": "1", "identifier": "bhp.ax"}})
HEADERS = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
HTML = answer(200, b"<html><title>Sign in</title></html>", content_type="text/html; charset=utf-8")

UNUSABLE: dict[str, Behaviour] = {
    "empty": answer(200, b""),
    "blank": answer(200, b" \r\n "),
    "html": HTML,
    "plain text": answer(200, b'{"data": []}', content_type="text/plain"),
    "truncated json": answer(200, b'{"data": [{"id": "1"}, {"id"'),
    "not utf-8": answer(200, b'{"data": {"id": "\xff\xfe"}}'),
    "two values": answer(200, b'{"data": []} {"data": []}'),
    "nan": answer(200, b'{"data": NaN}'),
    "content-length too long": raw(HEADERS + b'Content-Length: 90\r\n\r\n{"data": []}'),
    "chunked without end": raw(
        HEADERS + b'Transfer-Encoding: chunked\r\n\r\nc\r\n{"data": []}\r\n'
    ),
    "half a status line": raw(b"HTTP/1.1 20"),
    "no http": raw(b"220 smtp ready\r\n"),
    "broken gzip": answer(200, gzip.compress(b"{}" * 99)[:-9], {"Content-Encoding": "gzip"}),
    "no gzip": answer(200, b'{"data": []}', {"Content-Encoding": "gzip"}),
    "reset": reset,
    "hang up": hang_up,
}


@pytest.mark.parametrize("fault", UNUSABLE.values(), ids=UNUSABLE.keys())
def test_a15_a16_an_unusable_answer_to_a_read_is_asked_for_again(
    serve: Serve, fault: Behaviour
) -> None:
    bench = serve(fault, fault, GOOD)
    assert bench.ptolemy.instruments.get("bhp.ax")["id"] == "1"
    assert len(bench.server.received) == 3
    assert bench.ptolemy.meter.used == 3


@pytest.mark.parametrize("fault", UNUSABLE.values(), ids=UNUSABLE.keys())
def test_a09_an_unusable_answer_to_a_create_is_lost_and_never_repeated(
    serve: Serve, fault: Behaviour
) -> None:
    bench = serve(fault)
    with pytest.raises(AnswerLost):
        bench.ptolemy.instruments.create({"identifier": "bhp.ax"})
    assert bench.server.calls == ["POST /instruments"]


@pytest.mark.parametrize("fault", UNUSABLE.values(), ids=UNUSABLE.keys())
def test_a12_an_unusable_answer_to_a_patch_is_repeated_and_then_lost(
    serve: Serve, fault: Behaviour
) -> None:
    bench = serve(fault)
    with pytest.raises(AnswerLost):
        bench.ptolemy.instruments.patch("bhp.ax", {"name": "BHP"})
    assert bench.server.calls == ["PATCH /instruments/bhp.ax"] * 4


def test_a15_the_start_of_the_body_is_kept_and_cut(serve: Serve) -> None:
    login = answer(200, b"<html>" + b"x" * 5000, content_type="text/html")
    bench = serve(login, attempts=1)
    with pytest.raises(TransientError) as caught:
        bench.ptolemy.instruments.get("bhp.ax")
    assert caught.value.body_start == "<html>" + "x" * 494
    assert caught.value.message == "the answer cannot be read: it is text/html, not JSON."
    assert not isinstance(caught.value, AnswerLost)


def test_a16_a_truncated_list_is_never_a_short_list(serve: Serve) -> None:
    body = jsonlib.dumps({"data": [{"id": "1"}], "meta": {"has_more": False}}).encode()
    cut = raw(HEADERS + f"Content-Length: {len(body)}\r\n\r\n".encode() + body[:-1])
    bench = serve(cut)
    with pytest.raises(TransientError, match="the connection broke before the answer was complete"):
        bench.ptolemy.instruments.list()
    assert len(bench.server.received) == 4


def quickly(action: Callable[[], Any]) -> tuple[ApiError, float]:
    started = time.monotonic()
    with pytest.raises(ApiError) as caught:
        action()
    return caught.value, time.monotonic() - started


def test_a13_a_black_hole_ends_at_the_read_timeout(serve: Serve) -> None:
    bench = serve(black_hole, read_timeout_seconds=0.2, attempts=1)
    error, took = quickly(lambda: bench.ptolemy.instruments.get("bhp.ax"))
    assert error.message == "nothing was heard for 0.2 seconds."
    assert 0.2 <= took < 3


def test_a13_the_deadline_is_shorter_than_the_read_timeout(serve: Serve) -> None:
    bench = serve(black_hole, read_timeout_seconds=15, total_timeout_seconds=0.2, attempts=1)
    error, took = quickly(lambda: bench.ptolemy.instruments.get("bhp.ax"))
    assert error.message == "no complete answer within 0.2 seconds."
    assert 0.2 <= took < 3


def test_a13_a_black_hole_leaves_a_create_unknown(serve: Serve) -> None:
    bench = serve(black_hole, read_timeout_seconds=0.2)
    error, _ = quickly(lambda: bench.ptolemy.instruments.create({"identifier": "bhp.ax"}))
    assert isinstance(error, AnswerLost)
    assert bench.server.calls == ["POST /instruments"]


LONG = b'{"data": "' + b"x" * 1000
DRIPS = {
    "in the status line": drip(b"HTTP/1.1 200 OK" * 99),
    "in the headers": drip(b"x" * 1000, start=HEADERS + b"X-Slow: "),
    "in the body": drip(LONG, start=HEADERS + b"Content-Length: 2000\r\n\r\n"),
    "in a chunk": drip(LONG, start=HEADERS + b"Transfer-Encoding: chunked\r\n\r\n7d0\r\n"),
    "of interim answers": drip(b"HTTP/1.1 102 Processing\r\n\r\n" * 99),
}


@pytest.mark.parametrize("slow", DRIPS.values(), ids=DRIPS.keys())
def test_a14_a_slow_drip_ends_at_the_total_deadline(serve: Serve, slow: Behaviour) -> None:
    bench = serve(slow, total_timeout_seconds=0.3, attempts=1)
    error, took = quickly(lambda: bench.ptolemy.instruments.get("bhp.ax"))
    assert error.message == "no complete answer within 0.3 seconds."
    assert 0.3 <= took < 3


def test_a14_a_flood_that_never_comes_to_the_answer_ends_at_the_total_deadline(
    serve: Serve,
) -> None:
    """Every read succeeds at once, so no timeout of the socket ever helps."""

    def flood(exchange: Exchange) -> bool:
        while True:
            exchange.socket.sendall(b"HTTP/1.1 102 Processing\r\n\r\n" * 50)

    bench = serve(flood, total_timeout_seconds=0.3, attempts=1)
    error, took = quickly(lambda: bench.ptolemy.instruments.get("bhp.ax"))
    assert error.message == "no complete answer within 0.3 seconds."
    assert 0.3 <= took < 3


def test_a14_a_reader_that_takes_nothing_ends_at_the_total_deadline() -> None:
    """A server that never reads: the request itself cannot be sent."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        connection = Connection(url, "acme", SecretStr("t"), upload_timeout_seconds=0.3)
        with connect(connection, clock=JumpClock()) as ptolemy:
            error, took = quickly(
                lambda: ptolemy.imports.create(b"x" * 30_000_000, resource_type="instruments")
            )
    assert isinstance(error, AnswerLost)
    assert took < 3


def test_an_answer_without_end_is_cut_off(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("armillary.api.wire.MAX_ANSWER_BYTES", 100_000)
    flood = raw(
        HEADERS
        + b"Transfer-Encoding: chunked\r\n\r\n"
        + b"ffff\r\n"
        + b"x" * 65535
        + b"\r\n"
        + b"ffff\r\n"
        + b"x" * 65535
        + b"\r\n"
    )
    bench = serve(flood, attempts=1)
    with pytest.raises(TransientError, match="more than 100000 bytes"):
        bench.ptolemy.instruments.get("bhp.ax")


def nobody_listens() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}/v1"


@pytest.mark.parametrize("action", ["create", "patch", "get"])
def test_a08_a_refused_connection_is_tried_again_even_for_a_create(action: str) -> None:
    clock = JumpClock()
    with connect(Connection(nobody_listens(), "acme", SecretStr("t")), clock=clock) as ptolemy:
        error, _ = quickly(lambda: attempt(ptolemy, action))
    assert type(error) is TransientError
    assert "no connection to 127.0.0.1" in error.message
    assert "This was attempt 4." in error.message
    assert len(clock.slept) == 3
    assert ptolemy.meter.used == 4


def attempt(ptolemy: Ptolemy, action: str) -> object:
    if action == "create":
        return ptolemy.instruments.create({"identifier": "bhp.ax"})
    if action == "patch":
        return ptolemy.instruments.patch("bhp.ax", {"name": "BHP"})
    return ptolemy.instruments.get("bhp.ax")


def test_a08_an_unknown_host_is_tried_again() -> None:
    clock = JumpClock()
    connection = Connection("http://no-such-host.invalid/v1", "acme", SecretStr("t"))
    with connect(connection, clock=clock) as ptolemy:
        error, _ = quickly(lambda: ptolemy.instruments.get("bhp.ax"))
    assert type(error) is TransientError
    assert "no connection to no-such-host.invalid" in error.message
    assert len(clock.slept) == 3


def test_a26_a_redirect_is_not_followed(serve: Serve) -> None:
    elsewhere = serve(GOOD)
    location = f"{elsewhere.server.url}/steal?token=x"
    bench = serve(answer(307, b"", {"Location": location}))
    with pytest.raises(UnexpectedAnswer) as caught:
        bench.ptolemy.instruments.get("bhp.ax")
    assert caught.value.message == (
        "a redirect to host 127.0.0.1 was not followed: the token stays here."
    )
    assert caught.value.status == 307
    assert elsewhere.server.received == []
    assert len(bench.server.received) == 1


def test_a_connection_is_used_again_and_again(serve: Serve) -> None:
    bench = serve(GOOD)
    for _ in range(20):
        bench.ptolemy.instruments.get("bhp.ax")
    assert bench.server.connections == 1


def test_an_early_refusal_of_an_upload_is_heard(serve: Serve) -> None:
    """413 while the file is still being sent: the answer counts, not the broken pipe (A25)."""

    def refuse(exchange: Exchange) -> bool:
        answer(413, b'{"error": {"message": "100 MB at most"}}')(exchange)
        return False

    bench = serve(refuse)
    error, _ = quickly(lambda: bench.ptolemy.imports.create(b"x" * 10, resource_type="instruments"))
    assert (type(error).__name__, error.status, error.detail) == (
        "RequestRejected",
        413,
        "100 MB at most",
    )


def test_the_pages_of_a_gzipped_list_are_read(serve: Serve) -> None:
    body = gzip.compress(b'{"data": [{"id": "1"}], "meta": {"has_more": false}}')
    bench = serve(answer(200, body, {"Content-Encoding": "gzip"}))
    assert bench.ptolemy.instruments.list() == [{"id": "1"}]


def test_the_request_as_it_leaves(serve: Serve) -> None:
    bench = serve(page([]))
    bench.ptolemy.instruments.list(type_id="equity", archived="all", include=["type", "tags"])
    sent = bench.server.received[0]
    assert sent.target == (
        "/v1/workspaces/acme/instruments?archived=all&include=type%2Ctags&type_id=equity&limit=200"
    )
    assert sent.headers["accept"] == "application/json"
    assert sent.headers["authorization"].startswith("Bearer ptk_live_")
    assert sent.headers["user-agent"].startswith("armillary/")
    assert "cookie" not in sent.headers


def test_a08_a_certificate_nobody_vouches_for_is_refused_at_once(
    self_signed: tuple[str, str],
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*self_signed)
    heard: list[bytes] = []

    def serve_tls(listener: socket.socket) -> None:
        while True:
            try:
                plain, _ = listener.accept()
            except OSError:
                return
            try:
                with context.wrap_socket(plain, server_side=True) as secure:
                    heard.append(secure.recv(1000))
            except OSError:
                plain.close()

    clock = JumpClock()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve_tls, args=(listener,), daemon=True)
        thread.start()
        url = f"https://127.0.0.1:{listener.getsockname()[1]}/v1"
        with (
            connect(Connection(url, "acme", SecretStr("t")), clock=clock) as ptolemy,
            pytest.raises(ConfigurationError, match=r"of 127\.0\.0\.1 cannot be trusted"),
        ):
            ptolemy.instruments.get("bhp.ax")
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(5)
    assert clock.slept == []
    assert not any(heard)


def test_a_connection_at_rest_is_kept_alive() -> None:
    """A refresh of a venue is silent for minutes; a router in between must not forget it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        wire = Wire(Connection(url, "acme", SecretStr("t")))
        wire._deadline.moment = time.monotonic() + 10
        pool = wire._pool
        port = listener.getsockname()[1]
        stream = pool._network_backend.connect_tcp(
            "127.0.0.1", port, 10, None, pool._socket_options
        )
        kept = stream.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        stream.close()
    assert kept == 1
