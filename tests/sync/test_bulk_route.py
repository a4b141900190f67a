"""Which way changes are written, and what is said of it."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from armillary.feeds.bulk import Bulk
from armillary.sync.bulk.exported import by_export
from armillary.sync.bulk.pace import job_calls, patience_for
from armillary.sync.bulk.route import FEWEST_UPDATES, choose, split
from armillary.sync.plan import CHANGES

ENTRY = {"field": "field.isin", "before": "", "after": "AU1"}


def changes(kind: str, count: int, *entries: dict[str, str], first: int = 0) -> pl.DataFrame:
    rows = [
        {
            "kind": kind,
            "identifier": f"co{number}.ax",
            "id": None if kind == "create" else f"uuid-{number}",
            "row": number,
            "changed": list(entries),
        }
        for number in range(first, first + count)
    ]
    return pl.DataFrame(rows, schema=CHANGES)


def chosen(frame: pl.DataFrame, may_spend: int | None = None, *, held: int = 1, **bulk: Any) -> Any:
    words = Bulk(**{"mode": "auto"} | bulk)
    return choose(frame, words, may_spend=may_spend, deliveries=0, held=held)


def test_many_creates_go_in_bulk_and_few_do_not() -> None:
    many = chosen(changes("create", 2000, ENTRY))
    assert many.in_bulk
    assert many.because == (
        "2,000 creates and updates are 2,000 or more (bulk.from_changes), and it costs fewer calls "
        "(about 11 calls in bulk, 2,000 one by one)"
    )
    assert sum(many.writing.values()) == many.bulk.calls == 11
    few = chosen(changes("create", 1999, ENTRY))
    assert not few.in_bulk
    assert few.because.startswith(
        "1,999 creates and updates are fewer than 2,000 (bulk.from_changes)"
    )
    assert few.writing == {"create": 1999}


def test_where_nothing_is_there_a_count_is_the_look() -> None:
    frame = changes("create", 2000, ENTRY)
    found = choose(frame, Bulk(), may_spend=None, deliveries=0, held=0)
    assert found.writing["count to look first"] == 1
    assert "export to look first" not in found.writing
    assert found.bulk
    assert found.bulk.calls == chosen(frame, held=5).bulk.calls - 3


def test_a_first_load_of_100_000_takes_tens_of_calls() -> None:
    found = chosen(pl.concat([changes("create", 1000, ENTRY)] * 100))
    assert found.in_bulk
    assert found.bulk.calls <= 15
    assert found.one_by_one.calls == 100_000


def test_the_feed_has_the_last_word() -> None:
    few, many = changes("create", 3, ENTRY), changes("create", 5000, ENTRY)
    always, never = chosen(few, mode="always"), chosen(many, mode="never")
    assert (always.in_bulk, never.in_bulk) == (True, False)
    assert "the feed says bulk.mode: always" in always.because
    assert "the feed says bulk.mode: never" in never.because


def test_jobs_that_cost_more_calls_are_not_made() -> None:
    found = chosen(changes("create", 3, ENTRY), from_changes=1)
    assert not found.in_bulk
    assert "it costs fewer calls (about 11 calls in bulk, 3 one by one)" in found.because


def test_where_the_quota_suffices_for_jobs_alone_they_are_chosen() -> None:
    frame = changes("create", 300, ENTRY)
    assert not chosen(frame, may_spend=300).in_bulk
    found = chosen(frame, may_spend=299)
    assert found.in_bulk
    assert found.because.startswith("only so the calls suffice that are left")
    assert not chosen(frame, may_spend=3).in_bulk, "neither way suffices"


def test_jobs_that_may_take_all_that_is_left_are_not_chosen() -> None:
    """How often a job is asked for is an estimate, and the reserve must last."""
    frame = changes("create", 5000, ENTRY)
    found = chosen(frame, may_spend=21)
    assert found.bulk.calls == 11
    assert not found.in_bulk
    assert found.because == (
        "jobs may take twice the calls they are thought to take (21 calls may be spent; about 11 "
        "calls in bulk, 5,000 one by one)"
    )
    assert chosen(frame, may_spend=22).in_bulk


def test_the_time_of_exports_goes_by_what_they_hold() -> None:
    frame = changes("create", 2000, ENTRY)
    assert chosen(frame, held=1_000_000).bulk.seconds > 100 * chosen(frame).bulk.seconds


def test_an_import_carries_no_clear_and_no_rename() -> None:
    clear = {"field": "field.isin", "before": "AU1", "after": ""}
    rename = {"field": "identifier", "before": "co90.ax", "after": "co51.ax"}
    frame = pl.concat(
        [
            changes("create", 2, ENTRY, first=90),
            changes("update", 40, ENTRY),
            changes("update", 1, clear, ENTRY, first=50),
            changes("update", 1, rename, first=51),
            changes("archive", 1, first=60),
            changes("restore", 1, first=61),
        ]
    )
    carried, rest = split(frame)
    assert dict(carried.group_by("kind").len().iter_rows()) == {"create": 1, "update": 40}
    # co90.ax is what the renamed one was called until now: its create waits for that.
    assert set(rest["identifier"]) == {"co90.ax", "co50.ax", "co51.ax", "co60.ax", "co61.ax"}
    assert carried.height + rest.height == frame.height


def test_few_updates_are_not_worth_a_trial() -> None:
    frame = pl.concat(
        [changes("create", 5, ENTRY, first=100), changes("update", FEWEST_UPDATES - 1, ENTRY)]
    )
    carried, rest = split(frame)
    assert set(carried["kind"]) == {"create"}
    assert rest.height == FEWEST_UPDATES - 1


def test_what_cannot_go_in_bulk_is_said() -> None:
    found = chosen(changes("archive", 5), mode="always")
    assert (found.in_bulk, found.bulk) == (False, None)
    assert found.because == "no change is one that an import can carry"


def test_a_large_load_is_several_files() -> None:
    long = {"field": "field.isin", "before": "", "after": "x" * 1000}
    found = chosen(pl.concat([changes("create", 1000, long)] * 200))
    assert any(item.startswith("import of 3 files") for item in found.writing)


@pytest.mark.parametrize(
    ("mode", "rows", "calls", "expected"),
    [
        ("auto", 10_000, 50, True),
        ("auto", 9_999, 50, False),
        ("auto", 10_000, 3, False),
        ("auto", None, 0, False),
        ("never", 10_000_000, 50_000, False),
        ("always", 1, 1, True),
        ("always", 0, 1, False),
    ],
)
def test_a_big_workspace_is_read_by_export(
    mode: Any, rows: int | None, calls: int, expected: bool
) -> None:
    assert by_export(Bulk(mode=mode), rows, calls) is expected


def test_a_large_job_is_asked_for_late_and_a_small_one_soon() -> None:
    wait = {
        rows: patience_for(rows, first_poll_seconds=1, deadline_seconds=9).first_poll_seconds
        for rows in (1, 50_000, 5_000_000)
    }
    assert wait == {1: 1, 50_000: 5, 5_000_000: 10}
    assert job_calls(1) == 3
    assert job_calls(1_000_000) < 15


def test_a_workspace_that_was_not_read_reliably_is_written_one_by_one() -> None:
    """An import would take over what the reading did not show."""
    found = choose(
        changes("create", 5000, ENTRY), Bulk(), may_spend=None, deliveries=0, trusted=False
    )
    assert (found.in_bulk, found.because) == (False, "the workspace could not be read reliably")
    assert found.writing == {"create": 5000}


def test_what_imports_leave_may_cost_no_more_than_the_jobs_leave() -> None:
    frame = changes("create", 5000, ENTRY)
    assert chosen(frame).most_calls is None
    assert chosen(frame, may_spend=110).most_calls == 99
    billed = choose(frame, Bulk(mode="auto"), may_spend=110, deliveries=0, overage=True)
    assert billed.most_calls is None


def test_a_look_first_and_the_looks_for_a_trial_are_counted() -> None:
    found = chosen(changes("update", 3000, ENTRY))
    assert found.writing["export to look first"] == found.writing["export to read back"] == 3
    assert found.writing["an update on trial"] == 5 + 3 + 1
