"""A REST service as a feed: every style of paging, every way in, and its patience."""

from __future__ import annotations

import base64
import os
from typing import Any

import pytest
from pydantic import ValidationError

from armillary.errors import ConfigurationError
from tests.api.clocks import JumpClock
from tests.feeds.rest_vendor import (
    LATER,
    OFFSET,
    TEN,
    TOKEN,
    Answer,
    RestVendor,
    read,
    refusal,
    rows,
)
from tests.feeds.vendor import identifiers


@pytest.fixture
def clock() -> JumpClock:
    return JumpClock()


@pytest.fixture
def vendor(rest_server: RestVendor) -> RestVendor:
    rest_server.asked.clear()
    rest_server.holds(rows(10))
    return rest_server


@pytest.mark.parametrize(
    "paging",
    [
        {"style": "page"},
        OFFSET,
        {"style": "offset", "size": 500},
        {"style": "cursor", "next": "meta.next"},
        {"style": "link", "next": "links.next"},
        {"style": "link"},
    ],
    ids=["page", "offset", "a-capped-size", "cursor", "link", "header"],
)
@pytest.mark.parametrize("total", ["meta.count", None], ids=["total", "no-total"])
def test_every_style_of_paging_brings_the_whole_list(
    vendor: RestVendor, clock: JumpClock, paging: dict[str, Any], total: str | None
) -> None:
    reading = read(vendor.feed(paging=paging, total=total), clock)
    assert identifiers(reading) == TEN
    assert reading.records["field.lot_size"].to_list() == [str(each) for each in range(1, 11)]
    assert (reading.source, reading.warnings) == (vendor.url, ())
    needed = 5 if total is None and paging["style"] in {"page", "offset"} else 4
    assert len(vendor.asked) == needed


def test_one_answer_that_is_the_list(vendor: RestVendor, clock: JumpClock) -> None:
    vendor.answer = lambda asked: Answer(rows(2))
    assert identifiers(read(vendor.feed(rows="@"), clock)) == TEN[:2]


def test_with_post_the_paging_goes_into_the_body(vendor: RestVendor, clock: JumpClock) -> None:
    feed = vendor.feed(
        method="POST", body={"venue": "xasx"}, params={"v": "2"}, paging=OFFSET, total="meta.count"
    )
    assert identifiers(read(feed, clock)) == TEN
    assert vendor.asked[1].body == {"venue": "xasx", "offset": 3, "limit": 3}
    assert vendor.asked[1].query == {"v": "2"}


def test_numbers_keep_their_digits_and_objects_become_columns(
    vendor: RestVendor, clock: JumpClock
) -> None:
    vendor.answer = lambda asked: Answer(
        raw=b'[{"ticker": "A", "mic": "x", "isin": {"code": 1.10}, "lot": 0.000000000000000000010},'
        b' {"ticker": "B", "mic": "x", "isin": {"code": 12345678901234567890123}, "lot": 1e3}]'
    )
    feed = vendor.feed(rows="@", fields={"isin": "{isin.code}", "lot_size": "{lot}"})
    reading = read(feed, clock)
    assert reading.records["field.isin"].to_list() == ["1.10", "12345678901234567890123"]
    assert reading.records["field.lot_size"].to_list() == ["0.00000000000000000001", "1000"]


# Who asks


@pytest.mark.parametrize(
    ("keys", "secrets", "sent"),
    [
        ({}, {"token": TOKEN}, ("authorization", "Bearer s3cr3t-t0k3n")),
        ({"header_name": "X-Api-Key"}, {"token": TOKEN}, ("x-api-key", "s3cr3t-t0k3n")),
        (
            {"username": "desk"},
            {"password": TOKEN},
            ("authorization", "Basic " + base64.b64encode(b"desk:s3cr3t-t0k3n").decode()),
        ),
    ],
    ids=["bearer", "header", "basic"],
)
def test_ways_to_say_who_asks(
    vendor: RestVendor,
    clock: JumpClock,
    keys: dict[str, Any],
    secrets: dict[str, Any],
    sent: tuple[str, str],
) -> None:
    feed = vendor.feed(paging={"style": "link"}, **keys)
    read(feed, clock, **secrets)
    assert {asked.headers[sent[0]] for asked in vendor.asked} == {sent[1]}
    assert "s3cr3t" not in repr(feed)


def test_a_token_as_a_parameter_is_in_every_request_and_in_no_message(
    vendor: RestVendor, clock: JumpClock
) -> None:
    feed = vendor.feed(token_parameter="apikey", paging={"style": "link"})
    read(feed, clock, token=TOKEN)
    assert {asked.query["apikey"] for asked in vendor.asked} == {"s3cr3t-t0k3n"}
    vendor.answer = lambda asked: Answer(status=404)
    assert "there is no such address" in refusal(feed, clock, token=TOKEN)


