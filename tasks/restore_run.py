"""The steps of a restore as task runs, and how such a run ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from prefect.client.schemas.objects import State as RunState
from prefect.logging import get_run_logger
from prefect.runtime import flow_run
from prefect.states import Completed, Failed

from armillary.api.models import Workspace
from armillary.api.ptolemy import Ptolemy
from armillary.backup.bucket import Bucket
from armillary.backup.job_runner import Patience
from armillary.errors import ArmillaryError, LeaseHeld
from armillary.restore.begun import BegunRestore
from armillary.restore.concluding import applied, planned, stopped
from armillary.restore.judging import Judged, judge
from armillary.restore.means import Means
from armillary.restore.order import RESTORE_ORDER
from armillary.restore.outcome import (
    RestoreFailed,
    RestoreResult,
    State,
    failed_message,
)
from armillary.restore.restoring import Restoring
from armillary.runs.lease import Lease, held
from armillary.settings import Settings
from tasks.boundary import step
from tasks.report_backup import report_backup_refusal
from tasks.sync_run import open_runs


@contextmanager
def restored_into(workspace: Workspace, mode: str) -> Iterator[Lease | None]:
    """The lease on restores into a workspace; a run that only plans needs none.

    Raises:
        LeaseHeld: another restore is at work.
    """
    if mode != "apply":
        yield None
        return
    life_seconds = Settings().lease_seconds
    with held(
        open_runs(),
        workspace.id,
        "restore",
        owner=f"run {flow_run.id}",
        life_seconds=life_seconds,
        margin_seconds=life_seconds / 4,
    ) as lease:
        yield lease


def means_of(ptolemy: Ptolemy, bucket: Bucket, folder: Path, lease: Lease | None) -> Means:
    """What a restore works with on this machine."""
    settings = Settings()
    return Means(
        ptolemy,
        bucket,
        folder,
        Patience(first_poll_seconds=settings.poll_seconds, deadline_seconds=settings.job_seconds),
        ptolemy.connection.max_in_flight,
        lease.check if lease else lambda: None,
        under_way=lease.under_way if lease else None,
    )


@step(name="survey", task_run_name="survey backup and workspace")
def survey_restore(restoring: Restoring, noted: BegunRestore | None) -> None:
    """Read the types of both sides; where an interrupted run began this one, say so."""
    restoring.survey(noted)
    if restoring.begun is not None:
        get_run_logger().info("Goes on with the restore that run %s began", restoring.begun.run_id)


@step(name="wait", task_run_name="wait for imports under way")
def wait_for_imports(restoring: Restoring) -> None:
    """Let imports end that an interrupted run left: their rows are not sent again."""
    count = restoring.wait_for_others()
    if count:
        get_run_logger().info("Waited for %d imports that were under way", count)


@step(name="compare", task_run_name="compare {resource_type}")
def compare_type(restoring: Restoring, resource_type: str) -> None:
    """Read one type on both sides."""
    restoring.look(resource_type)


@step(name="judge", task_run_name="judge the plan")
def judge_restore(restoring: Restoring) -> Judged:
    """What must be created first, what speaks against it, what it costs."""
    return judge(restoring)


@step(name="import", task_run_name="import {resource_type}")
def import_type(restoring: Restoring, resource_type: str) -> None:
    """Import one type, read it back, mend what differs."""
    restoring.bring(resource_type)
    _say(restoring, resource_type)


@step(name="archive", task_run_name="archive {resource_type} again")
def archive_type(restoring: Restoring, resource_type: str) -> None:
    """Archive what the backup has archived."""
    count = restoring.archive_again(resource_type)
    if count:
        get_run_logger().info("%s: %d archived again", resource_type, count)


def planned_restore(restoring: Restoring, noted: BegunRestore | None) -> Judged:
    """Everything that only reads."""
    survey_restore(restoring, noted)
    for kind in RESTORE_ORDER:
        if restoring.concerns(kind):
            compare_type(restoring, kind)
    return judge_restore(restoring)


def carried_out(restoring: Restoring, judged: Judged) -> RestoreResult:
    """Everything that writes.

    Raises:
        PlanRefused: something speaks against it; nothing was written.
    """
    if judged.speaks_against:
        restoring.refuse(judged.speaks_against)
    restoring.begin()
    try:
        for kind in restoring.kinds:
            import_type(restoring, kind)
        for kind in reversed(restoring.kinds):
            if restoring.archives(kind):
                archive_type(restoring, kind)
        return applied(restoring, judged)
    except ArmillaryError as error:
        return stopped(restoring, judged, error)


def plan_of(restoring: Restoring, judged: Judged) -> RestoreResult:
    """The result of a run that only planned."""
    return planned(restoring, judged)


def restore_ended(result: RestoreResult) -> RunState[Any]:
    """The state by the result's own policy."""
    message = failed_message(result)
    if result.state in (State.PARTIAL, State.FAILED):
        failure = RestoreFailed(message, result)
        return Failed(name=result.state.value, message=message, data=failure)
    return Completed(name=result.state.value, message=message, data=result)


def restore_refused(workspace_slug: str, error: ArmillaryError) -> RunState[Any]:
    """There is no result: the error says why and what to do."""
    if isinstance(error, LeaseHeld):
        return Completed(name=State.ALREADY_RUNNING.value, message=str(error), data=error)
    report_backup_refusal("restore", workspace_slug, error)
    return Failed(message=str(error), data=error)


def _say(restoring: Restoring, resource_type: str) -> None:
    looked = restoring.looked[resource_type]
    get_run_logger().info(
        "%s: %d of %d rows are in the workspace as the backup has them",
        resource_type,
        looked.now.equal,
        len(looked.wanted.prints),
    )
