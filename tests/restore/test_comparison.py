"""Rows of one side against rows of the other."""

from __future__ import annotations

from collections import Counter

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from armillary.restore import comparison
from armillary.restore.comparison import Status, compare, shared_keys, waves
from armillary.restore.fingerprints import Fingerprints

Row = tuple[str, str, bool]
"""Key, content, archived."""

ROWS = st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xyz"), st.booleans()), max_size=9)


def taken(*rows: Row) -> Fingerprints:
    found = Fingerprints()
    for key, body, archived in rows:
        found.add((key,), {"value": body}, archived)
    return found


def test_every_wanted_row_is_equal_different_or_absent() -> None:
    wanted = taken(("a", "1", False), ("b", "1", False), ("c", "1", False), ("d", "1", False),
                   ("e", "1", True))  # fmt: skip
    found = taken(("e", "2", False), ("c", "1", True), ("f", "1", False), ("b", "2", False),
                  ("a", "1", False))  # fmt: skip
    result = compare(wanted, found)
    assert result.status.to_list() == [
        Status.EQUAL,
        Status.BODY,
        Status.STATE,
        Status.ABSENT,
        Status.BODY | Status.STATE,
    ]
    assert result.match.to_list() == [4, 3, 1, -1, 0]
    assert result.extra.to_list() == [False, False, True, False, False]
    assert (result.equal, result.count(Status.BODY), result.count(Status.ABSENT)) == (1, 2, 1)
    assert result.count(Status.BODY | Status.STATE) == 3
    assert not result.same


def test_the_same_rows_in_another_order_are_the_same() -> None:
    rows = [(str(number), "x", number % 7 == 0) for number in range(500)]
    result = compare(taken(*rows), taken(*reversed(rows)))
    assert result.same
    assert result.match.to_list() == list(reversed(range(500)))


@pytest.mark.parametrize(
    ("wanted", "found", "equal", "extra"), [(0, 0, 0, 0), (3, 0, 0, 0), (0, 3, 0, 3)]
)
def test_one_side_is_empty(wanted: int, found: int, equal: int, extra: int) -> None:
    rows = [(str(number), "x", False) for number in range(3)]
    result = compare(taken(*rows[:wanted]), taken(*rows[:found]))
    assert (result.equal, result.count(Status.ABSENT)) == (equal, wanted)
    assert (result.extra.sum(), result.extra.len()) == (extra, found)


def test_an_extra_row_alone_makes_two_sides_differ() -> None:
    result = compare(taken(("a", "1", False)), taken(("a", "1", False), ("b", "1", False)))
    assert result.equal == 1
    assert not result.same


def test_records_that_share_an_identifier_are_paired_by_what_they_hold() -> None:
    wanted = taken(("a", "old", True), ("a", "older", True), ("a", "now", False))
    found = taken(("a", "now", False), ("a", "older", True), ("a", "old", True))
    assert compare(wanted, found).match.to_list() == [2, 1, 0]


def test_the_archived_state_tells_apart_what_differs_in_content() -> None:
    wanted = taken(("a", "1", True), ("a", "2", False))
    found = taken(("a", "3", False), ("a", "4", True))
    result = compare(wanted, found)
    assert result.match.to_list() == [1, 0]
    assert result.status.to_list() == [Status.BODY, Status.BODY]


def test_content_goes_before_state() -> None:
    wanted = taken(("a", "1", True), ("a", "2", False))
    found = taken(("a", "1", False), ("a", "2", True))
    result = compare(wanted, found)
    assert result.match.to_list() == [0, 1]
    assert result.status.to_list() == [Status.STATE, Status.STATE]


def test_rows_that_nothing_tells_apart_are_paired_in_their_order() -> None:
    same = ("a", "1", True)
    result = compare(taken(same, same, same), taken(same, same))
    assert result.match.to_list() == [0, 1, -1]
    assert result.status.to_list() == [0, 0, Status.ABSENT]


@pytest.mark.parametrize("as_mask", [False, True])
def test_ignored_rows_are_neither_counterpart_nor_extra(as_mask: bool) -> None:
    wanted = taken(("a", "1", False), ("b", "1", False))
    found = taken(("a", "1", False), ("b", "0", True), ("b", "1", False), ("c", "1", False))
    ignoring = pl.Series([True, True, False, True]) if as_mask else {0, 1, 3}
    result = compare(wanted, found, ignoring=ignoring)
    assert result.status.to_list() == [Status.ABSENT, Status.EQUAL]
    assert result.match.to_list() == [-1, 2]
    assert not result.extra.any()


@given(ROWS, ROWS, st.booleans())
@settings(max_examples=60, deadline=None)
def test_every_pairing_is_one_to_one_within_a_key_and_tears_nothing_apart(
    wanted: list[Row], found: list[Row], in_parts: bool
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(comparison, "_PART_ROWS", 2 if in_parts else 1000)
        result = compare(taken(*wanted), taken(*found))
    matched = [number for number in result.match if number >= 0]
    assert len(matched) == len(set(matched))
    assert result.extra.to_list() == [number not in matched for number in range(len(found))]
    by_key = Counter(key for key, *_ in wanted) & Counter(key for key, *_ in found)
    assert len(matched) == by_key.total()
    assert result.equal == (Counter(wanted) & Counter(found)).total()
    for row, status, match in zip(wanted, result.status, result.match, strict=True):
        if match < 0:
            assert status == Status.ABSENT
            continue
        other = found[match]
        assert other[0] == row[0]
        assert bool(status & Status.BODY) == (row[1] != other[1])
        assert bool(status & Status.STATE) == (row[2] != other[2])


def test_archived_rows_of_a_key_are_written_before_the_active_one() -> None:
    rows = taken(("a", "now", False), ("a", "old", True), ("b", "now", False), ("a", "older", True))
    assert waves(rows).to_list() == [2, 0, 0, 1]
    only = pl.Series([True, False, False, True])
    assert waves(rows, only).to_list() == [1, None, None, 0]


@given(ROWS)
@settings(max_examples=80, deadline=None)
def test_no_wave_holds_a_key_twice_and_no_active_row_goes_before_an_archived_one(
    rows: list[Row],
) -> None:
    found = waves(taken(*rows)).to_list()
    seen = Counter((key, wave) for (key, *_), wave in zip(rows, found, strict=True))
    assert all(times == 1 for times in seen.values())
    for key, _, archived in rows:
        if not archived:
            continue
        active = [w for (k, _, a), w in zip(rows, found, strict=True) if k == key and not a]
        gone = [w for (k, _, a), w in zip(rows, found, strict=True) if k == key and a]
        assert max(gone) < min(active, default=len(rows))


def test_shared_keys_are_those_that_stand_twice_among_the_chosen() -> None:
    rows = taken(("a", "1", True), ("a", "2", False), ("b", "1", False), ("b", "2", True))
    assert shared_keys(rows).to_list() == [True] * 4
    only = pl.Series([True, True, True, False])
    assert shared_keys(rows, only).to_list() == [True, True, False, False]
    assert shared_keys(taken()).to_list() == []
