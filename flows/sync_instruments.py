"""Bring a feed's instruments into a Ptolemy workspace: read, plan, guard, apply, report."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from pydantic import Field

from armillary.errors import ArmillaryError
from blocks import PtolemyWorkspace
from blocks.feeds import AnyFeed
from tasks.call_count import CallCount
from tasks.sync_feed import sync_feed
from tasks.sync_run import WORKERS, SyncRun, ended, open_runs, refused


@flow(
    name="sync-instruments",
    flow_run_name="sync {feed.name} into {workspace.workspace} ({mode})",
    retries=0,
    persist_result=False,
    task_runner=WORKERS,
)
def sync_instruments(
    workspace: PtolemyWorkspace,
    feed: AnyFeed,
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
            return ended(sync_feed(run, feed, only or None))
        except ArmillaryError as error:
            return refused(error, workspace, feed.name)
