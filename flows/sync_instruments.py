"""Bring a feed's instruments into a Ptolemy workspace: read, plan, guard, apply, report."""

from __future__ import annotations

from typing import Any, Literal

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run

from armillary.errors import ArmillaryError
from blocks import PtolemyWorkspace
from blocks.feeds import AnyFeed
from blocks.form_values import NONE_NAMED, Text, Texts
from tasks.alerts import tell_crash, tell_end, tell_start
from tasks.call_count import CallCount
from tasks.clean_up import clean_up
from tasks.deployed import references_to
from tasks.sync_feed import sync_feed
from tasks.sync_run import WORKERS, SyncRun, ended, open_runs, refused


@flow(
    name="sync-instruments",
    flow_run_name="sync {feed.name} into {workspace.workspace} ({mode})",
    retries=0,
    persist_result=False,
    on_running=[tell_start],
    on_completion=[tell_end],
    on_failure=[tell_end],
    on_cancellation=[clean_up],
    on_crashed=[tell_crash, clean_up],
    task_runner=WORKERS,
)
def sync_instruments(
    workspace: PtolemyWorkspace,
    feed: AnyFeed,
    mode: Literal["plan", "apply"] = "plan",
    only: Texts = NONE_NAMED,
    approve: Text = "",
) -> State[Any]:
    """Bring a feed's instruments into a workspace.

    Args:
        workspace: The workspace to bring into line with the feed. Untouched: the deployment's own,
            even where the form shows none.
        feed: The source: where it is, how it maps, and which instruments it owns. Untouched: the
            deployment's own, whichever tab the form opens.
        mode: "plan" writes nothing and shows what would change; "apply" writes.
        only: Identifiers to limit the run to. Such a run never archives. No items: all of them.
        approve: Digest of a plan whose withheld changes you have looked at and let through, from
            its report. Usually empty.
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
            given=({"only": only} if only else {}) | references_to(workspace=workspace, feed=feed),
        )
        try:
            return ended(sync_feed(run, feed, only or None))
        except ArmillaryError as error:
            return refused(error, workspace, feed.name, mode, is_sync=True)
