"""Downloads from pre-signed links that break, expire, change and lie."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Iterator

import pytest
from pydantic import SecretStr
from urllib3.exceptions import HTTPError

from armillary.backup.download import FAULTS, MOST_FAULTS, Download, StartAgain
from armillary.backup.link_client import LinkClient
from armillary.errors import LeaseLost, TransferFailed
from tests.api.clocks import JumpClock
from tests.api.wire import Behaviour, Exchange, Received, WireServer, answer, hang_up, raw, reset

CONTENT = bytes(range(256)) * 64
LENGTH = len(CONTENT)

SECRET = "X-Amz-Signature=5ec2e7"


def go_on() -> None:
    """Nobody asks to stop."""


class Reading:
    """Downloads from a server that behaves as told, counting how often it asks for a link."""

    def __init__(self, server: WireServer, stop: Callable[[], None] = go_on) -> None:
        self._address = server.url.removesuffix("/v1")
        self.clock = JumpClock()
        self.links = 0
        self._stop = stop

    def link(self) -> SecretStr:
        self.links += 1
        return SecretStr(f"{self._address}/exports/1?{SECRET}&link={self.links}")

    def all(self) -> bytes:
        with LinkClient() as client:
            download = Download(self.link, client, clock=self.clock, stop=self._stop)
            content = b"".join(download.chunks())
        assert download.length in (LENGTH, None)
        return content


def head(status: int, length: int | None, **headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} Status"]
    if length is not None:
        lines.append(f"Content-Length: {length}")
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()


def whole(sent: int = LENGTH, etag: str = '"a"', length: int | None = LENGTH) -> Behaviour:
    """All of it, or so many bytes and then nothing more."""
    return raw(head(200, length, ETag=etag) + CONTENT[:sent])


def rest(
    start: int, sent: int = LENGTH, etag: str = '"a"', total: str = str(LENGTH), said: int = -1
) -> Behaviour:
    """From a byte on; ``said``: another byte than it is from."""
    told = start if said < 0 else said
    content = CONTENT[start:sent]
    ranged = f"bytes {told}-{LENGTH - 1}/{total}"
    return raw(head(206, LENGTH - start, ETag=etag, Content_Range=ranged) + content)


def refused(code: str = "AccessDenied") -> Behaviour:
    body = f"<Error><Code>{code}</Code><Message>Request has expired</Message></Error>"
    return answer(403, body.encode(), content_type="application/xml")


def asked(server: WireServer) -> list[str | None]:
    return [request.headers.get("range") for request in server.received]


@pytest.fixture(autouse=True)
def nothing_leaks(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Whatever a test does: no log has the signature."""
    caplog.set_level(logging.DEBUG)
    yield
    logged = [record.getMessage() for record in caplog.get_records("call")]
    assert not [words for words in logged if "5ec2e7" in words]


def assert_no_link(error: BaseException) -> None:
    """Neither in its words nor in what is printed with it, nor in what it is chained to."""
    assert "5ec2e7" not in "".join(traceback.format_exception(error))
    seen: BaseException | None = error
    while seen is not None:
        assert "5ec2e7" not in f"{seen} {seen!r} {vars(seen)}"
        assert not isinstance(seen, HTTPError)
        seen = seen.__cause__ or seen.__context__


def test_one_request_is_enough() -> None:
    with WireServer([whole()]) as server:
        reading = Reading(server)
        assert reading.all() == CONTENT
        assert reading.links == 1
        (request,) = server.received
    assert request.headers["accept-encoding"] == "identity"
    assert "range" not in request.headers


@pytest.mark.parametrize(
    "breaks",
    [[whole(1000)], [whole(1), rest(1, 500), rest(500, 501)], [reset], [hang_up], [whole(0)]],
    ids=["once", "often", "before a byte", "without a word", "after the head"],
)
def test_j07_a_broken_connection_goes_on_where_it_broke(breaks: list[Behaviour]) -> None:
    def last(exchange: object) -> bool:
        request: Received = exchange.request  # type: ignore[attr-defined]
        ranged = request.headers.get("range")
        behave = rest(int(ranged[6:-1])) if ranged else whole()
        return behave(exchange)  # type: ignore[arg-type]

    with WireServer([*breaks, last]) as server:
        reading = Reading(server)
        assert reading.all() == CONTENT
        assert len(server.received) == len(breaks) + 1
        assert reading.links == 1, "a fresh link is a call that somebody pays for"
        assert all(
            request.headers.get("if-range") == '"a"'
            for request in server.received
            if "range" in request.headers
        )


def test_j07_a_reset_loses_nothing_of_what_came() -> None:
    def breaks(exchange: Exchange) -> bool:
        whole(9000)(exchange)
        return reset(exchange)

    with WireServer([breaks, rest(9000)]) as server:
        assert Reading(server).all() == CONTENT
        assert asked(server) == [None, "bytes=9000-"]


def test_j07_a_file_of_untold_length_goes_on_too() -> None:
    chunk = b"%x\r\n%s\r\n" % (1000, CONTENT[:1000])
    chunked = head(200, None, ETag='"a"', Transfer_Encoding="chunked") + chunk
    with WireServer([raw(chunked), rest(1000)]) as server:
        assert Reading(server).all() == CONTENT
        assert asked(server) == [None, "bytes=1000-"]


