"""Deliveries, and what is remembered of earlier ones, as values."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import polars as pl

from armillary.feeds.file_definition import FileDefinition
from armillary.feeds.reading import FeedReading
from armillary.runs.memory import ColumnFacts, Delivery, FeedMemory
from armillary.sync.existing import Existing
from armillary.sync.judged import JudgedPlan, judge_plan
from armillary.sync.matching import match
from armillary.sync.sanity import Examined, examine
from tests.sync.build import definition, feed, ground, instrument, record, workspace

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


def dated(day: str) -> FeedReading:
    return replace(delivered(), business_date=date.fromisoformat(day))
