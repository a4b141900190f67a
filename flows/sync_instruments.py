"""Bring a feed's instruments into a Ptolemy workspace: read, plan, guard, apply, report."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.logging import get_run_logger
from prefect.runtime import flow_run
from pydantic import Field

from armillary.errors import ArmillaryError
from armillary.runs.memory import recall
from armillary.sync.ground import Ground
from armillary.sync.judged import JudgedPlan
from armillary.sync.outcome import SyncResult
from blocks import FileFeed, PtolemyWorkspace
from tasks.call_count import CallCount
from tasks.plan_changes import plan_changes
from tasks.read_records import read_records
from tasks.read_workspace import read_workspace, survey_workspace
from tasks.sync_run import WORKERS, Scope, SyncRun, ended, open_runs, refused


@flow(
    name="sync-instruments",
    flow_run_name="sync {feed.name} into {workspace.workspace} ({mode})",
    retries=0,
    persist_result=False,
    task_runner=WORKERS,
)
def sync_instruments(
    workspace: PtolemyWorkspace,
    feed: FileFeed,
    mode: Literal["plan", "apply"] = "plan",
    only: Annotated[list[str] | None, Field(max_length=1000)] = None,
    approve: str | None = None,
) -> State[Any]:
    """Bring a feed's instruments into a workspace.

    Args:
        workspace: The workspace to bring into line with the feed.
        feed: The source: where it is, how it maps, and which instruments it owns.
        mode: "plan" writes nothing and shows what would change; "apply" writes.
        only: Identifiers to limit the run to. Such a run never archives. Empty means all.
        approve: Digest of a plan whose withheld changes a person has looked at and lets through.
    """
    with workspace.connect() as ptolemy:
        run = SyncRun(
            workspace=workspace,
            mode=mode,
            run_id=str(flow_run.id),
            calls=CallCount(ptolemy.meter),
            store=open_runs(),
            approve=approve or None,
            only=bool(only),
        )
        try:
            return ended(_synced(run, feed, only or None))
        except ArmillaryError as error:
            return refused(error, workspace, feed.name)


def _synced(run: SyncRun, feed: FileFeed, only: list[str] | None) -> SyncResult:
    ground = survey_workspace(run.workspace, feed)
    definition = feed.definition()
    scope = Scope(feed.name, definition.scope, list(definition.fields), definition.limits)
    with run.lease(ground, feed.name) as lease:
        judged = _planned(run, ground, feed, only)
        return run.carry_out(ground, judged, scope, lease)


def _planned(run: SyncRun, ground: Ground, feed: FileFeed, only: list[str] | None) -> JudgedPlan:
    log = get_run_logger()
    approved = run.approved(ground)
    source = read_records(feed, ground.data_types)
    records, rejects = source.records.height, source.rejects.height
    log.info("Read %s: %d records, %d rows rejected", source.source, records, rejects)
    existing = read_workspace(run.workspace, feed, ground, source.records)
    log.info("Workspace: %d active records in scope", existing.reading.active.height)
    return plan_changes(
        feed,
        ground,
        source,
        existing,
        recall(run.store, ground.workspace_id, feed.name),
        only=only,
        approved=approved,
        reading_calls=run.calls.by_item(),
        remaining_calls=run.calls.remaining,
    )