def test_j07_without_an_etag_the_time_of_change_tells_the_file() -> None:
    changed = "Fri, 20 Nov 2026 02:00:00 GMT"
    first = raw(head(200, LENGTH, Last_Modified=changed) + CONTENT[:9])
    ranged = f"bytes 9-{LENGTH - 1}/{LENGTH}"
    second = raw(head(206, LENGTH - 9, Last_Modified=changed, Content_Range=ranged) + CONTENT[9:])
    with WireServer([first, second]) as server:
        assert Reading(server).all() == CONTENT


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        (whole(9), whole(), "does not send the rest of a file alone"),
        (whole(9), answer(416), "does not send the rest of a file alone"),
        (whole(9), raw(head(206, 0)), "does not send the rest of a file alone"),
        (whole(9), rest(9, etag='"b"'), "the file changed while it was read"),
        (whole(9), rest(9, total="99"), "the file changed while it was read"),
        (whole(9), rest(9, said=10), "the file changed while it was read"),
        (whole(9, etag='W/"a"'), rest(9, etag='W/"a"'), "cannot be told from another"),
        (whole(9, etag=""), rest(9, etag=""), "cannot be told from another"),
    ],
    ids=["all", "416", "no range", "etag", "length", "start", "weak", "no etag"],
)
def test_j08_what_may_be_another_file_is_never_glued_on(
    first: Behaviour, second: Behaviour, reason: str
) -> None:
    with WireServer([first, second]) as server:
        with pytest.raises(StartAgain, match=reason) as caught:
            Reading(server).all()
        assert_no_link(caught.value)


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_j06_a_refused_link_is_asked_for_anew(status: int) -> None:
    with WireServer([answer(status), whole()]) as server:
        reading = Reading(server)
        assert reading.all() == CONTENT
        assert reading.links == 2


def test_j07_a_link_that_expires_in_the_middle_is_asked_for_anew() -> None:
    with WireServer([whole(5000), refused(), rest(5000)]) as server:
        reading = Reading(server)
        assert reading.all() == CONTENT
        assert asked(server) == [None, "bytes=5000-", "bytes=5000-"]
        assert reading.links == 2


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        (refused(), r"at byte 0: its link was refused \(403 AccessDenied\)"),
        (refused("RequestTimeTooSkewed"), r"refused \(403 RequestTimeTooSkewed\)"),
        (answer(503), "it answered 503"),
        (answer(429), "it answered 429"),
        (answer(302, headers={"Location": "/elsewhere"}), "it answered 302"),
        (reset, "at byte 0: the connection broke off"),
        (hang_up, "at byte 0: the connection broke off"),
    ],
)
def test_j09_it_is_given_up_after_some_faults_in_a_row(behaviour: Behaviour, reason: str) -> None:
    with WireServer([behaviour]) as server:
        reading = Reading(server)
        with pytest.raises(TransferFailed, match=reason) as caught:
            reading.all()
        assert len(server.received) == FAULTS
        assert {request.target.partition("?")[0] for request in server.received} == {"/exports/1"}
    assert "The download from 127.0.0.1 broke 5 times in a row" in str(caught.value)
    assert str(caught.value).endswith("Start the backup again.")
    assert_no_link(caught.value)
    slept = reading.clock.slept
    assert len(slept) == FAULTS - 1
    assert slept == sorted(slept)
    assert sum(slept) < 60


def test_a_link_to_nowhere_is_no_leak_either() -> None:
    with WireServer([hang_up]) as server:
        reading = Reading(server)
    with pytest.raises(TransferFailed, match=r"at byte 0: no connection could be made\.") as caught:
        reading.all()
    assert_no_link(caught.value)


@pytest.mark.parametrize("link", [f"nonsense?{SECRET}", f"https://[x/?{SECRET}", ""])
def test_a_link_that_is_none_is_no_leak_either(link: str) -> None:
    with LinkClient() as client:
        download = Download(lambda: SecretStr(link), client, clock=JumpClock(), stop=go_on)
        with pytest.raises(TransferFailed, match=r"at byte 0: its link is no address\.") as caught:
            list(download.chunks())
    assert_no_link(caught.value)


def test_bytes_between_faults_count_as_progress() -> None:
    steps = [whole(1), *(rest(at, at + 1) for at in range(1, 3 * FAULTS)), rest(3 * FAULTS)]
    with WireServer(steps) as server:
        assert Reading(server).all() == CONTENT


def test_faults_with_nothing_between_name_the_place() -> None:
    with (
        WireServer([whole(5000), answer(500)]) as server,
        pytest.raises(TransferFailed, match=r"at byte 5,000 of 16,384: it answered 500\."),
    ):
        Reading(server).all()


def test_a_packed_answer_is_refused() -> None:
    with (
        WireServer([answer(200, b"x", {"Content-Encoding": "gzip"})]) as server,
        pytest.raises(TransferFailed, match="came packed although it was asked for as it is"),
    ):
        Reading(server).all()


def test_who_may_stop_it_is_asked_before_each_pause() -> None:
    def lost() -> None:
        raise LeaseLost("The lease is lost.")

    with WireServer([answer(500)]) as server:
        with pytest.raises(LeaseLost):
            Reading(server, stop=lost).all()
        assert len(server.received) == 1


def test_no_token_goes_with_a_link() -> None:
    with WireServer([refused(), whole(9), rest(9)]) as server:
        Reading(server).all()
        for request in server.received:
            assert not {"authorization", "cookie"} & set(request.headers)


def test_a_connection_that_breaks_after_every_few_bytes_is_given_up() -> None:
    behaviours = [whole(40), *(rest(at, at + 40) for at in range(40, 4000, 40))]
    with WireServer(behaviours) as server:
        with pytest.raises(TransferFailed) as caught:
            Reading(server).all()
        assert len(server.received) == MOST_FAULTS
    assert str(caught.value).startswith(
        "The download from 127.0.0.1 broke 50 times, the last at byte 2,000 of 16,384: "
    )
