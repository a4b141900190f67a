"""Whether a delivery looks like one of its feed, before anything is planned from it.

Each finding has the level the feed gives it: it is said, or every change waits for a person, or no
plan is made at all. What is compared with comes from the memory of the feed's good, whole runs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from statistics import median

import polars as pl

from armillary.errors import FeedRefused
from armillary.feeds.definition import FeedDefinition
from armillary.feeds.reading import FeedReading
from armillary.feeds.sanity_definition import Level
from armillary.runs.memory import ColumnFacts, Delivery, FeedMemory
from armillary.sync.canonical import CLEAR
from armillary.sync.check_digits import failing_check_digits, schemes_of
from armillary.sync.field_guard import shown_field
from armillary.sync.frames import FIELD
from armillary.sync.guards import SMALL_SET, percent
from armillary.sync.trading_days import expected_date

HISTORY, SHORTEST_HISTORY = 10, 3
"""So many good deliveries make the usual number of records; of fewer than three there is none."""

FEW = 0.1
"""A column is blank by now when less than a tenth of the values it had are left."""

NARROW = 0.01
"""So few values that differ from the most frequent one are no news when they are gone."""

_OF_A_TIME = re.compile(r"[\d.:+-]+ |[A-Z][a-z]{2}, ")
"""How the mark of a place begins that tells no more than when a file was changed."""

_EARLIEST_ZONE = timedelta(hours=14)
"""A business date is not in the future where it has begun anywhere."""


@dataclass(frozen=True)
class Examined:
    """What there is to say about a delivery, and what the next one is compared with."""

    warnings: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    """For which every change of the plan is withheld."""
    columns: Mapping[str, ColumnFacts] = field(default_factory=dict)
    business_date: date | None = None
    fingerprint: str = ""


@dataclass(frozen=True)
class _Finding:
    key: str
    """Of the feed's ``sanity``."""
    level: Level
    words: str


def examine(
    definition: FeedDefinition,
    source: FeedReading,
    memory: FeedMemory,
    *,
    now: datetime,
    only: bool = False,
) -> Examined:
    """Look at a delivery as a whole.

    Args:
        definition: of the feed; its ``sanity`` says what is looked at.
        source: the delivery as read.
        memory: what earlier runs left.
        now: with a time zone.
        only: the run is limited to chosen records: whatever is found is only said.

    Raises:
        FeedRefused: something is found that the feed refuses.
        ConfigurationError: the trading calendar cannot be asked.
    """
    columns = column_facts(source.records)
    found = [
        each
        for each in (
            *_same_delivery(definition, source, memory),
            *_older_delivery(definition, source, memory, now),
            *_odd_date(definition, source, now),
            *_unusual_count(definition, source, memory),
            *_broken_columns(definition, source.records.height, columns, memory),
            *_check_digits(definition, source.records),
        )
        if each.level != "off"
    ]
    refused = [] if only else [each for each in found if each.level == "refuse"]
    if refused:
        reasons = "; ".join(f"{each.words} (sanity.{each.key}: refuse)" for each in refused)
        raise FeedRefused(
            f"{source.source}: {reasons}.",
            next_step="Nothing was written. Ask for the right delivery; if this is the right one, "
            "set that line of the feed to `hold` or `warn`.",
        )
    return Examined(
        warnings=tuple(f"Look at the delivery: {each.words}." for each in found),
        doubts=tuple(
            f"{each.words} (sanity.{each.key}: hold)"
            for each in found
            if each.level == "hold" and not only
        ),
        columns=columns,
        business_date=source.business_date,
        fingerprint=source.fingerprint,
    )


def column_facts(records: pl.DataFrame) -> dict[str, ColumnFacts]:
    """What is remembered of the mapped values of a delivery, by column (``name``, ``field.x``)."""
    names = [name for name in records.columns if name == "name" or name.startswith(FIELD)]
    facts = {}
    for name in names:
        values = records[name]
        values = values.filter(values != CLEAR)  # a null is left out, too
        commonest = max(values.value_counts()["count"], default=0)
        constant = values.len() >= SMALL_SET and commonest == values.len()
        facts[name] = ColumnFacts(values.len(), values[0] if constant else None, commonest)
    return facts


def _same_delivery(
    definition: FeedDefinition, source: FeedReading, memory: FeedMemory
) -> Iterator[_Finding]:
    last = _last(memory)
    if last is None:
        return
    same_content = bool(source.content_sha256) and source.content_sha256 == last.sha256
    # Two files of one size may well be of one second; an ETag is of the content.
    mark = source.fingerprint
    same_mark = bool(mark) and mark == last.fingerprint and not _OF_A_TIME.match(mark)
    if same_content or same_mark:
        what = "the content" if same_content else "the server's mark of it"
        yield _Finding(
            "same_delivery",
            definition.sanity.same_delivery,
            f"it is the last good delivery once more: {what} is that of run {last.run_id}, "
            f"applied on {last.applied_at:%Y-%m-%d %H:%M} UTC",
        )


