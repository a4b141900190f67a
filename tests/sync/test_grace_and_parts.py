"""Records that vanish for a day, and parts of a feed that vanish as a whole (F07, F21)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from armillary.runs.memory import Delivery, FeedMemory
from armillary.sync.grace import Grace, come_back, graced
from armillary.sync.guards import Baseline, judge
from armillary.sync.partitions import vanished_parts
from tests.sync.build import definition, feed, instrument, plan, record, workspace

EXISTING = workspace(*(instrument(f"i{n}") for n in range(5)))
MONDAY = Delivery("monday", 5, "run-1", datetime(2026, 11, 23, tzinfo=UTC))


def lacking(*missing: int, absent: Mapping[str, int], archive_after: int = 3) -> Grace:
    """A delivery of Tuesday without these records, planned."""
    asked = definition(archive_after=archive_after)
    source = feed(*(record(f"i{n}") for n in range(5) if n not in missing))
    source = replace(source, content_sha256="tuesday")
    memory = FeedMemory(deliveries=[MONDAY], absent=dict(absent))
    return graced(plan(source, EXISTING), asked, source, memory)


def test_f21_an_instrument_is_archived_when_enough_deliveries_in_a_row_lack_it() -> None:
    made = lacking(1, 2, 3, absent={"uuid-i2": 1, "uuid-i3": 2})
    assert made.plan.changes["identifier"].to_list() == ["i3"]
    assert dict(made.plan.held.select("identifier", "reason").iter_rows()) == {
        "i1": "1 of 3 deliveries in a row lack it; then it is archived (archive_after)",
        "i2": "2 of 3 deliveries in a row lack it; then it is archived (archive_after)",
    }
    assert made.absent == {"uuid-i1": 1, "uuid-i2": 2, "uuid-i3": 3}


def test_f21_one_that_is_back_begins_anew() -> None:
    made = lacking(1, absent={"uuid-i2": 2})
    assert made.absent == {"uuid-i1": 1}


def test_f21_those_that_are_back_are_told_with_how_many_deliveries_lacked_them() -> None:
    memory = FeedMemory(absent={"uuid-i1": 2, "uuid-i3": 1, "uuid-i4": 2, "uuid-gone": 7})
    source = feed(*(record(f"i{n}") for n in range(4)))
    assert come_back(EXISTING.active, source, memory) == [
        "Back in the feed, after deliveries in a row that lacked them: 2 (i1 (2), i3 (1); in "
        "brackets how many). If that goes on, ask the vendor why."
    ]
    many = FeedMemory(absent={f"uuid-i{n}": 1 for n in range(9)})
    everybody = workspace(*(instrument(f"i{n}") for n in range(9)))
    [told] = come_back(everybody.active, feed(*(record(f"i{n}") for n in range(9))), many)
    assert "lacked them: 9 (i0 (1), i1 (1), i2 (1), i3 (1), i4 (1) and 4 more; in" in told
    assert come_back(EXISTING.active, source, FeedMemory()) == []


def test_f21_the_same_delivery_again_is_no_further_one() -> None:
    source = replace(feed(*(record(f"i{n}") for n in range(4))), content_sha256="monday")
    memory = FeedMemory(deliveries=[MONDAY], absent={"uuid-i4": 2})
    made = graced(plan(source, EXISTING), definition(archive_after=3), source, memory)
    assert (made.plan.count("archive"), made.absent) == (0, {"uuid-i4": 2})


def test_f21_unless_the_feed_asks_for_it_nothing_is_counted() -> None:
    made = lacking(1, absent={}, archive_after=1)
    assert (made.plan.count("archive"), made.absent) == (1, {})


def venues(**counts: int) -> list[tuple[str, str]]:
    return [(f"{mic}{n:03}", mic) for mic, count in counts.items() for n in range(count)]


def doubts(there: Mapping[str, int], brought: Mapping[str, int], scope: Any) -> dict[str, str]:
    active = workspace(*(instrument(name, exchange=mic) for name, mic in venues(**there)))
    source = feed(*(record(name, exchange=mic) for name, mic in venues(**brought)))
    made = plan(source, active)
    asked = definition(limits={"max_archive_share": 1.0})
    parts = tuple(vanished_parts(made, scope, active.active))
    found = judge(made, asked.limits, Baseline(None, vanished_parts=parts), only=False)
    return {entry.kind: entry.reason for entry in found}


TWO = {"exchange": ["xasx", "xnzx"]}


def test_f07_one_exchange_missing_as_a_whole_archives_nothing() -> None:
    assert doubts({"xasx": 400, "xnzx": 20}, {"xasx": 395}, TWO) == {
        "archive": "all 20 active instruments with exchange xnzx are missing from the feed: that "
        "part of it was not delivered"
    }


def test_f07_what_is_no_part_of_a_feed() -> None:
    assert doubts({"xasx": 400, "xnzx": 19}, {"xasx": 400}, TWO) == {}
    assert doubts({"xasx": 400, "xnzx": 20}, {"xasx": 400, "xnzx": 1}, TWO) == {}
    assert doubts({"xasx": 400, "xnzx": 20}, {"xasx": 400}, {"exchange": ["xasx"]}) == {}
    assert doubts({"xasx": 400, "xnzx": 20}, {"xasx": 400}, "all") == {}
