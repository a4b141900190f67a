"""Reading the workspace."""

from __future__ import annotations

import polars as pl

from armillary.settings import Settings
from armillary.sync.bulk.exported import Exports
from armillary.sync.existing import Existing, read_existing
from armillary.sync.ground import Ground, survey
from blocks.feeds import Feed
from blocks.ptolemy import PtolemyWorkspace
from tasks.boundary import may_pass, step


@step(name="survey workspace", task_run_name="survey workspace {workspace.workspace}")
def survey_workspace(workspace: PtolemyWorkspace, feed: Feed) -> Ground:
    """Check token, workspace, type and fields, before anything else is read."""
    with workspace.connect() as ptolemy:
        return survey(
            ptolemy,
            workspace=workspace.workspace,
            instrument_type=feed.definition().instrument_type,
        )


@step(
    name="read workspace",
    task_run_name="read workspace {workspace.workspace}",
    retries=2,
    retry_delay_seconds=30,
    retry_jitter_factor=0.5,
    retry_condition_fn=may_pass,
)
def read_workspace(
    workspace: PtolemyWorkspace, feed: Feed, ground: Ground, records: pl.DataFrame
) -> Existing:
    """Read the active instruments the feed owns, and who owns what it would create."""
    with workspace.connect() as ptolemy:
        return read_existing(
            ptolemy, feed.definition(), ground, records, exports=exports_of_this_machine()
        )


def exports_of_this_machine() -> Exports:
    """Reading by export jobs, as patient as the settings say."""
    settings = Settings()
    return Exports(settings.poll_seconds, settings.job_seconds)
