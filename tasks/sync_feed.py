"""One feed into one workspace: what every flow that syncs a feed does, inside its own flow run."""

from __future__ import annotations

from prefect.logging import get_run_logger

from armillary.runs.memory import recall
from armillary.sync.ground import Ground
from armillary.sync.judged import JudgedPlan, judge_delivery
from armillary.sync.outcome import SyncResult
from blocks.feeds import Feed
from tasks.plan_changes import plan_changes
from tasks.read_records import read_records
from tasks.read_workspace import read_workspace, survey_workspace
from tasks.sync_run import Scope, SyncRun


def sync_feed(
    run: SyncRun, feed: Feed, only: list[str] | None, *, ground: Ground | None = None
) -> SyncResult:
    """Read, plan, guard, apply and report, under the lease of the feed in that workspace.

    Args:
        run: the flow run it belongs to.
        feed: the source.
        only: identifiers to limit the run to; None means all.
        ground: what a survey of the workspace found, where the flow has made one already.

    Raises:
        LeaseHeld: another run syncs this feed into this workspace.
        ArmillaryError: no plan could be made; nothing was written.
    """
    ground = ground or survey_workspace(run.workspace, feed)
    definition = feed.definition()
    scope = Scope(definition.name, definition.scope, list(definition.fields), definition.limits)
    with run.lease(ground, definition.name) as lease:
        judged = _planned(run, ground, feed, only)
        return run.carry_out(ground, judged, scope, lease)


def _planned(run: SyncRun, ground: Ground, feed: Feed, only: list[str] | None) -> JudgedPlan:
    log = get_run_logger()
    definition = feed.definition()
    approved = run.approved(ground, definition.name)
    memory = recall(run.store, ground.workspace_id, definition.name)
    source = read_records(feed, ground.data_types)
    records, rejects = source.records.height, source.rejects.height
    log.info("Read %s: %d records, %d rows rejected", source.source, records, rejects)
    examined = judge_delivery(definition, source, memory, only=only)
    existing = read_workspace(run.workspace, feed, ground, source.records)
    log.info("Workspace: %d active records in scope", existing.reading.active.height)
    return plan_changes(
        feed,
        ground,
        source,
        existing,
        memory,
        examined=examined,
        only=only,
        approved=approved,
        reading_calls=run.calls.by_item(),
        remaining_calls=run.calls.remaining,
    )