def test_secrets_of_a_file_are_in_the_environment(
    vendor: RestVendor, clock: JumpClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed = vendor.feed(token_variable="VENDOR_TOKEN")
    assert refusal(feed, clock, ConfigurationError) == (
        "The environment variable VENDOR_TOKEN, which holds the token of feed vendor-rest, is not "
        "set where this run takes place. Set it there, or mend the feed definition, then start "
        "again."
    )
    monkeypatch.setitem(os.environ, "VENDOR_TOKEN", "from-a-file\n")
    read(feed, clock)
    assert vendor.asked[-1].headers["authorization"] == "Bearer from-a-file"
    monkeypatch.setitem(os.environ, "VENDOR_TOKEN", "two\nlines")
    assert "VENDOR_TOKEN holds a line break." in refusal(feed, clock, ConfigurationError)


def test_half_a_way_in_is_a_mistake(vendor: RestVendor, clock: JumpClock) -> None:
    assert "has a username and no password" in refusal(
        vendor.feed(username="desk"), clock, ConfigurationError
    )
    assert "has no token" in refusal(vendor.feed(header_name="X-Key"), clock, ConfigurationError)
    assert "has a password and no username" in refusal(
        vendor.feed(), clock, ConfigurationError, password=TOKEN
    )
    assert vendor.asked == []


# Patience


def faults_first(vendor: RestVendor, *faults: Answer) -> None:
    left, good = list(faults), vendor.answer
    vendor.answer = lambda asked: left.pop(0) if left else good(asked)


def test_faults_that_pass_are_waited_for(vendor: RestVendor, clock: JumpClock) -> None:
    faults_first(
        vendor,
        Answer(status=429, headers={"Retry-After": "17"}),
        Answer(status=503, headers={"Retry-After": "40"}),
        Answer({"x": "y" * 100}, cut=True),
        Answer(raw=b"<html><body>Sorry</body></html>"),
    )
    assert identifiers(read(vendor.feed(paging=OFFSET), clock)) == TEN
    assert clock.slept == [17.0, 40.0, 2.0, 4.0]


def test_a_service_that_asks_for_an_hour_ends_the_reading(
    vendor: RestVendor, clock: JumpClock
) -> None:
    faults_first(vendor, Answer(status=429, headers={"Retry-After": "3600"}))
    assert refusal(vendor.feed(), clock) == (
        "LIST: page 1 could not be read: it answers 429: too many requests, and it is to be asked "
        "again in 3,600 seconds; a run waits 300 for a page, all in all. "
        f"{LATER}Start the sync again in 3,600 seconds."
    )
    assert clock.slept == []


def test_a_page_instead_of_json(vendor: RestVendor, clock: JumpClock) -> None:
    vendor.answer = lambda asked: Answer(raw=b"<!doctype html><html>Login</html>")
    assert refusal(vendor.feed(), clock) == (
        "LIST: page 1 could not be read: its answer is an HTML page, where JSON is expected. "
        f"{LATER}Mend the feed definition, or ask the vendor, then start the sync again."
    )
    assert len(vendor.asked) == 4


def test_nobody_there(vendor: RestVendor, clock: JumpClock) -> None:
    message = refusal(vendor.feed(url="http://127.0.0.1:9/v1"), clock)
    assert message == (
        "LIST: page 1 could not be read: no connection to 127.0.0.1. "
        f"{LATER}Start the sync again when the service answers."
    )


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (400, "it answers 400: the request was refused as malformed"),
        (401, "it answers 401: the token or password is missing, wrong or expired"),
        (403, "it answers 403: these credentials may not read it"),
        (404, "it answers 404: there is no such address"),
        (418, "it answers 418: it refuses"),
    ],
)
def test_an_answer_that_no_repeat_changes(
    vendor: RestVendor, clock: JumpClock, status: int, words: str
) -> None:
    vendor.answer = lambda asked: Answer({"error": "s3cr3t-t0k3n"}, status)
    assert f"page 1 could not be read: {words}." in refusal(vendor.feed(), clock, token=TOKEN)
    assert len(vendor.asked) == 1


def test_a_redirect_is_not_followed(vendor: RestVendor, clock: JumpClock) -> None:
    vendor.answer = lambda asked: Answer(
        status=302, headers={"Location": "https://elsewhere.example/x?t=s3cr3t-t0k3n"}
    )
    assert (
        "it answers 302, a redirect to https://elsewhere.example, which is not followed. "
        f"{LATER}Mend url in the feed definition" in refusal(vendor.feed(), clock, token=TOKEN)
    )


def test_no_list_where_the_definition_says(vendor: RestVendor, clock: JumpClock) -> None:
    assert refusal(vendor.feed(rows="data.rows"), clock) == (
        "LIST has nothing at 'data.rows', where the list of records should be (page 1). The answer "
        f"is an object. Its keys: data, meta, links. {LATER}Mend rows in the feed definition, or "
        "ask the vendor, then start the sync again."
    )


# The definition


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"url": "ftp://host/x"}, "it is no address of a service"),
        ({"url": "https://u:p@host/x"}, "the address has a user, a query or a fragment"),
        ({"url": "https://host/x?apikey=1"}, "the address has a user, a query or a fragment"),
        ({"url": "http://host/x"}, "http:// is only for this machine itself"),
        ({"params": {"api_key": "1"}}, "api_key looks like a secret"),
        ({"params": {"apitoken": "1"}}, "apitoken looks like a secret"),
        ({"params": {"Refresh-Token": "1"}}, "Refresh-Token looks like a secret"),
        ({"method": "POST", "body": {"password": "1"}}, "no secret can go into a body"),
        (
            {"method": "POST", "body": {"query": [{"a": 1}, {"login": {"api_key": "1"}}]}},
            "api_key looks like a secret, which everybody could read here, and no secret can go",
        ),
        ({"rows": "data["}, "'data[' is no path into an answer"),
        ({"body": {"a": 1}}, "body is sent only with `method: POST`"),
        ({"paging": {"style": "cursor"}}, "the style cursor needs next"),
        ({"paging": {"style": "page", "next": "a"}}, "the style page has no next"),
        ({"username": "u", "token_variable": "T"}, "username is for a password"),
        ({"password_variable": "P"}, "password_variable needs a username"),
        ({"header_name": "a b"}, "String should match pattern"),
        ({"header_name": "A", "token_parameter": "b"}, "leave header_name or token_parameter out"),
    ],
)
def test_what_no_definition_may_say(vendor: RestVendor, keys: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError) as refused:
        vendor.feed(**keys)
    assert words in str(refused.value)
    assert "apikey=1" not in str(refused.value)
