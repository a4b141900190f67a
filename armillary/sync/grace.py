"""A record that is missing today may be back tomorrow: how many deliveries must lack it (F21)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import polars as pl

from armillary.feeds.definition import FeedDefinition
from armillary.feeds.reading import FeedReading
from armillary.runs.memory import FeedMemory
from armillary.sync.plan import Plan

_NAMED = 5


@dataclass(frozen=True)
class Grace:
    """A plan without the archives that are not due, and what the next run has to know.

    Attributes:
        plan: Those that are not due are held.
        absent: How many deliveries in a row lacked an instrument, by UUID.
    """

    plan: Plan
    absent: Mapping[str, int] = field(default_factory=dict)


def graced(
    plan: Plan, definition: FeedDefinition, source: FeedReading, memory: FeedMemory
) -> Grace:
    """Hold the archives of instruments that too few deliveries in a row lacked.

    Args:
        plan: as compared.
        definition: says how many it takes (``archive_after``).
        source: the delivery; the same content once more is no further one.
        memory: how many lacked each before.
    """
    most = definition.archive_after
    archives = plan.changes.filter(pl.col("kind") == "archive")
    if most == 1 or archives.is_empty():
        return Grace(plan)
    last = memory.deliveries[-1].sha256 if memory.deliveries else ""
    step = 0 if last == source.content_sha256 else 1
    absent = {
        each: memory.absent[each] + step if each in memory.absent else 1 for each in archives["id"]
    }
    counted = archives.with_columns(
        pl.col("id").replace_strict(absent, return_dtype=pl.UInt32).alias("deliveries")
    )
    spared = counted.filter(pl.col("deliveries") < most)
    held = spared.select(
        "identifier",
        pl.lit(None, pl.UInt32).alias("row"),
        pl.format(
            "{} of {} deliveries in a row lack it; then it is archived (archive_after)",
            "deliveries",
            pl.lit(most),
        ).alias("reason"),
    )
    changes = plan.changes.join(
        spared.select("id", "kind"), on=["id", "kind"], how="anti", maintain_order="left"
    )
    plan = replace(
        plan, changes=changes, held=pl.concat([plan.held, held]).sort("identifier", "row")
    )
    return Grace(plan, absent)


def come_back(active: pl.DataFrame, source: FeedReading, memory: FeedMemory) -> list[str]:
    """What to tell of instruments that the last deliveries lacked and this one has again (F21).

    Only a feed that counts absences (``archive_after``) knows of them.

    Args:
        active: the feed's instruments in the workspace.
        source: the delivery.
        memory: how many deliveries lacked each.
    """
    back = sorted(
        (identifier, memory.absent[each])
        for each, identifier in active.select("id", "identifier")
        .filter(
            pl.col("id").is_in(list(memory.absent))
            & pl.col("identifier").is_in(source.records["identifier"].implode())
        )
        .iter_rows()
    )
    if not back:
        return []
    named = ", ".join(f"{identifier} ({lacked})" for identifier, lacked in back[:_NAMED])
    more = f" and {len(back) - _NAMED:,} more" if len(back) > _NAMED else ""
    return [
        f"Back in the feed, after deliveries in a row that lacked them: {len(back):,} "
        f"({named}{more}; in brackets how many). If that goes on, ask the vendor why."
    ]
