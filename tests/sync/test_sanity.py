"""What is said of a delivery before anything is planned from it, at the level the feed sets."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import msgspec
import polars as pl
import pytest

from armillary.errors import ConfigurationError, FeedRefused
from armillary.feeds.file_definition import FileDefinition
from armillary.feeds.reading import FeedReading
from armillary.feeds.sanity_definition import Sanity
from armillary.runs.memory import ColumnFacts, Delivery, FeedMemory
from armillary.sync.check_digits import failing_check_digits, schemes_of
from armillary.sync.conclude import GOOD, conclude, remembered_after
from armillary.sync.existing import Existing
from armillary.sync.judged import JudgedPlan, judge_plan
from armillary.sync.matching import match
from armillary.sync.outcome import Fate, Outcome, SyncResult
from armillary.sync.sanity import Examined, column_facts, examine
from armillary.sync.trading_days import expected_date
from tests.sync.build import definition, feed, ground, instrument, planned, record, workspace

NOW = datetime(2026, 11, 25, 6, tzinfo=UTC)
BEFORE = datetime(2026, 11, 24, 6, 30, tzinfo=UTC)


def delivered(records: int = 30, **values: str) -> FeedReading:
    rows = [
        record(f"a{number}", **({"lot_size": str(number), "isin": ""} | values))
        for number in range(records)
    ]
    return replace(feed(*rows), content_sha256="today")


def sane(**levels: Any) -> FileDefinition:
    return definition(sanity=levels)


def last(sha256: str = "yesterday", records: int = 30, **facts: Any) -> Delivery:
    return Delivery(sha256, records, "run-1", BEFORE, **facts)


def remembering(*deliveries: Delivery, **columns: ColumnFacts) -> FeedMemory:
    named = {name if name == "name" else f"field.{name}": facts for name, facts in columns.items()}
    return FeedMemory(deliveries=list(deliveries), columns=named)


def found(
    source: FeedReading,
    memory: FeedMemory | None = None,
    now: datetime = NOW,
    only: bool = False,
    **levels: Any,
) -> Examined:
    return examine(sane(**levels), source, memory or FeedMemory(), now=now, only=only)


def test_a_first_delivery_has_nothing_to_be_compared_with() -> None:
    examined = found(delivered())
    assert (examined.warnings, examined.doubts) == ((), ())
    assert examined.columns["field.lot_size"] == ColumnFacts(30, None, commonest=1)
    assert examined.columns["field.exchange"] == ColumnFacts(30, "xasx", commonest=30)
    assert examined.columns["field.isin"] == ColumnFacts(0, None, commonest=0)


# The same delivery.


def test_f05_the_last_delivery_again_is_said() -> None:
    examined = found(delivered(), remembering(last("today")))
    assert examined.warnings == (
        "Look at the delivery: it is the last good delivery once more: the content is that of run "
        "run-1, applied on 2026-11-24 06:30 UTC.",
    )
    assert examined.doubts == ()


def test_f05_the_same_mark_of_the_server_is_the_same_delivery() -> None:
    source = replace(delivered(), fingerprint='"e-1"')
    examined = found(source, remembering(last(fingerprint='"e-1"')))
    assert "the server's mark of it is that of run run-1" in examined.warnings[0]
    assert found(source, remembering(last(fingerprint='"e-0"'))).warnings == ()
    assert found(delivered(), remembering(last(fingerprint=""))).warnings == ()


@pytest.mark.parametrize(
    "mark",
    ["1764100000 90", "1764100000.25 90", "Wed, 25 Nov 2026 02:00:00 GMT 90", "2026-11-25 02:00 9"],
)
def test_f05_a_time_and_a_size_prove_nothing(mark: str) -> None:
    source = replace(delivered(), fingerprint=mark)
    assert found(source, remembering(last(fingerprint=mark)), same_delivery="refuse").warnings == ()


def test_f05_it_can_be_refused() -> None:
    with pytest.raises(FeedRefused) as refused:
        found(delivered(), remembering(last("today")), same_delivery="refuse")
    assert str(refused.value) == (
        "vendor.csv: it is the last good delivery once more: the content is that of run run-1, "
        "applied on 2026-11-24 06:30 UTC (sanity.same_delivery: refuse). Nothing was written. Ask "
        "for the right delivery; if this is the right one, set that line of the feed to `hold` or "
        "`warn`."
    )


def test_off_says_nothing_and_a_run_of_chosen_records_is_only_told() -> None:
    memory = remembering(last("today"))
    assert found(delivered(), memory, same_delivery="off").warnings == ()
    for level in ("hold", "refuse"):
        examined = found(delivered(), memory, only=True, same_delivery=level)
        assert (len(examined.warnings), examined.doubts) == (1, ())


# Hold.


def judged(source: FeedReading, memory: FeedMemory, feed_definition: FileDefinition) -> JudgedPlan:
    known = [instrument("a0", lot_size="7"), *(instrument(f"a{n}") for n in range(1, 29))]
    existing = workspace(*known)
    nobody = existing.active.clear().with_columns(pl.lit(value=True).alias("archived"))
    return judge_plan(
        feed_definition,
        ground(),
        source,
        Existing(existing, nobody, match(source.records, existing.active)),
        memory,
        only=None,
        reading_calls={},
        remaining_calls=None,
        now=NOW,
    )


def test_hold_makes_the_plan_and_withholds_all_of_it_until_somebody_approves() -> None:
    limits = {"max_update_share": 1.0, "max_field_change_share": 1.0}
    feed_definition = definition(sanity={"same_delivery": "hold"}, limits=limits)
    held = judged(delivered(), remembering(last("today")), feed_definition)
    assert {entry.kind: entry.changes for entry in held.withheld} == {"create": 1, "update": 29}
    assert held.withheld_because["create"] == (
        "it is the last good delivery once more: the content is that of run run-1, applied on "
        "2026-11-24 06:30 UTC (sanity.same_delivery: hold)"
    )
    assert held.to_apply.is_empty()
    free = judged(delivered(), remembering(last()), feed_definition)
    assert (free.withheld, free.to_apply.height) == ((), 30)
    assert held.plan.digest == free.plan.digest, "what is held is the plan as it would be"
    assert len(planned(held.plan)) == 30


# Business date.


def dated(day: str) -> FeedReading:
    return replace(delivered(), business_date=date.fromisoformat(day))


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


# Number of records.


def history(*counts: int) -> FeedMemory:
    return remembering(*(last(f"d{place}", count) for place, count in enumerate(counts)))


@pytest.mark.parametrize(
    ("counts", "records", "said"),
    [
        ((60, 61, 62), 30, True),
        ((60, 60, 60), 31, False),
        ((20, 20, 20), 30, False),
        ((10, 11, 9), 30, True),
        ((1000, 60), 30, False),
        ((1000, *[31] * 9, 30), 30, False),
    ],
    ids=["half", "above half", "half more", "thrice", "short history", "one odd day"],
)
def test_f07_the_number_of_records_is_held_against_the_usual_one(
    counts: Sequence[int], records: int, said: bool
) -> None:
    warnings = found(delivered(records), history(*counts)).warnings
    assert bool(warnings) is said


def test_f07_the_number_is_said_with_the_median() -> None:
    assert found(delivered(30), history(61, 99, 80)).warnings == (
        "Look at the delivery: it has 30 records, and the last 3 good deliveries had 80 (median); "
        "the feed allows a difference of 50% (sanity.row_count_share).",
    )
    assert found(delivered(30), history(61, 99, 80), row_count_share=0.7).warnings == ()


# Columns.


def test_f18_a_column_that_became_blank_is_said() -> None:
    memory = remembering(last(), isin=ColumnFacts(filled=30), lot_size=ColumnFacts(filled=30))
    [said] = found(delivered(), memory).warnings
    assert said == (
        "Look at the delivery: isin has a value in 0 of 30 records; at the last good delivery it "
        "had one in 30 of 30."
    )


def test_f18_a_column_that_is_thinly_filled_by_nature_is_not_said() -> None:
    memory = remembering(last(records=3000), lot_size=ColumnFacts(filled=300))
    assert found(delivered(), memory).warnings == ()


def test_f18_a_column_that_became_constant_is_said_once() -> None:
    memory = remembering(last(), exchange=ColumnFacts(30, commonest=20))
    examined = found(delivered(), memory)
    assert examined.warnings == (
        "Look at the delivery: exchange is 'xasx' in every record that has a value; at the last "
        "good delivery at least 10 of 30 had another one.",
    )
    again = remembering(last(), exchange=examined.columns["field.exchange"])
    assert found(delivered(), again).warnings == ()


@pytest.mark.parametrize(
    ("records_before", "filled", "commonest", "said"),
    [
        (40, 40, 30, False),
        (40, 40, 26, True),
        (20, 20, 17, False),
        (20, 20, 16, True),
        (400, 400, 396, False),
        (400, 400, 395, True),
        (30, 30, None, False),
    ],
    ids=[
        "the others are gone as records",
        "more others than records are gone",
        "three others",
        "four",
        "one in a hundred",
        "more",
        "a memory of an older release",
    ],
)
def test_f18_a_column_is_constant_only_if_its_other_values_are_gone_and_not_their_records(
    records_before: int, filled: int, commonest: int | None, said: bool
) -> None:
    facts = ColumnFacts(filled, commonest=commonest)
    memory = remembering(last(records=records_before), exchange=facts)
    records = 400 if records_before == 400 else 30
    warnings = found(delivered(records), memory).warnings
    assert ["exchange is 'xasx' in every record" in each for each in warnings] == [True] * said


def test_f18_the_fixture_of_a_small_feed_says_nothing() -> None:
    memory = remembering(last(records=5), isin=ColumnFacts(filled=5))
    assert found(delivered(5), memory).warnings == ()


@pytest.mark.parametrize(("filled_before", "said"), [(19, False), (20, True)])
def test_f18_of_a_column_with_few_values_nothing_can_be_told(
    filled_before: int, said: bool
) -> None:
    """One of 100 that is gone is no blank column, and 20 equal ones are no constant one."""
    memory = remembering(
        last(records=100),
        isin=ColumnFacts(filled=filled_before),
        lot_size=ColumnFacts(filled=filled_before, commonest=1),
    )
    rows = [record(f"a{n}", isin="", lot_size="7" if n < 20 else "") for n in range(100)]
    warnings = found(replace(feed(*rows), content_sha256="today"), memory).warnings
    assert ["isin has a value in 0 of 100" in each for each in warnings] == [True, False] * said
    assert ["lot_size is '7' in every" in each for each in warnings] == [False, True] * said


def test_a_null_and_a_blank_are_both_no_value() -> None:
    frame = pl.DataFrame({"name": ["a"] * 20 + ["", None], "row": range(22)})
    assert column_facts(frame) == {"name": ColumnFacts(20, "a", commonest=20)}


# Check digits.

SOUND = {
    "isin": "US0378331005",
    "cusip": "037833100",
    "sedol": "0263494",
    "figi": "BBG000BLNNH6",
    "lei": "5493001KJTIIGC8Y1R12",
}


@pytest.mark.parametrize("scheme", SOUND)
def test_f15_a_code_with_one_wrong_character_fails(scheme: Any) -> None:
    good = SOUND[scheme]
    bad = good[:-1] + ("0" if good[-1] != "0" else "1")
    damaged = [bad, good[1:], good.lower() if good.lower() != good else f" {good}", "1.23E+11"]
    frame = pl.DataFrame({"row": range(2, 8), "field.x": [good, *damaged, None]})
    [failing] = failing_check_digits(frame, {"x": scheme})
    assert (failing.failing, failing.looked_at) == (4, 5)
    assert failing.first[0] == (3, bad)


def test_f15_fields_are_known_by_the_end_of_their_keys() -> None:
    keys = ["isin", "composite_figi", "issuer_LEI", "lot_size", "isin_old", "sedol"]
    assert schemes_of(keys, None) == {
        "isin": "isin",
        "composite_figi": "figi",
        "issuer_LEI": "lei",
        "sedol": "sedol",
    }
    assert schemes_of(keys, {"lot_size": "cusip"}) == {"lot_size": "cusip"}


def with_isins(bad: int, good: int) -> FeedReading:
    rows = [record(f"b{number}", isin=f"US037833{number:04}") for number in range(bad)]
    rows += [record(f"g{number}", isin=isin_of(number)) for number in range(good)]
    return replace(feed(*rows), content_sha256="today")


def isin_of(number: int) -> str:
    from stdnum import isin  # noqa: PLC0415 - here alone

    return isin.from_natid("AU", f"{number:09}")


def test_f15_wrong_check_digits_are_said_with_the_first_rows() -> None:
    examined = found(with_isins(3, 97), check_digits="hold")
    assert examined.doubts == (), "below the share that the feed tolerates"
    [said] = examined.warnings
    assert said.startswith(
        "Look at the delivery: isin fails the check digit of an identifier of the kind ISIN in 3 "
        "of 100 values (3.00%), first: row 2 'US0378330000', row 3 "
    )


def test_f15_a_large_share_of_wrong_check_digits_is_of_the_level_of_the_feed() -> None:
    [doubt] = found(with_isins(6, 94), check_digits="hold").doubts
    assert doubt.endswith("(sanity.check_digits: hold)")
    assert found(with_isins(6, 94), check_digits="off").warnings == ()


def test_of_a_large_feed_every_nth_record_is_looked_at() -> None:
    frame = pl.DataFrame({"row": range(200_000), "field.isin": ["x"] * 200_000}).with_columns(
        pl.format("bad{}", "row").alias("field.isin")
    )
    [failing] = failing_check_digits(frame, {"isin": "isin"})
    assert (failing.looked_at, failing.failing, failing.every) == (10_000, 10_000, 20)


# Memory.


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


# The keys.


def test_off_without_quotes_is_the_word() -> None:
    """YAML reads it as false."""
    assert Sanity.model_validate({"row_count": False}).row_count == "off"


@pytest.mark.parametrize(
    ("levels", "said"),
    [
        ({"row_count": "stop"}, "'off', 'warn', 'hold' or 'refuse'"),
        ({"calendar": "XNYS", "business_date": False}, "calendar has no effect"),
        ({"schemes": {"sector": "isin"}}, "sanity.schemes names the field 'sector'"),
        ({"schemes": {"isin": "ric"}}, "'isin', 'cusip', 'sedol', 'figi' or 'lei'"),
    ],
)
def test_wrong_keys_are_said(levels: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        sane(**levels)
