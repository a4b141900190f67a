"""Lists that end, lists that do not, and lists that are cut off."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest

from armillary.api import Page, Ptolemy, read_all
from armillary.errors import (
    AccessDenied,
    CursorExpired,
    RequestRejected,
    TransientError,
    UnexpectedAnswer,
)
from tests.api.conftest import Serve
from tests.api.wire import Behaviour, Exchange, answer, json, page

A, B, C = {"id": "a"}, {"id": "b"}, {"id": "c"}
EXPIRED = answer(400, b'{"message": "cursor expired"}')


def read(ptolemy: Ptolemy) -> list[dict[str, Any]]:
    """By ``read_all``, as a sync reads."""

    def pages() -> Iterator[Page]:
        return ptolemy.instruments.filter_pages(filter={"and": []})

    def take(rows: list[dict[str, Any]], page: Page) -> None:
        rows.extend(page.rows)

    return read_all(pages, list, take)


def test_pages_are_read_in_turn_by_cursor(serve: Serve) -> None:
    bench = serve(page([A, B], "c1"), page([], "c2"), page([C]))
    assert read(bench.ptolemy) == [A, B, C]
    assert bench.server.calls == ["POST /instruments/filter"] * 3
    assert [request.json for request in bench.server.received] == [
        {"filter": {"and": []}, "limit": 200},
        {"filter": {"and": []}, "limit": 200, "after": "c1"},
        {"filter": {"and": []}, "limit": 200, "after": "c2"},
    ]


def test_pages_are_fetched_only_when_asked_for(serve: Serve) -> None:
    bench = serve(page([A], "c1"))
    pages = bench.ptolemy.instruments.list_pages()
    assert bench.server.received == []
    assert next(pages).rows == [A]
    assert len(bench.server.received) == 1


@pytest.mark.parametrize(("limit", "sent"), [(500, 200), (200, 200), (7, 7), (0, 1)])
def test_d3_a31_a_limit_is_at_most_200(serve: Serve, limit: int, sent: int) -> None:
    bench = serve(page([A]))
    list(bench.ptolemy.instruments.list_pages(limit=limit))
    assert bench.server.calls == [f"GET /instruments?limit={sent}"]


@pytest.mark.parametrize("status", [400, 422])
def test_n8_a31_a_refused_limit_is_left_out_from_then_on(serve: Serve, status: int) -> None:
    bench = serve(answer(status), page([A], "c1"), page([B]), page([C]))
    assert bench.ptolemy.instruments.list() == [A, B]
    assert bench.ptolemy.instruments.list() == [C]
    assert bench.server.calls == [
        "GET /instruments?limit=200",
        "GET /instruments",
        "GET /instruments?after=c1",
        "GET /instruments",
    ]


def test_n8_a_list_refused_either_way_is_refused(serve: Serve) -> None:
    bench = serve(answer(422, b'{"message": "bad filter"}'))
    with pytest.raises(RequestRejected, match="bad filter"):
        list(bench.ptolemy.instruments.filter_pages(filter={}))
    assert len(bench.server.received) == 2
    bench.server.script[:] = [page([A])]
    bench.ptolemy.instruments.list()
    assert bench.server.calls[-1] == "GET /instruments?limit=200"


ENDLESS: dict[str, tuple[list[Behaviour], str]] = {
    "no cursor": ([page([A], None, more=True)], "no cursor to the next is given"),
    "blank cursor": ([page([A], "", more=True)], "no cursor to the next is given"),
    "same cursor": ([page([A], "c"), page([B], "c")], "the same cursor came twice"),
    "a circle of cursors": (
        [page([A], "c1"), page([B], "c2"), page([C], "c1")],
        "the same cursor came twice",
    ),
    "known records": (
        [page([A, B], "c1"), page([C], "c2"), page([B, C], "c3")],
        "nothing but records that were read before",
    ),
}


@pytest.mark.parametrize(("script", "message"), ENDLESS.values(), ids=ENDLESS.keys())
def test_a27_pages_that_lead_nowhere_stop_the_reading(
    serve: Serve, script: list[Behaviour], message: str
) -> None:
    bench = serve(*script)
    with pytest.raises(UnexpectedAnswer, match=message):
        read(bench.ptolemy)
    assert len(bench.server.received) == len(script)


def test_a27_pages_without_end_stop_at_the_most_there_can_be(serve: Serve) -> None:
    numbers = count()

    def another(exchange: Exchange) -> bool:
        number = next(numbers)
        return page([{"id": f"{number}"}], f"c{number}")(exchange)

    bench = serve(another)
    with pytest.raises(UnexpectedAnswer, match="11 records were read where at most 10 can be"):
        list(bench.ptolemy.instruments.list_pages(max_rows=10))


def test_a30_a_record_that_comes_twice_is_no_loop(serve: Serve) -> None:
    bench = serve(page([A, B], "c1"), page([B, C], "c2"), page([A]))
    assert read(bench.ptolemy) == [A, B, B, C, A]


@pytest.mark.parametrize("status", [400, 404, 409, 410, 422])
def test_a29_an_expired_cursor_starts_the_reading_again(serve: Serve, status: int) -> None:
    bench = serve(page([A], "c1"), answer(status), page([A], "c2"), page([B]))
    assert read(bench.ptolemy) == [A, B]
    assert len(bench.server.received) == 4


def test_a29_after_three_restarts_the_reading_fails(serve: Serve) -> None:
    bench = serve(*[page([A], "c1"), EXPIRED] * 4)
    with pytest.raises(CursorExpired, match="cursor expired") as caught:
        read(bench.ptolemy)
    assert len(bench.server.received) == 8
    assert isinstance(caught.value, TransientError)


@pytest.mark.parametrize("status", [401, 403])
def test_a19_a_token_revoked_between_pages_is_no_expired_cursor(serve: Serve, status: int) -> None:
    bench = serve(page([A], "c1"), answer(status))
    with pytest.raises(AccessDenied):
        read(bench.ptolemy)
    assert len(bench.server.received) == 2


def test_a_refusal_of_the_first_page_is_no_expired_cursor(serve: Serve) -> None:
    bench = serve(answer(404))
    with pytest.raises(RequestRejected):
        read(bench.ptolemy)
    assert len(bench.server.received) == 1


@pytest.mark.parametrize(
    "body",
    [
        [A],
        {"rows": [A]},
        {"data": None},
        {"data": {"id": "a"}},
        {"data": [A, "b"]},
        {"data": [A], "meta": {"has_more": "yes"}},
        "a",
        3,
        None,
    ],
)
def test_an_answer_that_is_no_list_is_not_taken_for_one(serve: Serve, body: Any) -> None:
    bench = serve(json(body))
    with pytest.raises(UnexpectedAnswer):
        read(bench.ptolemy)


@pytest.mark.parametrize(
    "meta", [None, {}, {"next_cursor": None}, {"has_more": False}, {"has_more": None, "page": 1}]
)
def test_a34_a_last_page_may_say_little(serve: Serve, meta: Any) -> None:
    bench = serve(json({"data": [A], "meta": meta, "warnings": ["x"], "new": 1}))
    assert read(bench.ptolemy) == [A]


def test_a_cursor_without_has_more_leads_on(serve: Serve) -> None:
    bench = serve(json({"data": [A], "meta": {"next_cursor": "c1"}}), page([B]))
    assert read(bench.ptolemy) == [A, B]


def test_n9_no_ids_are_no_records_and_no_call(serve: Serve) -> None:
    bench = serve(page([A]))
    assert list(bench.ptolemy.instruments.list_pages(ids=[])) == []
    assert bench.server.received == []


def test_n9_ids_are_looked_up_together(serve: Serve) -> None:
    bench = serve(page([A]))
    list(bench.ptolemy.instruments.list_pages(ids=["bhp.ax", "a&b=c"], archived="all", limit=200))
    assert bench.server.calls == ["GET /instruments?ids=bhp.ax%2Ca%26b%3Dc&archived=all&limit=200"]


def test_n3_an_identifier_with_a_comma_is_not_looked_up_in_a_list(serve: Serve) -> None:
    bench = serve(page([A]))
    with pytest.raises(RequestRejected, match="'a,b' has a comma"):
        bench.ptolemy.instruments.list_pages(ids=["a,b"])
    assert bench.server.received == []
