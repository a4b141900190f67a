"""How pre-signed links are asked: proxies, certificates, time, logs, and what is left open."""

from __future__ import annotations

import logging
import socket
import ssl
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import urllib3
from pydantic import SecretStr

from armillary.backup import link_client
from armillary.backup.download import Download
from armillary.backup.link_client import PIECE_BYTES, LinkClient, address_of, pieces_of
from armillary.errors import ConfigurationError, TransferFailed
from tests.api.clocks import JumpClock
from tests.api.conftest import self_signed  # noqa: F401 - a fixture
from tests.api.wire import Behaviour, Exchange, WireServer, answer, black_hole, raw

CONTENT = bytes(range(256)) * 9000
PIECES = [PIECE_BYTES] * 4 + [len(CONTENT) - 4 * PIECE_BYTES]

QUERY = "X-Amz-Credential=key%2F20261120%2Fs3&X-Amz-Signature=5ec2e7+/~x=="


@pytest.fixture(autouse=True)
def nothing_leaks(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Whatever a test does: no log has the signature, and there is a log."""
    caplog.set_level(logging.DEBUG)
    yield
    assert "5ec2e7" not in caplog.text


def link_of(base: str) -> SecretStr:
    return SecretStr(f"{base.removesuffix('/v1')}/exports/1?{QUERY}")


def read(base: str) -> bytes:
    """All that lies behind a link there."""
    with LinkClient() as client:
        download = Download(lambda: link_of(base), client, clock=JumpClock(), stop=lambda: None)
        return b"".join(download.chunks())


def whole(**headers: str) -> Behaviour:
    return answer(200, CONTENT, headers)


def test_pieces_are_large_however_little_came_at_a_time() -> None:
    def send(exchange: Exchange) -> bool:
        exchange.socket.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(CONTENT))
        for start in range(0, len(CONTENT), 60_000):
            exchange.socket.sendall(CONTENT[start : start + 60_000])
        return True

    with (
        WireServer([send]) as server,
        LinkClient() as client,
        client.open(address_of(link_of(server.url)), {}) as opened,
    ):
        pieces = list(pieces_of(opened))
    assert [len(piece) for piece in pieces] == PIECES
    assert b"".join(pieces) == CONTENT


def test_chunks_of_any_size_come_as_pieces() -> None:
    chunks = b"".join(
        b"%x\r\n%s\r\n" % (len(part), part)
        for part in (CONTENT[start : start + 70_001] for start in range(0, len(CONTENT), 70_001))
    )
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    with (
        WireServer([raw(head + chunks + b"0\r\n\r\n", keep=True)]) as server,
        LinkClient() as client,
        client.open(address_of(link_of(server.url)), {}) as opened,
    ):
        pieces = list(pieces_of(opened))
    assert [len(piece) for piece in pieces] == PIECES
    assert b"".join(pieces) == CONTENT


def test_a_signed_address_arrives_as_it_is(caplog: pytest.LogCaptureFixture) -> None:
    with WireServer([whole()]) as server:
        assert read(server.url) == CONTENT
        (request,) = server.received
        assert request.headers["host"] in server.url
    assert request.target == f"/exports/1?{QUERY}"
    assert '"GET /exports/1 HTTP/1.1" 200' in caplog.text


def test_a_damaged_head_is_a_fault_and_its_warning_has_no_signature(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The length is lost with the headers: what came would pass for a whole file."""
    head = b"HTTP/1.1 200 OK\r\nno header at all\r\nContent-Length: 9000\r\n\r\n"
    with (
        WireServer([raw(head + CONTENT[:1000])]) as server,
        pytest.raises(TransferFailed, match=r"at byte 0: the head of its answer is damaged\."),
    ):
        read(server.url)
    assert "Failed to parse headers (url=http://127.0.0.1" in caplog.text


def test_j07_silence_is_a_fault_and_what_came_before_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(link_client, "TIMEOUT", urllib3.Timeout(connect=5, read=0.2))

    def falls_silent(exchange: Exchange) -> bool:
        exchange.socket.sendall(
            b'HTTP/1.1 200 OK\r\nETag: "a"\r\nContent-Length: 9000\r\n\r\n' + CONTENT[:1000]
        )
        return black_hole(exchange)

    with (
        WireServer([falls_silent, black_hole]) as server,
        pytest.raises(
            TransferFailed, match=r"at byte 1,000 of 9,000: nothing was heard from it in time\."
        ),
    ):
        read(server.url)
    assert [request.headers.get("range") for request in server.received[:2]] == [
        None,
        "bytes=1000-",
    ]


@pytest.mark.parametrize("how", ["whole", "in the middle", "refused"])
def test_no_connection_outlives_the_client(how: str) -> None:
    over = threading.Event()

    def behave(exchange: Exchange) -> bool:
        try:
            (answer(403) if how == "refused" else whole())(exchange)
            return bool(exchange.socket.recv(1))
        finally:
            over.set()

    with WireServer([behave]) as server:
        with LinkClient() as client:
            with client.open(address_of(link_of(server.url)), {}) as opened:
                pieces = pieces_of(opened)
                if how == "whole":
                    assert b"".join(pieces) == CONTENT
                elif how == "in the middle":
                    assert next(pieces)
            kept = list(client._managers.values())
        assert over.wait(10)
    assert kept, "it is not closed by being forgotten"


@contextmanager
def no_exceptions(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    yield


def test_a_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with WireServer([whole()]) as proxy, no_exceptions(monkeypatch):
        address = proxy.url.removesuffix("/v1").replace("//", "//desk:pass%3Aword@")
        monkeypatch.setenv("http_proxy", address)
        assert read("http://exports.test") == CONTENT
        (request,) = proxy.received
    assert request.target == f"http://exports.test/exports/1?{QUERY}"
    assert request.headers["host"] == "exports.test"
    told = b64encode(b"desk:pass:word").decode()
    assert request.headers["proxy-authorization"] == f"Basic {told}"


def test_a_proxy_is_not_used_for_the_machine_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    with WireServer([whole()]) as server, no_exceptions(monkeypatch):
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
        assert read(server.url) == CONTENT


def test_a_proxy_is_not_used_for_what_is_excepted(monkeypatch: pytest.MonkeyPatch) -> None:
    with WireServer([whole()]) as server:
        monkeypatch.setenv("http_proxy", server.url.removesuffix("/v1"))
        monkeypatch.setenv("no_proxy", "127.0.0.2")
        with pytest.raises(TransferFailed, match=r"127\.0\.0\.2 .* no connection could be made"):
            read("http://127.0.0.2:9")
        assert server.received == []


def test_a_proxy_that_refuses_is_told_from_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    with WireServer([answer(403)]) as proxy, no_exceptions(monkeypatch):
        monkeypatch.setenv("https_proxy", proxy.url.removesuffix("/v1"))
        with pytest.raises(
            TransferFailed,
            match=r"from exports\.test broke .*: the proxy on the way let nothing through\.",
        ):
            read("https://exports.test")
        assert {request.target for request in proxy.received} == {"exports.test:443"}


def test_a_proxy_that_is_not_there_is_told_from_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    with WireServer([answer(403)]) as proxy, no_exceptions(monkeypatch):
        monkeypatch.setenv("http_proxy", proxy.url.removesuffix("/v1"))
    with pytest.raises(TransferFailed, match="the proxy on the way could not be reached"):
        read("http://exports.test")


def test_a_proxy_of_a_kind_not_known_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with no_exceptions(monkeypatch):
        monkeypatch.setenv("https_proxy", "socks5://127.0.0.1:9")
        with pytest.raises(ConfigurationError, match="proxy of kind 'socks5'"):
            read("https://exports.test")


@contextmanager
def over_tls(certificate: tuple[str, str]) -> Iterator[str]:
    """A server of the content with this certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)

    def serve(listener: socket.socket) -> None:
        while True:
            try:
                plain, _ = listener.accept()
            except OSError:
                return
            try:
                with context.wrap_socket(plain, server_side=True) as secure:
                    secure.recv(4000)
                    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(CONTENT)
                    secure.sendall(head + CONTENT)
            except OSError:
                plain.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,), daemon=True)
        thread.start()
        yield f"https://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(5)


def test_a08_a_certificate_nobody_vouches_for_is_refused(
    self_signed: tuple[str, str],  # noqa: F811
) -> None:
    with (
        over_tls(self_signed) as base,
        pytest.raises(TransferFailed, match="at byte 0: its certificate cannot be trusted"),
    ):
        read(base)


def test_a_certificate_that_the_environment_vouches_for_is_trusted(
    self_signed: tuple[str, str],  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", self_signed[0])
    with over_tls(self_signed) as base:
        assert read(base) == CONTENT
