"""Undo what one run changed, where nobody has changed it since."""

from __future__ import annotations

from typing import Any, Literal

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run

from armillary.errors import ArmillaryError
from armillary.feeds.definition import Limits
from armillary.runs.record import read_head
from armillary.sync.outcome import SyncResult
from blocks import PtolemyWorkspace
from blocks.form_values import GivenText, Text
from tasks.alerts import tell_crash, tell_end, tell_start
from tasks.call_count import CallCount
from tasks.clean_up import clean_up
from tasks.plan_revert import plan_revert, survey_for_revert
from tasks.sync_run import WORKERS, Scope, SyncRun, ended, open_runs, refused


@flow(
    name="revert-run",
    flow_run_name="revert {run_id} in {workspace.workspace} ({mode})",
    retries=0,
    persist_result=False,
    on_running=[tell_start],
    on_completion=[tell_end],
    on_failure=[tell_end],
    on_cancellation=[clean_up],
    on_crashed=[tell_crash, clean_up],
    task_runner=WORKERS,
)
def revert_run(
    workspace: PtolemyWorkspace,
    run_id: GivenText,
    mode: Literal["plan", "apply"] = "plan",
    approve: Text = "",
) -> State[Any]:
    """Undo what one run changed, where nobody has changed it since.

    Args:
        workspace: The workspace in which the run wrote. Untouched: the deployment's own, even where
            the form shows none.
        run_id: Id of the run to undo, as its report names it.
        mode: "plan" writes nothing and shows what would be put back; "apply" writes.
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
            reverts=run_id,
            only=True,
        )
        try:
            return ended(_reverted(run, run_id))
        except ArmillaryError as error:
            return refused(error, workspace, run_id, mode)


def _reverted(run: SyncRun, run_id: str) -> SyncResult:
    found = survey_for_revert(run.workspace, run.store, run_id)
    head = read_head(run.store, found.workspace_id, run_id)
    limits = Limits.model_validate(head.limits)
    scope = Scope(head.feed, head.scope, head.fields, limits)
    with run.lease(found, head.feed) as lease:
        judged = plan_revert(
            run.workspace,
            run.store,
            found,
            head,
            approved=run.approved(found, head.feed),
            calls=run.calls,
        )
        return run.carry_out(found, judged, scope, lease)
