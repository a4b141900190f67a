"""A plan together with what the guards say of it and what it costs."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import polars as pl

from armillary.errors import FeedRefused, PlanRefused
from armillary.feeds.definition import FeedDefinition
from armillary.feeds.reading import FeedReading
from armillary.runs.memory import FeedMemory
from armillary.sync.approval import allowed_changes
from armillary.sync.bulk.route import Route, choose
from armillary.sync.existing import Existing
from armillary.sync.field_guard import (
    WithheldField,
    judge_fields,
    judge_renames,
    shown_field,
    without_fields,
)
from armillary.sync.forecast import Forecast, deliveries, forecast, shortage
from armillary.sync.grace import come_back, graced
from armillary.sync.ground import Ground
from armillary.sync.guards import Baseline, Withheld, judge, too_many_rejects
from armillary.sync.partitions import vanished_parts
from armillary.sync.plan import KINDS, Plan
from armillary.sync.planner import Remembered, echoes_frame, make_plan
from armillary.sync.sanity import Examined, examine


@dataclass(frozen=True)
class JudgedPlan:
    """A plan that is ready to be shown, or applied as far as nothing is withheld."""

    plan: Plan
    to_apply: pl.DataFrame
    """The changes that are not withheld (shape: ``Plan.changes``), without withheld fields."""
    withheld: tuple[Withheld, ...]
    cost: Forecast
    too_many_rejects: str
    """Why nothing at all may be written; blank if it may."""
    shortage: str
    """Why the call quota does not suffice; blank if it does or is not known."""
    warnings: tuple[str, ...] = ()
    reserve_calls: int = 0
    """Calls that must be left in the billing period whatever this plan still lacks."""
    delivery_sha256: str = ""
    """Of the delivery the plan was made of; blank for a plan that was made of none."""
    delivery_origin: str = ""
    withheld_fields: tuple[WithheldField, ...] = ()
    examined: Examined = field(default_factory=Examined)
    """What was found of the delivery before planning."""
    route: Route | None = None
    """Which way the changes are written; None: one by one, and nobody asked for another."""
    absent: Mapping[str, int] = field(default_factory=dict)
    """How many deliveries in a row lacked an instrument, by UUID; only where the feed counts."""

    @property
    def withheld_because(self) -> dict[str, str]:
        """The reason for each kind of change, and each ``field <key>``, that is withheld."""
        kinds = {entry.kind: entry.reason for entry in self.withheld}
        return kinds | {
            f"field {shown_field(entry.field)}": entry.reason for entry in self.withheld_fields
        }

    @property
    def refusal(self) -> str:
        """Why nothing of the plan may be applied; blank if it may."""
        return self.too_many_rejects or self.shortage


def judge_delivery(
    definition: FeedDefinition,
    source: FeedReading,
    memory: FeedMemory,
    *,
    only: Collection[str] | None,
    now: datetime | None = None,
) -> Examined:
    """All that a delivery and the memory tell by themselves.

    Before the workspace is read, because that costs calls, which a refused delivery is not worth.

    Args:
        definition: the feed.
        source: the source as read.
        memory: what earlier runs left.
        only: identifiers to which the plan is limited.
        now: for the business date of the delivery; None is this moment.

    Raises:
        FeedRefused: the source has fewer usable records than the feed asks for, or something else
            is wrong with it that the feed refuses (``sanity``).
        ConfigurationError: the trading calendar cannot be asked.
    """
    least = definition.limits.min_records
    if source.records.height < least:
        raise FeedRefused(
            f"The source {source.source} has {source.records.height} usable records of "
            f"{source.rows_read} rows; the feed asks for at least {least} (limits.min_records)."
        )
    return examine(definition, source, memory, now=now or datetime.now(UTC), only=only is not None)


def judge_plan(
    definition: FeedDefinition,
    ground: Ground,
    source: FeedReading,
    existing: Existing,
    memory: FeedMemory,
    *,
    only: Collection[str] | None,
    approved: pl.DataFrame | None = None,
    reading_calls: Mapping[str, int],
    remaining_calls: int | None,
    now: datetime | None = None,
    examined: Examined | None = None,
) -> JudgedPlan:
    """Compare source and workspace, judge the plan, and count what applying it costs.

    Args:
        definition: the feed.
        ground: the facts about workspace and type.
        source: the source as read.
        existing: the workspace as read.
        memory: what earlier runs left.
        only: identifiers to which the plan is limited.
        approved: the changes of a plan that a person approved.
        reading_calls: calls spent on reading, by item.
        remaining_calls: calls left in the billing period; None where Ptolemy does not tell.
        now: for the business date of the delivery; None is this moment.
        examined: what ``judge_delivery`` found; None: it is asked here.

    Raises:
        FeedRefused: as ``judge_delivery``, where that is asked here.
        PlanRefused: the workspace came back empty although the last run left records in it.
    """
    if examined is None:
        examined = judge_delivery(definition, source, memory, only=only, now=now)
    _refuse_emptiness(existing, memory)
    plan = make_plan(
        definition,
        ground,
        source,
        existing,
        remembered=Remembered(frozenset(memory.archived), echoes_frame(memory.echoes)),
        only=only,
    )
    grace = graced(plan, definition, source, memory)
    ungraced, plan = plan, grace.plan
    superseded = _superseded(memory, source) or _from_elsewhere(memory, source)
    parts = vanished_parts(plan, definition.scope, existing.reading.active)
    baseline = Baseline(memory.feed_records, superseded, examined.doubts, tuple(parts))
    fields = judge_renames(plan, definition.limits, baseline)
    fields += judge_fields(plan, definition.limits) if only is None else []
    rest = without_fields(plan.changes, [entry.field for entry in fields])
    # What is left without those fields is judged as if they had not changed at all.
    found = judge(replace(plan, changes=rest), definition.limits, baseline, only=only is not None)
    if grace.absent:
        # Archives that are not due tell of a broken identifier as well as those that are.
        names = [entry.field for entry in fields]
        whole = replace(ungraced, changes=without_fields(ungraced.changes, names))
        strict = judge(whole, definition.limits, baseline, only=only is not None)
        others = [entry for entry in found if entry.kind != "create"]
        found = [*others, *(entry for entry in strict if entry.kind == "create")]
        found.sort(key=lambda entry: KINDS.index(entry.kind))
    to_apply, withheld, fields = allowed_changes(plan, found, approved, fields)
    route = choose(
        to_apply,
        definition.bulk,
        may_spend=None if remaining_calls is None else remaining_calls - definition.reserve_calls,
        deliveries=deliveries(to_apply, ground) or 0,
        overage=definition.quota == "overage",
        trusted=plan.trusted,
        held=existing.reading.active.height + existing.owners.height,
        reading=existing.reading.way,
    )
    cost = forecast(plan, ground, reading=reading_calls, to_apply=to_apply, route=route)
    short = shortage(cost, remaining=remaining_calls, reserve_calls=definition.reserve_calls)
    overage = (f"Overage: {short}; the excess is billed.",) if short else ()
    if definition.quota == "overage":
        short = ""
    return JudgedPlan(
        plan=plan,
        to_apply=to_apply,
        withheld=tuple(withheld),
        cost=cost,
        too_many_rejects=too_many_rejects(plan, definition.limits),
        shortage=short,
        warnings=(
            *source.warnings,
            *examined.warnings,
            *plan.notes,
            *(come_back(existing.reading.active, source, memory) if only is None else ()),
            *(overage if definition.quota == "overage" else ()),
            *_not_found(only, source),
            *([f"Look at the source: {superseded}."] if superseded else []),
        ),
        reserve_calls=definition.reserve_calls if definition.quota == "stop" else 0,
        delivery_sha256=source.content_sha256,
        delivery_origin=source.origin,
        withheld_fields=tuple(fields),
        examined=examined,
        absent=grace.absent,
        route=route,
    )


def _superseded(memory: FeedMemory, source: FeedReading) -> str:
    """An old file once more would take back what newer ones brought; nobody means that (F05)."""
    found = memory.applied_before(source.content_sha256)
    if found is None:
        return ""
    delivery, newer = found
    others = "a newer one was" if newer == 1 else f"{newer} newer ones were"
    return (
        f"this very delivery was applied on {delivery.applied_at:%Y-%m-%d %H:%M} UTC by run "
        f"{delivery.run_id}, and {others} applied since: its changes would take theirs back"
    )


def _from_elsewhere(memory: FeedMemory, source: FeedReading) -> str:
    """UAT has other instruments than production: what it lacks has not vanished."""
    before = memory.deliveries[-1].origin if memory.deliveries else ""
    if not before or not source.origin or before == source.origin:
        return ""
    return (
        f"the instruments come from {source.origin}, and those of the last good run came from "
        f"{before}: what the one lacks is not gone from the other"
    )


def _not_found(only: Collection[str] | None, source: FeedReading) -> list[str]:
    """A misspelt identifier must not look like one with nothing to do."""
    if only is None:
        return []
    known = {*source.records["identifier"], *source.rejects["identifier"]}
    missing = [identifier for identifier in only if identifier not in known]
    return (
        [f"Not in the feed, so nothing was planned for: {', '.join(missing)}."] if missing else []
    )


def _refuse_emptiness(existing: Existing, memory: FeedMemory) -> None:
    """An empty workspace is far more often a fault than a fact."""
    if existing.reading.active.is_empty() and memory.workspace_records:
        raise PlanRefused(
            "The workspace answered that it holds none of the feed's instruments, but "
            f"{memory.workspace_records} were there after the last run: creating them all again "
            "would fork their history.",
            next_step="Nothing was written. Check that the token belongs to the right workspace. "
            "If the workspace was emptied on purpose, move the feed's memory.json (ARMILLARY_RUNS) "
            "away and run again.",
        )
