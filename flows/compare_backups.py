"""Compare two backups of one workspace: what was added, removed, changed, archived, restored."""

from __future__ import annotations

from typing import Annotated, Any

from prefect import flow
from prefect.client.schemas.objects import State

from armillary.backup.bucket import Bucket
from armillary.backup.catalogue import Backup, Catalogue, workspace_folder
from armillary.errors import ArmillaryError
from armillary.restore.compare_backups import changes_between
from armillary.restore.compared import Compared
from armillary.restore.two_backups import two_backups
from blocks import BackupStore
from blocks.form_values import BackupId, Text, text_or
from tasks.alerts import tell_crash, tell_end
from tasks.backup_run import backup_refused
from tasks.boundary import step
from tasks.compare_run import compared_ended, report_compared
from tasks.report import progress_artifact


@flow(
    name="compare-backups",
    flow_run_name="compare {first} with {second}",
    retries=0,
    persist_result=False,
    on_failure=[tell_end],
    on_crashed=[tell_crash],
)
def compare_backups(
    store: BackupStore,
    first: Annotated[str, text_or("previous")] = "previous",
    second: BackupId = "latest",
    workspace: Text = "",
) -> State[Any]:
    """Compare two backups of one workspace.

    Args:
        store: Where they lie. Untouched: the deployment's own, even where the form shows none.
        first: Id of the backup that changes are told from; "previous" is the newest complete one
            that is older than the other.
        second: Id of the backup that they lead to; "latest" is the newest complete one.
        workspace: Slug of the workspace; needed when the store holds backups of several.
    """
    subject = workspace or store.prefix or store.bucket
    try:
        bucket = store.open()
        folder = workspace_folder(bucket, workspace)
        older, newer = two_backups(Catalogue(bucket, folder), first, second)
        with progress_artifact(f"Comparing {older.backup_id} with {newer.backup_id}"):
            result = compare(bucket, older, newer)
    except ArmillaryError as error:
        return backup_refused("compare", subject, error)
    report_compared(folder, result)
    return compared_ended(result)


@step(name="compare", task_run_name="compare {first.backup_id} with {second.backup_id}")
def compare(bucket: Bucket, first: Backup, second: Backup) -> Compared:
    """Compare two backups, type by type."""
    return changes_between(bucket, first, second)