def _older_delivery(
    definition: FeedDefinition, source: FeedReading, memory: FeedMemory, now: datetime
) -> Iterator[_Finding]:
    """Whether what newer deliveries brought would be taken back, even weeks later (F05)."""
    newest, told = memory.newest_date(_latest_day(now)), source.business_date
    if newest and told and told < newest[0]:
        yield _Finding(
            "older_delivery",
            definition.sanity.older_delivery,
            f"its business date {told} is older than {newest[0]}, the newest that was applied (run "
            f"{newest[1]}): it would take back what newer deliveries brought",
        )


def _odd_date(definition: FeedDefinition, source: FeedReading, now: datetime) -> Iterator[_Finding]:
    sanity = definition.sanity
    if sanity.business_date == "off":
        return
    expected = None
    if sanity.calendar is not None:
        expected = expected_date(sanity.calendar, now, lag_days=sanity.expected_lag_days)
        if expected is None:
            yield _Finding(
                "business_date",
                "warn",
                f"the trading calendar {sanity.calendar} of the installed library ends before "
                "today, so that its business date was not looked at: renew exchange-calendars",
            )
    if source.business_date is None:
        if expected is not None:
            yield _Finding(
                "business_date",
                "warn",
                f"it tells no business date, so that the calendar {sanity.calendar} cannot be "
                "held against it: a date in the address or in a trailer would tell",
            )
        return
    words = "; ".join(_date_doubts(source.business_date, expected, now, sanity.calendar))
    if words:
        yield _Finding("business_date", sanity.business_date, words)


def _date_doubts(
    told: date, expected: date | None, now: datetime, calendar: str | None
) -> Iterator[str]:
    if told > _latest_day(now):
        yield f"its business date {told} lies in the future"
    if expected and told < expected:
        yield f"its business date is {told}, and the calendar {calendar} expects {expected} by now"


def _latest_day(now: datetime) -> date:
    return (now + _EARLIEST_ZONE).date()


def _unusual_count(
    definition: FeedDefinition, source: FeedReading, memory: FeedMemory
) -> Iterator[_Finding]:
    history = [each.records for each in memory.deliveries[-HISTORY:]]
    if len(history) < SHORTEST_HISTORY:
        return
    usual, records = round(median(history)), source.records.height
    share = definition.sanity.row_count_share
    if abs(records - usual) > max(share * usual, definition.limits.small_set_changes):
        yield _Finding(
            "row_count",
            definition.sanity.row_count,
            f"it has {records:,} records, and the last {len(history)} good deliveries had "
            f"{usual:,} (median); the feed allows a difference of {percent(share)} "
            "(sanity.row_count_share)",
        )


def _broken_columns(
    definition: FeedDefinition,
    records: int,
    columns: Mapping[str, ColumnFacts],
    memory: FeedMemory,
) -> Iterator[_Finding]:
    sanity, records_before = definition.sanity, memory.feed_records or 0
    if min(records, records_before) < SMALL_SET:
        return
    for name, facts in columns.items():
        before = memory.columns.get(name)
        if before is None or before.filled < SMALL_SET:
            continue  # of so few values nothing can be told
        if facts.filled * records_before < FEW * before.filled * records:
            yield _Finding(
                "blank_column",
                sanity.blank_column,
                f"{shown_field(name)} has a value in {facts.filled:,} of {records:,} records; at "
                f"the last good delivery it had one in {before.filled:,} of {records_before:,}",
            )
        elif facts.constant is not None and before.commonest is not None:
            others = before.filled - before.commonest
            # Records that are gone may have taken the other values with them: that is theirs to
            # tell. And nearly all values of some columns are one by nature.
            few = max(definition.limits.small_set_changes, NARROW * before.filled)
            if others - max(0, records_before - records) > few:
                yield _Finding(
                    "constant_column",
                    sanity.constant_column,
                    f"{shown_field(name)} is {facts.constant!r} in every record that has a value; "
                    f"at the last good delivery at least {others:,} of {before.filled:,} had "
                    "another one",
                )


def _check_digits(definition: FeedDefinition, records: pl.DataFrame) -> Iterator[_Finding]:
    sanity = definition.sanity
    if sanity.check_digits == "off":
        return
    for found in failing_check_digits(records, schemes_of(definition.fields, sanity.schemes)):
        shown = ", ".join(f"row {row} {value!r}" for row, value in found.first)
        of = f"of {found.looked_at:,} values"
        if found.every > 1:
            of += f" looked at (every {found.every}th record)"
        tolerated = found.share <= sanity.check_digits_share
        yield _Finding(
            "check_digits",
            "warn" if tolerated else sanity.check_digits,
            f"{found.field} fails the check digit of an identifier of the kind "
            f"{found.scheme.upper()} in {found.failing:,} {of} ({found.share:.2%}), "
            f"first: {shown}",
        )


def _last(memory: FeedMemory) -> Delivery | None:
    return memory.deliveries[-1] if memory.deliveries else None
