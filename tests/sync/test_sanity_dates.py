"""The business date of a delivery: the newest applied, the calendar, what is remembered."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import UTC, date, datetime

import msgspec
import pytest

from armillary.errors import ConfigurationError, FeedRefused
from armillary.runs.memory import ColumnFacts, FeedMemory
from armillary.sync.conclude import GOOD, conclude, remembered_after
from armillary.sync.judged import JudgedPlan
from armillary.sync.outcome import Fate, Outcome, SyncResult
from armillary.sync.trading_days import expected_date
from tests.sync.build import definition
from tests.sync.deliveries import (
    NOW,
    dated,
    delivered,
    found,
    judged,
    last,
    remembering,
)


def test_f05_a_delivery_older_than_the_newest_that_was_applied_is_held() -> None:
    memory = remembering(last(business_date=date(2026, 11, 24)))
    [doubt] = found(dated("2026-11-23"), memory).doubts
    assert doubt == (
        "its business date 2026-11-23 is older than 2026-11-24, the newest that was applied (run "
        "run-1): it would take back what newer deliveries brought (sanity.older_delivery: hold)"
    )
    examined = found(dated("2026-11-23"), memory, older_delivery="warn")
    assert (len(examined.warnings), examined.doubts) == (1, ())
    assert found(dated("2026-11-24"), memory).warnings == (), "a correction of the same day"


def test_f05_an_older_delivery_that_was_approved_does_not_lower_the_newest_date() -> None:
    memory = remembering(last("today", business_date=date(2026, 11, 24)))
    older = last("older", business_date=date(2026, 11, 18))
    memory = memory.with_delivery(older).with_date("run-2", date(2026, 11, 18))
    assert "2026-11-20 is older than 2026-11-24" in found(dated("2026-11-20"), memory).doubts[0]
    assert found(dated("2026-11-25"), memory).warnings == ()


def test_f05_a_date_in_the_future_does_not_hold_the_days_until_then() -> None:
    memory = remembering(last()).with_date("run-2", date(2027, 11, 24))
    assert found(dated("2026-11-24"), memory).doubts == ()
    later = datetime(2027, 11, 25, 6, tzinfo=UTC)
    assert "than 2027-11-24" in found(dated("2027-11-23"), memory, now=later).doubts[0]


def test_f06_a_business_date_in_the_future_is_said() -> None:
    [said] = found(dated("2026-11-27")).warnings
    assert said == "Look at the delivery: its business date 2026-11-27 lies in the future."
    assert found(dated("2026-11-25")).warnings == ()


@pytest.mark.parametrize(
    ("now", "lag_days", "expected"),
    [
        ("2026-11-25T12:00", 1, "2026-11-24"),
        ("2026-11-25T12:00", 0, "2026-11-25"),
        ("2026-11-25T02:00", 1, "2026-11-23"),  # still Tuesday evening in New York
        ("2026-11-27T12:00", 1, "2026-11-25"),  # the day after Thanksgiving
        ("2026-11-29T12:00", 1, "2026-11-27"),  # a Sunday
        ("2026-11-29T12:00", 0, "2026-11-27"),
        ("2026-11-30T12:00", 2, "2026-11-25"),
    ],
)
def test_the_calendar_of_the_market_says_which_day_is_expected(
    now: str, lag_days: int, expected: str
) -> None:
    moment = datetime.fromisoformat(now).replace(tzinfo=UTC)
    assert expected_date("XNYS", moment, lag_days=lag_days) == date.fromisoformat(expected)


def test_f01_a_delivery_older_than_the_calendar_expects_is_late() -> None:
    noon = datetime(2026, 11, 27, 12, tzinfo=UTC)
    assert found(dated("2026-11-25"), now=noon, calendar="XNYS").warnings == ()
    with pytest.raises(FeedRefused, match="the calendar XNYS expects 2026-11-25 by now"):
        found(dated("2026-11-24"), now=noon, calendar="XNYS", business_date="refuse")


def test_a_calendar_without_a_business_date_is_said() -> None:
    [said] = found(delivered(), calendar="XNYS", business_date="refuse").warnings
    assert said == (
        "Look at the delivery: it tells no business date, so that the calendar XNYS cannot be held "
        "against it: a date in the address or in a trailer would tell."
    )


def test_a_calendar_nobody_knows_ends_the_run_in_words() -> None:
    with pytest.raises(ConfigurationError) as refused:
        found(delivered(), calendar="XNYZ")
    assert str(refused.value).startswith("There is no trading calendar 'XNYZ'. Did you mean XN")


def test_a_calendar_without_the_library_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "exchange_calendars", None)
    with pytest.raises(ConfigurationError, match="Install the extra `calendars`"):
        expected_date("XASX", NOW, lag_days=1)


def concluded(made: JudgedPlan, outcomes: list[Outcome]) -> SyncResult:
    return conclude(
        made,
        outcomes,
        mode="apply",
        workspace="desk",
        run_id="run-2",
        breaker=None,
        calls_used=0,
        calls_remaining=None,
        record="",
    )


def test_a_good_run_remembers_what_the_next_delivery_is_compared_with() -> None:
    source = replace(dated("2026-11-24"), fingerprint='"e-1"')
    made = judged(source, FeedMemory(), definition(limits={"max_field_change_share": 1.0}))
    nothing = replace(made.plan, changes=made.plan.changes.clear())
    result = concluded(replace(made, withheld=(), plan=nothing), [])
    after = remembered_after(FeedMemory(), made, [], result, only=False, now=NOW)
    [noted] = after.deliveries
    assert (noted.business_date, noted.fingerprint) == (date(2026, 11, 24), '"e-1"')
    assert after.columns["field.exchange"] == ColumnFacts(30, "xasx", commonest=30)
    assert after.without_run("run-2").columns == {}
    assert after.without_run("run-1").columns == after.columns
    assert after.newest_date(date(2026, 11, 25)) == (date(2026, 11, 24), "run-2")
    assert after.without_run("run-2").newest_date(date(2026, 11, 25)) is None


def test_f05_a_delivery_that_was_written_in_part_leaves_its_date() -> None:
    made = judged(dated("2026-11-24"), FeedMemory(), definition())
    written = Outcome("update", "a1", Fate.APPLIED)
    cases: list[tuple[list[Outcome], tuple[date, str] | None]]
    cases = [([written], (date(2026, 11, 24), "run-2")), ([], None)]
    for outcomes, newest in cases:
        result = concluded(made, outcomes)
        assert result.state not in GOOD
        after = remembered_after(FeedMemory(), made, outcomes, result, only=False, now=NOW)
        assert (after.deliveries, after.newest_date(NOW.date())) == ([], newest)


def test_a_memory_of_an_older_release_is_still_read() -> None:
    old = (
        b'{"deliveries":[{"sha256":"x","records":3,"run_id":"r","applied_at":"2026-11-24T06:30:00Z"'
        b',"origin":""}],"workspace_records":3,"archived":{},"echoes":[]}'
    )
    memory = msgspec.json.decode(old, type=FeedMemory)
    assert (memory.feed_records, memory.columns) == (3, {})
    assert msgspec.json.decode(msgspec.json.encode(memory), type=FeedMemory) == memory
