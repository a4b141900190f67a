"""Verify that a backup is still what was written: from outside, or read back to the last byte."""

from __future__ import annotations

from typing import Any, Literal

from prefect import flow
from prefect.client.schemas.objects import State

from armillary.backup.bucket import Bucket
from armillary.backup.catalogue import Backup, Catalogue, workspace_folder
from armillary.backup.verified import Verified
from armillary.backup.verify import parse_slice, verify
from armillary.errors import ArmillaryError
from blocks import BackupStore
from tasks.backup_run import backup_refused, verified_ended
from tasks.boundary import step
from tasks.report import progress_artifact
from tasks.report_backup import report_verified


@flow(
    name="verify-backup",
    flow_run_name="verify {backup} ({depth})",
    retries=0,
    persist_result=False,
)
def verify_backup(
    store: BackupStore,
    backup: str = "latest",
    depth: Literal["present", "content"] = "content",
    slice: str | None = None,  # noqa: A002 - as people write it
    workspace: str | None = None,
) -> State[Any]:
    """Verify a backup.

    Args:
        store: Where the backup lies.
        backup: Its id; "latest" stands for the newest complete one of everything.
        depth: "present" asks the store about each file; "content" reads the files back.
        slice: As in 2/7: read only this part of the files, so that a schedule of all parts reads
            everything over a week. Empty reads all.
        workspace: Slug of the workspace; needed when the store holds backups of several.
    """
    subject = workspace or store.prefix or store.bucket
    try:
        bucket = store.open()
        part = parse_slice(slice, depth) if slice else None
        folder = workspace_folder(bucket, workspace)
        found = Catalogue(bucket, folder).get(backup)
        with progress_artifact(f"Verifying {found.backup_id}"):
            result = look_at(bucket, found, depth, part)
    except ArmillaryError as error:
        return backup_refused("verify", subject, error)
    report_verified(folder, result)
    return verified_ended(result)


@step(name="verify", task_run_name="verify {backup.backup_id}")
def look_at(
    bucket: Bucket,
    backup: Backup,
    depth: Literal["present", "content"],
    part: tuple[int, int] | None,
) -> Verified:
    """Look at one backup, file by file."""
    return verify(bucket, backup, depth=depth, slice=part)
