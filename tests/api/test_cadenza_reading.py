"""Reading a list by offset: what it lacks may be believed only when it certainly is whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from armillary.api.cadenza.reading import PAGE_ROWS, Page, read_instruments

Rows = list[dict[str, Any]]


def rows(count: int, first: int = 0) -> Rows:
    return [
        {"instrumentId": f"V:S{number}/USD", "venue": "V", "symbol": f"S{number}/USD"}
        for number in range(first, first + count)
    ]


def server(
    lists: Callable[[int], Rows], *, limit: int = PAGE_ROWS, **told: bool
) -> tuple[list[int], Callable[[int], Page]]:
    """A list that is ``lists(n)`` at the n-th request; tells ``total`` and ``hasNext`` or not."""
    asked: list[int] = []

    def page(offset: int) -> Page:
        current = lists(len(asked))
        asked.append(offset)
        shown = current[offset : offset + limit]
        pagination: dict[str, Any] = {}
        if told.get("total", True):
            pagination["total"] = len(current)
        if told.get("has_next", True):
            pagination["hasNext"] = offset + limit < len(current)
        return shown, pagination

    return asked, page


@pytest.mark.parametrize("count", [0, 1, 99, 100, 101, 250])
@pytest.mark.parametrize("limit", [100, 10])
@pytest.mark.parametrize("told", [{}, {"has_next": False}])
def test_a_list_that_stands_still_is_read_once(
    count: int, limit: int, told: dict[str, bool]
) -> None:
    """D2: a smaller page than asked for is no end; N4: either sign of the end will do."""
    _, page = server(lambda _: rows(count), limit=limit, **told)
    found = read_instruments("V", page)
    assert found.complete
    assert found.readings == 1
    assert [row["instrumentId"] for row in found.rows] == [f"V:S{n}/USD" for n in range(count)]


@pytest.mark.parametrize("told", [{"total": False}, {"total": False, "has_next": False}])
def test_without_a_count_two_readings_have_to_agree(told: dict[str, bool]) -> None:
    """N4."""
    _, page = server(lambda _: rows(150), **told)
    found = read_instruments("V", page)
    assert found.complete
    assert found.readings == 2
    _, page = server(lambda request: rows(150 + request // 2), **told)
    found = read_instruments("V", page)
    assert not found.complete
    assert found.why_incomplete == (
        "The list was read 3 times: no count is told, and no two readings agreed."
    )


def test_rows_that_move_between_pages_are_noticed() -> None:
    """N3: one row goes at the head, one comes at the end: the count fits, a row slipped past."""

    def lists(request: int) -> Rows:
        return rows(250, first=request)

    _, page = server(lists)
    found = read_instruments("V", page)
    assert not found.complete
    assert found.readings == 3
    assert found.why_incomplete.startswith("The list was read 3 times: rows moved while it was")
    assert "stood 'V:S" in found.why_incomplete


def test_a_list_that_settles_is_read_again_and_believed() -> None:
    _, page = server(lambda request: rows(250, first=min(request, 1)))
    found = read_instruments("V", page)
    assert found.complete
    assert found.readings == 2
    assert len(found.rows) == 250


def test_a_changed_count_is_noticed() -> None:
    _, page = server(lambda request: rows(250 + request))
    found = read_instruments("V", page)
    assert "the number of instruments changed from 2" in found.why_incomplete


def test_rows_that_are_not_given_are_noticed() -> None:
    def page(offset: int) -> Page:
        return rows(250)[offset : offset + 100], {"total": 251, "hasNext": offset < 150}

    found = read_instruments("V", page)
    assert found.why_incomplete.endswith("it says 251 instruments and gave 250.")


def test_a_list_that_has_more_and_gives_nothing() -> None:
    found = read_instruments("V", lambda _: ([], {"hasNext": True}))
    assert found.why_incomplete.endswith("it says that there is more and gives nothing.")


def test_n04_a_count_that_is_cut_off_is_no_end() -> None:
    """Where the two signs of the end contradict each other, the list is read on."""

    def page(offset: int) -> Page:
        return rows(250)[offset : offset + 100], {"total": 100, "hasNext": offset + 100 < 250}

    found = read_instruments("V", page)
    assert not found.complete
    assert found.why_incomplete.endswith("it says 100 instruments and gave 250.")


@pytest.mark.parametrize("count", [1, 100, 150])
def test_n04_a_sign_that_never_says_the_end_is_overruled_by_the_count(count: int) -> None:
    def page(offset: int) -> Page:
        return rows(count)[offset : offset + 100], {"total": count, "hasNext": True}

    found = read_instruments("V", page)
    assert (found.complete, found.readings, len(found.rows)) == (True, 1, count)


def test_an_offset_that_is_ignored_is_noticed() -> None:
    found = read_instruments("V", lambda _: (rows(100), {"total": 300, "hasNext": True}))
    assert not found.complete
    assert "rows moved while it was read (behind row 100 stood" in found.why_incomplete


def test_other_venues_are_left_out_and_said() -> None:
    """A filter that is ignored must never bring another venue's instruments."""
    mixed = [*rows(2), {"instrumentId": "OKX:A/B", "venue": "OKX"}, {"instrumentId": "W:A/B"}]
    found = read_instruments("V", lambda _: (mixed, {"total": 4, "hasNext": False}))
    assert found.complete
    assert len(found.rows) == 2
    assert found.notes == ("Rows of other venues were left out: OKX, W.",)


def test_d05_an_identifier_is_made_of_venue_and_symbol() -> None:
    row = {"venue": "V", "symbol": "A/B:C"}
    found = read_instruments("V", lambda _: ([row], {"total": 1}))
    assert found.rows[0]["instrumentId"] == "V:A/B:C"
    found = read_instruments("V", lambda _: ([{"symbol": "A/B"}], {"total": 1}))
    assert "it holds a row that names no instrument" in found.why_incomplete


@settings(max_examples=150, deadline=None)
@given(
    start=st.integers(0, 40),
    moves=st.lists(st.tuples(st.booleans(), st.integers(0, 45)), max_size=12),
    limit=st.integers(1, 12),
    has_total=st.booleans(),
)
def test_a_complete_list_holds_every_row_that_never_moved(
    start: int, moves: list[tuple[bool, int]], limit: int, has_total: bool
) -> None:
    """Rows come and go between pages: what was there all the time is in it, or it is refused."""
    current = rows(start)
    untouched = {row["instrumentId"] for row in current}
    pending = list(moves)
    made = [1000]

    def page(offset: int) -> Page:
        shown = current[offset : offset + limit]
        pagination = {"total": len(current)} if has_total else {}
        if pending:
            comes, place = pending.pop(0)
            if comes:
                made[0] += 1
                current[place:place] = rows(1, made[0])
            elif place < len(current):
                untouched.discard(current.pop(place)["instrumentId"])
        return shown, pagination

    found = read_instruments("V", page)
    if found.complete:
        assert untouched <= {row["instrumentId"] for row in found.rows}
