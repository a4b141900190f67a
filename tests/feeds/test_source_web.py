"""Files of a web server on loopback."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import SecretStr

from armillary.errors import ArmillaryError, ConfigurationError, FeedRefused
from armillary.feeds import read_feed
from armillary.feeds.credentials import Credentials, Kept
from armillary.feeds.delivery import file_delivery
from armillary.feeds.source import Fetched, Fetching, fetch
from armillary.runs.memory import Delivery, FeedMemory
from armillary.sync.sanity import examine
from tests.api import conftest
from tests.api.clocks import JumpClock
from tests.feeds.vendor import DATA_TYPES, HEADER, definition
from tests.feeds.web import Web, web

ROWS = HEADER + b"A,xasx,Alpha,AU1,100\n"
BEFORE = datetime(2026, 11, 24, 6, 30, tzinfo=UTC)
SECRET = "hunter2-5d1f"

self_signed = conftest.self_signed
"""Of the tests of the API: a certificate for 127.0.0.1."""


@pytest.fixture(scope="module")
def server() -> Iterator[Web]:
    with web() as site:
        yield site


@pytest.fixture
def site(server: Web) -> Web:
    server.pages.clear()
    server.asked.clear()
    return server


def get(url: str, **how: Any) -> Fetched:
    return fetch(url, Fetching(**how), JumpClock())


def refusal(url: str, **how: Any) -> str:
    with pytest.raises(ArmillaryError) as refused:
        get(url, **how)
    assert refused.value.__context__ is None
    assert SECRET not in str(refused.value)
    return str(refused.value)


def test_a_file_and_its_fingerprint(site: Web) -> None:
    url = site.put("/drop/asx.csv", ROWS, etag='"e1"')
    fetched = get(f"{url}?sig={SECRET}")
    assert (fetched.content, fetched.fingerprint) == (ROWS, f'"e1" {len(ROWS)}')
    assert [(method, target) for method, target, _ in site.asked] == [
        ("HEAD", f"/drop/asx.csv?sig={SECRET}"),
        ("GET", f"/drop/asx.csv?sig={SECRET}"),
        ("HEAD", f"/drop/asx.csv?sig={SECRET}"),
    ]
    assert SECRET not in repr(fetched)


def test_a_server_that_does_not_answer_head(site: Web) -> None:
    url = site.put("/asx.csv", ROWS, heads=False)
    assert get(url).content == ROWS
    assert get(url).fingerprint == ""


def test_packed_by_name_stays_packed_whatever_the_server_says_of_the_journey(site: Web) -> None:
    packed = gzip.compress(ROWS)
    headers = {"Content-Encoding": "gzip"}
    assert get(site.put("/asx.csv.gz", packed, headers=headers)).content == ROWS
    assert get(site.put("/asx.csv", packed, headers=headers)).content == ROWS
    assert get(site.put("/plain.csv.gz", packed)).content == ROWS


@pytest.mark.parametrize(
    ("credentials", "header", "value"),
    [
        (Credentials(token="t"), "authorization", "Bearer t"),
        (Credentials(token="t", header_name="X-Api-Key"), "x-api-key", "t"),
        (Credentials(username="me", password="pw"), "authorization", "Basic bWU6cHc="),
    ],
)
def test_ways_to_show_who_asks(
    site: Web, credentials: Credentials, header: str, value: str
) -> None:
    get(site.put("/asx.csv", ROWS), credentials=credentials)
    assert {headers[header] for _, _, headers in site.asked} == {value}


def test_a_user_in_the_address(site: Web) -> None:
    url = site.put("/asx.csv", ROWS).replace("//", "//me:p%40w@")
    get(url)
    assert site.asked[0][2]["authorization"] == "Basic bWU6cEB3"


def test_credentials_follow_no_redirect_to_another_server(site: Web) -> None:
    with web() as other:
        elsewhere = other.put("/blob/asx.csv", ROWS)
        url = site.put("/asx.csv", b"", status=302, headers={"Location": elsewhere})
        for credentials in (
            Credentials(token=SECRET),
            Credentials(token=SECRET, header_name="X-Api-Key"),
            Credentials(username="me", password=SECRET),
        ):
            assert get(url, credentials=credentials).content == ROWS
        seen = str(other.asked)
    assert SECRET not in seen
    assert "authorization" not in seen
    assert "x-api-key" not in seen
    site.put("/old.csv", b"", status=301, headers={"Location": "/asx2.csv"})
    site.put("/asx2.csv", ROWS)
    site.asked.clear()
    get(f"{site.url}/old.csv", credentials=Credentials(token="t"))
    assert {headers["authorization"] for _, _, headers in site.asked} == {"Bearer t"}


def test_a_circle_of_redirects(site: Web) -> None:
    url = site.put("/asx.csv", b"", status=302, headers={"Location": "/asx.csv"})
    assert refusal(url) == (
        f"{url} cannot be had: the server leads on more than 5 times. Nothing was written. Start "
        "the sync again when that is mended."
    )


def test_a_redirect_into_open_text(site: Web) -> None:
    url = site.put("/asx.csv", b"", status=302, headers={"Location": "http://vendor.example/x"})
    assert "http:// goes over the network in open text" in refusal(url)


def test_open_text_only_to_this_machine() -> None:
    with pytest.raises(ConfigurationError) as refused:
        fetch(f"http://me:{SECRET}@vendor.example/asx.csv?sig={SECRET}")
    assert str(refused.value) == (
        "The address http://vendor.example/asx.csv cannot be opened: http:// goes over the network "
        "in open text, where anybody on the way can read and change it; write https://. Mend the "
        "address, or install the package named, then start again."
    )


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (404, "{} has not been delivered: there is no such file."),
        (401, "{} cannot be had: the server answered 401: it wants a user and password, or a "),
        (403, "{} may not be read by this user or with these credentials."),
        (418, "{} cannot be had: the server answered 418."),
        (503, "{} could not be read to its end, 3 times (the server answered 503)."),
    ],
)
def test_f01_f25_what_a_server_can_answer(site: Web, status: int, said: str) -> None:
    url = site.put("/asx.csv", f"token={SECRET}".encode(), status=status)
    assert refusal(f"{url}?sig={SECRET}").startswith(said.format(url))


def test_f25_a_connection_that_breaks_off_is_read_again_from_the_beginning(site: Web) -> None:
    url = site.put("/asx.csv", ROWS, cut_at=30, cuts=1)
    clock = JumpClock()
    assert fetch(url, clock=clock).content == ROWS
    assert clock.slept == [2.0]
    site.put("/asx.csv", ROWS, cut_at=30)
    assert refusal(url) == (
        f"{url} could not be read to its end, 3 times (the connection ended early). Nothing was "
        "written. Start the sync again when the source answers."
    )


def test_nobody_answers() -> None:
    url = "http://127.0.0.1:9/asx.csv"
    assert refusal(url) == (
        f"{url} cannot be had: 127.0.0.1 refuses the connection: no service listens at that port. "
        "Nothing was written. Start the sync again when that is mended."
    )


def test_credentials_that_a_server_does_not_take(site: Web) -> None:
    url = site.put("/asx.csv", b"", status=401)
    assert refusal(url, credentials=Credentials(token=SECRET)) == (
        f"{url} cannot be had: the server answered 401: the user and password, or the token, are "
        "wrong or expired. Nothing was written. Mend the password or the token, in the feed block "
        "or in the variable that password_variable or token_variable names, then start the sync "
        "again."
    )


def test_a_server_without_tls(site: Web) -> None:
    said = refusal(site.url.replace("http:", "https:") + "/asx.csv")
    assert "cannot be had: 127.0.0.1 answers, but not with TLS as it is needed here." in said


def test_f03_a_file_that_grows_between_two_looks(site: Web) -> None:
    url = site.put("/asx.csv", ROWS, grows=True)
    assert refusal(url) == (
        f"{url} changed while it was read: it is still being written. Nothing was written. Start "
        "the sync again when the file is complete."
    )


def test_f03_a_marker_that_is_not_there_yet_and_then_is(site: Web) -> None:
    url = site.put("/asx.csv", ROWS)
    assert refusal(url, done_suffix=".done") == (
        f"{url} is not complete yet: the vendor has not put asx.csv.done beside it. Nothing was "
        "written. Start the sync again when the file is complete."
    )
    site.put("/asx.csv.done", b"", heads=False)
    assert get(url, done_suffix=".done").content == ROWS


def test_f03_a_marker_that_is_older_than_its_file_is_of_an_earlier_delivery(site: Web) -> None:
    day = "Wed, 25 Nov 2026 0{}:00:00 GMT"
    url = site.put("/asx.csv", ROWS, headers={"Last-Modified": day.format(2)})
    site.put("/asx.csv.done", b"", headers={"Last-Modified": day.format(1)})
    assert refusal(url, done_suffix=".done") == (
        f"{url} is newer than asx.csv.done: that marker is of an earlier delivery. Nothing was "
        "written. Start the sync again when the file is complete."
    )
    for told in ({"Last-Modified": day.format(2)}, {"Last-Modified": "yesterday"}, {}):
        site.put("/asx.csv.done", b"", headers=told)
        assert get(url, done_suffix=".done").content == ROWS


def test_f05_the_same_etag_as_that_of_the_last_good_run_is_said(site: Web) -> None:
    feed = definition(url=site.put("/asx.csv", ROWS, etag='"e1"'), sanity={"check_digits": "off"})
    first = read_feed(feed, DATA_TYPES)
    run = Delivery("of another content", 1, "run-1", BEFORE, fingerprint=first.fingerprint)
    memory = FeedMemory(deliveries=[run])
    assert examine(feed, read_feed(feed, DATA_TYPES), memory, now=BEFORE).warnings == (
        "Look at the delivery: it is the last good delivery once more: the server's mark of it is "
        "that of run run-1, applied on 2026-11-24 06:30 UTC.",
    )
    assert "if-none-match" not in str(site.asked), "the plan needs the rows (decision 0043)"
    site.put("/asx.csv", ROWS, etag='"e2"')
    assert examine(feed, read_feed(feed, DATA_TYPES), memory, now=BEFORE).warnings == ()


def test_f01_f03_a_feed_may_wait_for_its_file(site: Web) -> None:
    class Late(JumpClock):
        def sleep(self, seconds: float) -> None:
            super().sleep(seconds)
            if len(self.slept) == 2:
                site.put("/asx.csv", ROWS)

    late = Late()
    assert fetch(f"{site.url}/asx.csv", Fetching(wait_minutes=30), late).content == ROWS
    assert late.slept == [60.0, 60.0]
    clock = JumpClock()
    with pytest.raises(FeedRefused, match="has not been delivered"):
        fetch(f"{site.url}/none.csv", Fetching(wait_minutes=2.5), clock)
    assert clock.slept == [60.0, 60.0, 30.0]


def test_the_secret_comes_from_the_environment_or_the_block(
    site: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = site.put("/asx.csv", ROWS)
    feed = definition(url=url, username="me", password_variable="VENDOR_PASSWORD")
    with pytest.raises(ConfigurationError, match="VENDOR_PASSWORD, which holds the password of"):
        file_delivery(feed)
    monkeypatch.setenv("VENDOR_PASSWORD", "pw")
    assert file_delivery(feed).fingerprint
    assert site.asked[-1][2]["authorization"] == "Basic bWU6cHc="
    file_delivery(feed, Kept(password=SecretStr("px")))
    assert site.asked[-1][2]["authorization"] == "Basic bWU6cHg="


def test_no_library_logs_the_address(site: Web, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(0)
    url = site.put("/asx.csv", ROWS).replace("//", f"//me:{SECRET}@")
    get(f"{url}?sig={SECRET}", credentials=Credentials(token=SECRET))
    assert SECRET not in caplog.text


def test_tls_is_checked(self_signed: tuple[str, str]) -> None:
    with web(self_signed) as secure:
        url = secure.put("/asx.csv", ROWS)
        said = refusal(url, credentials=Credentials(token=SECRET))
        assert secure.asked == []
    assert "certificate verify failed" in said
    assert said.startswith(
        f"{url} cannot be had: 127.0.0.1 shows a certificate that cannot be trusted: "
    )
