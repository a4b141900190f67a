"""A REST list is whole, or it is refused: the rows R01 to R04 and R09 of the catalogue."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.clocks import JumpClock
from tests.feeds.rest_vendor import (
    LATER,
    OFFSET,
    TEN,
    TOKEN,
    Answer,
    Asked,
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


def test_r01_an_empty_list_is_refused(vendor: RestVendor, clock: JumpClock) -> None:
    vendor.holds([])
    assert refusal(vendor.feed(total="meta.count", paging=OFFSET), clock) == (
        "LIST has not a single record: the list at 'data.items' is empty. Far more often than a "
        f"fact that is a permission that was taken away, or a filter. {LATER}Check what the "
        "credentials may see, and params, then start the sync again."
    )


def test_r01_fewer_records_than_declared_are_refused(vendor: RestVendor, clock: JumpClock) -> None:
    vendor.holds(rows(7), declared=10)
    assert refusal(vendor.feed(total="meta.count", paging=OFFSET), clock) == (
        "LIST cannot be trusted to be whole: it declares 10 records, and its pages hold 7. It "
        f"was read 3 times. {LATER}Start the sync again when the list is at rest; if it stays so, "
        "ask for an order by a key that is unique, and check what the credentials may see."
    )


@pytest.mark.parametrize("total", [None, "many", True])
def test_r01_a_total_that_is_not_there_is_no_proof(
    vendor: RestVendor, clock: JumpClock, total: Any
) -> None:
    vendor.answer = lambda asked: Answer({"data": {"items": rows(1)}, "meta": {"count": total}})
    assert "at 'meta.count' (page 1), so whether the list is whole cannot be told." in refusal(
        vendor.feed(total="meta.count"), clock
    )


@pytest.mark.parametrize(
    "paging",
    [{"style": "cursor", "next": "meta.nxt"}, {"style": "link", "next": "lnks.next"}],
    ids=["cursor", "link"],
)
def test_r02_a_misspelt_path_to_the_next_page_does_not_make_page_1_the_list(
    vendor: RestVendor, clock: JumpClock, paging: dict[str, Any]
) -> None:
    mend = (
        f"{LATER}Mend paging.next in the feed definition (the answer has data.items, links.next, "
        "meta.count, meta.next), then start the sync again."
    )
    assert refusal(vendor.feed(paging=paging | {"size": 3}), clock) == (
        f"LIST: page 1 has 3 records, as many as were asked for, and nothing at '{paging['next']}'"
        f": whether more follow cannot be told. {mend}"
    )
    assert refusal(vendor.feed(paging=paging, total="meta.count"), clock) == (
        f"LIST: page 1 has 3 of 10 records, and nothing at '{paging['next']}': where the others "
        f"are is not told. {mend}"
    )
    assert len(vendor.asked) == 2, "it is not read again for that"
    reading = read(vendor.feed(paging=paging), clock)
    assert reading.warnings == (
        f"Page 1 of {vendor.url} has nothing at '{paging['next']}' (paging.next), so it is taken "
        "as the whole list, with 3 records.",
    )


def test_a_next_page_that_is_null_or_left_out_on_the_last_page_ends_the_list(
    vendor: RestVendor, clock: JumpClock
) -> None:
    cursor = {"style": "cursor", "next": "meta.next", "size": 3}
    vendor.holds(rows(3))
    assert read(vendor.feed(paging=cursor), clock).warnings == (), "null"
    last = Answer({"data": {"items": rows(6)[3:]}, "meta": {}})
    first = Answer({"data": {"items": rows(3)}, "meta": {"next": "b"}})
    vendor.answer = lambda asked: last if "cursor" in asked.query else first
    reading = read(vendor.feed(paging=cursor), clock)
    assert (identifiers(reading), reading.warnings) == (TEN[:6], ()), "left out"


def test_r02_an_error_in_page_7_of_9_fails_the_whole_reading(
    vendor: RestVendor, clock: JumpClock
) -> None:
    vendor.holds(rows(27))
    good = vendor.answer
    vendor.answer = lambda asked: (
        Answer(status=500) if asked.query["offset"] == "18" else good(asked)
    )
    assert refusal(vendor.feed(paging=OFFSET), clock) == (
        "LIST: page 7 could not be read, and what came before it (18 records of 6 pages) is "
        "not used: "
        f"it answers 500. {LATER}Start the sync again when the service answers."
    )
    assert len(vendor.asked) == 6 + 4


def moving(vendor: RestVendor, *, times: int) -> None:
    """An item moves from page 2 to page 1 while page 1 is read, in that many readings."""
    orders = [rows(6)] * 100
    moved = [rows(6)[index] for index in (3, 0, 1, 2, 4, 5)]
    readings = 0

    def answer(asked: Asked) -> Answer:
        nonlocal readings
        start = int(asked.query["offset"])
        readings += start == 0
        order = moved if start == 3 and readings <= times else orders[0]
        return Answer({"data": {"items": order[start : start + 3]}, "meta": {"count": 6}})

    vendor.answer = answer


@pytest.mark.parametrize("total", ["meta.count", None], ids=["total", "no-total"])
def test_r03_an_item_that_moves_between_pages_is_found_by_reading_again(
    vendor: RestVendor, clock: JumpClock, total: str | None
) -> None:
    moving(vendor, times=1)
    reading = read(vendor.feed(paging=OFFSET, total=total), clock)
    assert identifiers(reading) == TEN[:6]


@pytest.mark.parametrize("total", ["meta.count", None], ids=["total", "no-total"])
def test_r03_a_record_on_two_pages_is_refused_although_every_reading_is_the_same(
    vendor: RestVendor, clock: JumpClock, total: str | None
) -> None:
    """As an order by a key that is not unique gives it: T0 twice, and T5 never."""
    vendor.holds([*rows(5), rows(1)[0]])
    feed = vendor.feed(paging=OFFSET, total=total)
    pages = "it declares 6 records, and its pages hold 6" if total else "its pages hold 6 records"
    assert refusal(feed, clock) == (
        f"LIST cannot be trusted to be whole: {pages}, 1 of them on an earlier page "
        "already, so others may have slipped from page to page unseen. It was read 3 times. "
        f"{LATER}Start the sync again when the list is at rest; if it stays so, ask for an order "
        "by a key that is unique, and check what the credentials may see."
    )


def test_r03_records_that_the_source_has_twice_are_merged_where_the_feed_says_so(
    vendor: RestVendor, clock: JumpClock
) -> None:
    vendor.holds([*rows(4), rows(1)[0]])
    reading = read(vendor.feed(paging=OFFSET | {"repeats": "merge"}, total="meta.count"), clock)
    assert identifiers(reading) == TEN[:4]
    assert reading.repeated_rows == 1
    assert reading.warnings == (
        f"Records of {vendor.url} that stand on more than one page: 1; equal ones count once.",
    )


def test_r03_totals_that_differ_from_page_to_page_are_refused(
    vendor: RestVendor, clock: JumpClock
) -> None:
    plain = vendor.answer
    counts = iter(range(10, 1000))

    def answer(asked: Asked) -> Answer:
        found = plain(asked)
        found.body["meta"]["count"] = next(counts)
        return found

    vendor.answer = answer
    feed = vendor.feed(paging={"style": "link"}, total="meta.count")
    assert "its pages declare different totals (18, 19, 20, 21)." in refusal(feed, clock)


def test_r04_a_next_link_to_another_host_is_refused_and_shown_without_its_token(
    vendor: RestVendor, clock: JumpClock
) -> None:
    vendor.answer = lambda asked: Answer(
        {"data": {"items": rows(1)}, "next": "https://elsewhere.example/2?token=s3cr3t-t0k3n"}
    )
    message = refusal(vendor.feed(paging={"style": "link", "next": "next"}), clock, token=TOKEN)
    assert message == (
        "LIST: page 2 could not be read, and what came before it (1 record of 1 page) is not used: "
        "the next link leads to https://elsewhere.example, and not to http://127.0.0.1, where the "
        f"list began; no secret is sent elsewhere. {LATER}Mend paging in the feed definition, or "
        "ask the vendor, then start the sync again."
    )
    assert len(vendor.asked) == 1


@pytest.mark.parametrize("port", ["", ":1"])
def test_r04_another_port_is_another_host(vendor: RestVendor, clock: JumpClock, port: str) -> None:
    vendor.answer = lambda asked: Answer(
        {"data": {"items": rows(1)}, "next": f"http://127.0.0.1{port}/2"}
    )
    feed = vendor.feed(paging={"style": "link", "next": "next"})
    assert "no secret is sent elsewhere" in refusal(feed, clock, token=TOKEN)


@pytest.mark.parametrize(
    "paging", [{"style": "link", "next": "next"}, {"style": "cursor", "next": "cursor"}]
)
def test_r04_pages_in_a_circle_are_refused(
    vendor: RestVendor, clock: JumpClock, paging: dict[str, Any]
) -> None:
    left = iter(range(1000))
    vendor.answer = lambda asked: Answer(
        {"data": {"items": [rows(100)[next(left)]]}, "next": "/v1/instruments?p=2", "cursor": "c2"}
    )
    assert "the next page is one that was read before: the pages go round in a circle." in refusal(
        vendor.feed(paging=paging), clock
    )
    assert len(vendor.asked) == 2


def test_r04_a_service_that_knows_no_pages_is_found_out(
    vendor: RestVendor, clock: JumpClock
) -> None:
    vendor.answer = lambda asked: Answer({"data": {"items": rows(3)}})
    assert refusal(vendor.feed(paging={"style": "page"}), clock) == (
        "LIST: page 2 holds the very records of page 1, so asking for another page has no effect. "
        f"{LATER}Mend paging in the feed definition (its parameter, or the style none), then start "
        "the sync again."
    )


def test_r04_more_pages_than_allowed_are_refused(vendor: RestVendor, clock: JumpClock) -> None:
    feed = vendor.feed(paging=OFFSET | {"max_pages": 2})
    assert "has more than 2 pages (paging.max_pages), which hold 6 records." in refusal(feed, clock)


def test_r09_a_token_that_expires_while_it_is_read_leaves_nothing(
    vendor: RestVendor, clock: JumpClock
) -> None:
    good = vendor.answer
    vendor.answer = lambda asked: (
        Answer(status=401) if asked.query["offset"] == "6" else good(asked)
    )
    assert refusal(vendor.feed(paging=OFFSET), clock, token=TOKEN) == (
        "LIST: page 3 could not be read, and what came before it (6 records of 2 pages) is "
        "not used: "
        f"it answers 401: the token or password is missing, wrong or expired. {LATER}Renew the "
        "token or password of the feed, then start the sync again."
    )
