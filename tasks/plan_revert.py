"""Planning to undo a run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import polars as pl

from armillary.feeds.definition import Limits
from armillary.runs.record import Head, has_summary, read_changes, read_done, read_head
from armillary.runs.store import RunStore
from armillary.sync.approval import allowed_changes
from armillary.sync.field_guard import judge_renames, without_fields
from armillary.sync.forecast import forecast, shortage
from armillary.sync.frames import FIELD
from armillary.sync.ground import Ground, open_workspace, survey
from armillary.sync.guards import Baseline, judge
from armillary.sync.judged import JudgedPlan
from armillary.sync.plan import CHANGES, Change, iter_changes
from armillary.sync.revert import read_now, revert_plan, touched
from armillary.sync.workspace import owned_filter
from blocks.ptolemy import PtolemyWorkspace
from tasks.boundary import step
from tasks.call_count import CallCount


@step(name="survey workspace", task_run_name="survey workspace {workspace.workspace}")
def survey_for_revert(workspace: PtolemyWorkspace, store: RunStore, run_id: str) -> Ground:
    """Check token and workspace, and find the run in its records."""
    with workspace.connect() as ptolemy:
        found = open_workspace(ptolemy, workspace.workspace)
        workspace_id = found.id or workspace.workspace
        head = read_head(store, workspace_id, run_id)
        return survey(ptolemy, workspace=workspace.workspace, instrument_type=head.instrument_type)


def _unrecorded(store: RunStore, head: Head) -> Iterator[Change]:
    """What a run planned, if it was killed before it could record its end."""
    if head.mode == "apply" and not has_summary(store, head.workspace_id, head.run_id):
        planned = read_changes(store, head.workspace_id, head.run_id, CHANGES)
        yield from iter_changes(planned)


@step(name="plan revert", task_run_name="plan to undo {head.run_id}")
def plan_revert(
    workspace: PtolemyWorkspace,
    store: RunStore,
    ground: Ground,
    head: Head,
    *,
    approved: pl.DataFrame | None,
    calls: CallCount,
) -> JudgedPlan:
    """Read how the touched records stand now, and plan what may be put back."""
    done = touched(read_done(store, ground.workspace_id, head.run_id), _unrecorded(store, head))
    limits = Limits.model_validate(head.limits)
    # What an interrupted import of a whole record may have taken is no field of the feed.
    named = {field.removeprefix(FIELD) for entry in done for field in entry.before}
    keys = dict.fromkeys([*head.fields, *sorted(named)])
    types = {key: ground.data_types[key] for key in keys if key in ground.data_types}
    with workspace.connect() as ptolemy:
        active = ptolemy.instruments.count(owned_filter(head.scope, ground))
        plan = revert_plan(head, done, read_now(ptolemy, done, types), active_in_scope=active or 0)
    # Without a count there is nothing a share could be of: the absolute limits stand alone.
    fields = judge_renames(plan, limits, Baseline())
    rest = replace(plan, changes=without_fields(plan.changes, [each.field for each in fields]))
    found = judge(rest, limits, Baseline(), only=active is None)
    to_apply, withheld, fields = allowed_changes(plan, found, approved, fields)
    cost = forecast(plan, ground, reading=calls.by_item(), to_apply=to_apply)
    return JudgedPlan(
        plan=plan,
        to_apply=to_apply,
        withheld=tuple(withheld),
        withheld_fields=tuple(fields),
        cost=cost,
        too_many_rejects="",
        shortage=shortage(cost, remaining=calls.remaining, reserve_calls=0),
    )
