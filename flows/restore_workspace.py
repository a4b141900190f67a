"""Restore a backup into a Ptolemy workspace: plan, refuse or import, read back, mend."""

from __future__ import annotations

import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run

from armillary.api.models import Workspace
from armillary.api.ptolemy import Ptolemy
from armillary.backup.bucket import Bucket
from armillary.backup.catalogue import Backup, Catalogue, workspace_folder
from armillary.errors import ArmillaryError, ConfigurationError
from armillary.restore.begun import BegunRestore
from armillary.restore.differing_rows import write_differing_rows
from armillary.restore.failed_rows import write_failed_rows
from armillary.restore.outcome import RestoreResult
from armillary.restore.restoring import Asked, Restoring
from armillary.restore.selection import Selection
from armillary.runs.lease import Lease
from armillary.runs.record import RunRecord
from blocks import BackupStore, PtolemyWorkspace
from blocks.form_values import (
    NONE_NAMED,
    BackupId,
    GivenText,
    OnExisting,
    ResourceTypes,
    Text,
    Texts,
)
from tasks.alerts import tell_crash, tell_end, tell_start
from tasks.call_count import CallCount
from tasks.clean_up import clean_up
from tasks.report import progress_artifact
from tasks.report_restore import report_restore
from tasks.restore_run import (
    carried_out,
    means_of,
    plan_of,
    planned_restore,
    restore_ended,
    restore_refused,
    restored_into,
    wait_for_imports,
)
from tasks.sync_run import WORKERS, open_runs


@flow(
    name="restore-workspace",
    flow_run_name="restore {backup} into {target.workspace} ({mode})",
    retries=0,
    persist_result=False,
    on_running=[tell_start],
    on_completion=[tell_end],
    on_failure=[tell_end],
    on_cancellation=[clean_up],
    on_crashed=[tell_crash, clean_up],
    task_runner=WORKERS,
)
def restore_workspace(
    store: BackupStore,
    target: PtolemyWorkspace,
    into: GivenText,
    mode: Literal["plan", "apply"] = "plan",
    on_existing: OnExisting = "",
    backup: BackupId = "latest",
    resource_types: ResourceTypes = NONE_NAMED,
    identifiers: Texts = NONE_NAMED,
    allow_source: bool = False,
    workspace: Text = "",
) -> State[Any]:
    """Restore a backup into a workspace.

    Args:
        store: Where the backup lies. Untouched: the deployment's own, even where the form shows
            none.
        target: The workspace to restore into. Its robot needs the role Member, for a plan too.
            Untouched: the deployment's own, even where the form shows none.
        into: Slug or UUID of that workspace, typed once more: it must be the target's.
        mode: "plan" compares and says what would be done; "apply" does it.
        on_existing: What becomes of rows that are there and differ; needed when the workspace is
            not empty. "skip" leaves them, "update" brings them to the backup's content, "fail"
            imports nothing if there are any.
        backup: Id of the backup; "latest" stands for the newest complete one of everything.
        resource_types: What to restore. None selected: all that the backup holds.
        identifiers: Only these instruments, with their listings, suspensions and values. No items:
            all of them.
        allow_source: Whether the workspace may be the very one that the backup is of.
        workspace: Slug of the workspace the backup is of; needed when the store holds backups of
            several.
    """
    try:
        selection = Selection.of(resource_types, identifiers)
        asked = Asked(selection, on_existing or None, allow_source)
        with target.connect() as ptolemy:
            calls = CallCount(ptolemy.meter)
            bucket = store.open()
            there = named(ptolemy, into)
            found = Catalogue(bucket, workspace_folder(bucket, workspace)).get(backup)
            with restored_into(there, mode) as lease:
                result = _restored(ptolemy, bucket, found, there, asked, lease)
            result = replace(
                result,
                calls=replace(result.calls, used=calls.used, remaining=calls.remaining),
            )
    except ArmillaryError as error:
        return restore_refused(target.workspace, error)
    report_restore(result)
    return restore_ended(result)


def named(ptolemy: Ptolemy, into: str) -> Workspace:
    """The workspace that the token opens, if it is the one that was named.

    Raises:
        ConfigurationError: it is another one.
    """
    found = ptolemy.workspace()
    if into.strip() and into.strip() in {found.slug, found.id}:
        return found
    raise ConfigurationError(
        f"into is {into!r}, and the target is workspace {found.slug or found.id} ({found.id}). "
        "Nothing was read or written.",
        next_step="Name the target's own slug or UUID, or choose the target that you mean.",
    )


def _restored(
    ptolemy: Ptolemy,
    bucket: Bucket,
    backup: Backup,
    into: Workspace,
    asked: Asked,
    lease: Lease | None,
) -> RestoreResult:
    began, run_id, runs = time.monotonic(), str(flow_run.id), open_runs()
    with tempfile.TemporaryDirectory(prefix="armillary-restore-") as folder:
        means = means_of(ptolemy, bucket, Path(folder), lease)
        restoring = Restoring(means, backup, into, asked, run_id)
        noted = BegunRestore(runs, into.id, restoring.manifest.sha256, asked.selection)
        with progress_artifact(f"Restoring {backup.backup_id}"):
            if lease is not None:
                wait_for_imports(restoring)
            judged = planned_restore(restoring, noted)
            result = (carried_out if lease else plan_of)(restoring, judged)
        record = RunRecord(runs, into.id, run_id)
        result = replace(result, seconds=time.monotonic() - began, record=record.place)
        write_differing_rows(restoring, record)
        if lease is not None and not result.stopped:
            write_failed_rows(restoring, record)
            if not any(kind.failed for kind in result.types):
                restoring.end()  # else the next start goes on with what is missing
        record.summary(result.as_dict())
    return result
