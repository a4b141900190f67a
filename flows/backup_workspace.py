"""Back a Ptolemy workspace up to S3: export, stream, judge, write the manifest last."""

from __future__ import annotations

import time
from typing import Any, Literal

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run

from armillary.api.models import Workspace
from armillary.api.ptolemy import Ptolemy
from armillary.backup.job_runner import Patience
from armillary.backup.journal import Coverage
from armillary.backup.making import BackupInMaking
from armillary.backup.opening import open_backup
from armillary.backup.outcome import BackupResult, result_of
from armillary.backup.resources import chosen_types
from armillary.clock import SystemClock
from armillary.errors import ArmillaryError
from armillary.runs.lease import held
from armillary.settings import Settings
from blocks import BackupStore, PtolemyWorkspace
from blocks.form_values import NONE_NAMED, ResourceTypes
from tasks.alerts import tell_crash, tell_end, tell_start
from tasks.backup_run import backup_ended, backup_refused
from tasks.call_count import CallCount
from tasks.clean_up import clean_up
from tasks.make_backup import make_backup, scheduled, survey_backup, sweep_uploads
from tasks.report_backup import report_backup
from tasks.sync_run import WORKERS, open_runs


@flow(
    name="backup-workspace",
    flow_run_name="back up {workspace.workspace}",
    retries=0,
    persist_result=False,
    on_running=[tell_start],
    on_completion=[tell_end],
    on_failure=[tell_end],
    on_cancellation=[clean_up],
    on_crashed=[tell_crash, clean_up],
    task_runner=WORKERS,
)
def backup_workspace(
    workspace: PtolemyWorkspace,
    store: BackupStore,
    resource_types: ResourceTypes = NONE_NAMED,
    include_archived: bool = True,
    format: Literal["json", "csv"] = "json",  # noqa: A002 - the service's own word
    filter: dict[str, Any] | None = None,  # noqa: A002 - the service's own word
    compression: Literal["zstd", "none"] = "zstd",
    accept_shrink: bool = False,
) -> State[Any]:
    """Back a workspace up to S3.

    Args:
        workspace: The workspace to back up. Its robot needs the role Member to start exports.
            Untouched: the deployment's own, even where the form shows none.
        store: Where the backup goes. Untouched: the deployment's own, even where the form shows
            none.
        resource_types: What to export, in an order that is fixed. None selected: all seven types.
        include_archived: Whether archived records are exported too.
        format: Of the exported files.
        filter: Ptolemy's own filter, for a backup of a part. Such a backup is a subset.
        compression: "none" leaves plain files, as the vendor's own restore script reads them.
        accept_shrink: Count a backup as complete although it holds far fewer rows than the last.
    """
    with workspace.connect() as ptolemy:
        calls = CallCount(ptolemy.meter)
        try:
            coverage = Coverage(
                resource_types=chosen_types(resource_types),
                include_archived=include_archived,
                filter=filter or None,
                format=format,
                compression=compression,
            )
            found = survey_backup(workspace, store)
            result = _backed_up(ptolemy, store, found, coverage, calls, accept_shrink=accept_shrink)
        except ArmillaryError as error:
            return backup_refused("backup", workspace.workspace, error)
    return backup_ended(result)


def _backed_up(
    ptolemy: Ptolemy,
    store: BackupStore,
    workspace: Workspace,
    coverage: Coverage,
    calls: CallCount,
    *,
    accept_shrink: bool,
) -> BackupResult:
    settings, bucket, clock = Settings(), store.open(), SystemClock()
    run_id, began = str(flow_run.id), time.monotonic()
    slot = scheduled(flow_run.scheduled_start_time)
    with held(
        open_runs(),
        workspace.id,
        "backup",
        owner=f"run {run_id}",
        life_seconds=settings.lease_seconds,
        margin_seconds=settings.lease_seconds / 4,
    ) as lease:
        opened = open_backup(
            bucket, workspace, coverage, scheduled=slot, run_id=run_id, now=clock.now()
        )
        making = BackupInMaking(
            ptolemy,
            bucket,
            workspace,
            opened.keeper,
            lease=lease,
            patience=Patience(
                first_poll_seconds=settings.poll_seconds, deadline_seconds=settings.job_seconds
            ),
            accept_shrink=accept_shrink,
            clock=clock,
        )
        sweep_uploads(bucket, making.folder)
        manifest = opened.manifest or make_backup(making)
        result = result_of(
            manifest,
            place=making.place,
            folder=making.folder,
            calls_used=calls.used,
            calls_remaining=calls.remaining,
            seconds=time.monotonic() - began,
            continued=opened.continued,
        )
        report_backup(result)
        opened.keeper.end()
    return result
