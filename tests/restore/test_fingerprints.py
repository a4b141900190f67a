"""Fingerprints of rows."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import pytest

from armillary.restore.fingerprints import ARCHIVED, BODY, KEY, ROW, Fingerprints

Row = tuple[tuple[str, ...], dict[str, Any], bool | None]


def taken(*rows: Row) -> Fingerprints:
    found = Fingerprints()
    for row in rows:
        found.add(*row)
    return found


def keys(*rows: tuple[str, ...]) -> list[tuple[int, ...]]:
    return taken(*((row, {}, None) for row in rows)).frame().select(KEY).rows()


def bodies(*rows: dict[str, Any]) -> list[int]:
    return taken(*((("a",), row, None) for row in rows)).frame()[BODY].to_list()


def test_rows_are_numbered_in_the_order_they_came_in() -> None:
    found = taken((("a",), {}, True), (("b",), {}, False), (("c",), {}, None))
    assert len(found) == 3
    assert found.frame().select(ROW, ARCHIVED).rows() == [(0, True), (1, False), (2, False)]


def test_equal_keys_have_equal_fingerprints_and_others_have_not() -> None:
    one, same, *others = keys(
        ("a", "b"), ("a", "b"), ("b", "a"), ("a,b",), ('a","b',), ("ab", ""), ("a", "", "b"), ("a",)
    )
    assert one == same
    assert len({one, *others}) == 1 + len(others)


def test_what_a_row_holds_counts_and_not_the_order_of_its_keys() -> None:
    one, same, *others = bodies(
        {"name": "BHP", "fields": {"lot_size": "1", "isin": "AU"}},
        {"fields": {"isin": "AU", "lot_size": "1"}, "name": "BHP"},
        {"name": "BHP", "fields": {"lot_size": "1"}},
        {"name": "BHP", "fields": {"lot_size": "AU", "isin": "1"}},
        {"name": "BHP", "lot_size": "1", "isin": "AU"},
        {},
    )
    assert one == same
    assert len({one, *others}) == 1 + len(others)


def test_rows_may_be_added_after_they_were_looked_at() -> None:
    found = taken((("a",), {}, None))
    before = found.frame()
    found.add(("b",), {}, None)
    assert (before.height, found.frame().height) == (1, 2)


def test_parts_hold_each_row_once_and_rows_that_share_a_key_together() -> None:
    found = taken(*(((str(number % 40),), {"n": str(number)}, None) for number in range(120)))
    parts = [found.frame(part, 8) for part in range(8)]
    assert sorted(row for part in parts for row in part[ROW]) == list(range(120))
    assert sum(part.select(KEY).n_unique() for part in parts) == 40
    whole = {row[0]: row for row in found.frame().rows()}
    assert all(whole[row[0]] == row for part in parts for row in part.rows())


def test_no_rows_at_all() -> None:
    assert Fingerprints().frame().height == 0


def test_two_million_rows_take_less_than_60_mb() -> None:
    found = Fingerprints()
    for number in range(200_000):
        found.add((str(number),), {"value": "1"}, None)
    held = sum(
        column.buffer_info()[1] * column.itemsize for column in (found._words, found._archived)
    )
    assert held * 10 <= 60_000_000


def test_a_body_of_something_that_is_no_json_is_an_error_of_the_caller() -> None:
    with pytest.raises(TypeError):
        Fingerprints().add(("a",), MappingProxyType({"a": object()}), None)
