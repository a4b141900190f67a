"""Verify that a backup is still what was written: from outside, read back, or restored."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Literal

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from pydantic import Field

from armillary.backup.bucket import Bucket
from armillary.backup.catalogue import Backup, Catalogue, workspace_folder
from armillary.backup.verified import Depth, Verified
from armillary.backup.verify import files_to_read, parse_slice, verify
from armillary.errors import ArmillaryError, ConfigurationError
from armillary.restore.drill import Drill
from armillary.restore.proof import with_drill, write_proof
from armillary.restore.sample import MOST_SAMPLED, SAMPLE
from armillary.settings import Settings
from blocks import BackupStore, PtolemyWorkspace
from blocks.form_values import BackupId, Text
from tasks.alerts import tell_crash, tell_end, tell_start
from tasks.backup_run import backup_refused, verified_ended
from tasks.boundary import step
from tasks.clean_up import clean_up
from tasks.dask_readers import readers_for
from tasks.drill_run import clear_scratch, prepare_drill, restore_sample
from tasks.report import progress_artifact
from tasks.report_backup import report_verified
from tasks.restore_run import means_of, restored_into


@flow(
    name="verify-backup",
    flow_run_name="verify {backup} ({depth})",
    retries=0,
    persist_result=False,
    on_running=[tell_start],
    on_completion=[tell_end],
    on_failure=[tell_end],
    on_cancellation=[clean_up],
    on_crashed=[tell_crash, clean_up],
)
def verify_backup(
    store: BackupStore,
    backup: BackupId = "latest",
    depth: Literal["present", "content", "restore"] = "content",
    slice: Text = "",  # noqa: A002 - as people write it
    workspace: Text = "",
    scratch: PtolemyWorkspace | None = None,
    sample: Annotated[int, Field(ge=1, le=MOST_SAMPLED)] | Literal["all"] = SAMPLE,
) -> State[Any]:
    """Verify a backup.

    Args:
        store: Where the backup lies. Untouched: the deployment's own, even where the form shows
            none.
        backup: Its id; "latest" stands for the newest complete one of everything.
        depth: "present" asks the store about each file; "content" reads the files back; "restore"
            does that and then restores a sample into the scratch workspace, compares and clears.
        slice: As 2/7: read only this part of the files, so that a schedule of all parts reads
            everything over a week. Empty: all of them.
        workspace: Slug of the workspace; needed when the store holds backups of several.
        scratch: The workspace that depth "restore" writes into; it is for that alone. Not needed
            for the other depths.
        sample: Instruments to restore with all that hangs on them, or "all" for everything.
    """
    subject = workspace or store.prefix or store.bucket
    try:
        if depth == "restore" and scratch is None:
            raise ConfigurationError(
                "Depth restore needs a scratch workspace to restore into.",
                next_step="Choose one that is for drills alone (parameter scratch; for the "
                "command ARMILLARY_SCRATCH_WORKSPACE and ARMILLARY_SCRATCH_TOKEN).",
            )
        bucket = store.open()
        part = parse_slice(slice, depth) if slice else None
        folder = workspace_folder(bucket, workspace)
        found = Catalogue(bucket, folder).get(backup)
        with progress_artifact(f"Verifying {found.backup_id}"):
            first: Depth = "present" if depth == "present" else "content"
            result = look_at(store, found, first, part)
            if scratch is not None and depth == "restore" and not result.problems:
                result = _drilled(bucket, found, scratch, sample, result)
    except ArmillaryError as error:
        return backup_refused("verify", subject, error)
    report_verified(folder, result)
    return verified_ended(result)


@step(name="verify", task_run_name="verify {backup.backup_id}")
def look_at(
    store: BackupStore,
    backup: Backup,
    depth: Depth,
    part: tuple[int, int] | None,
) -> Verified:
    """Look at one backup, file by file: several at once, here or on a Dask cluster."""
    with readers_for(store, files_to_read(backup, depth, part)) as readers:
        return verify(store.open(), backup, depth=depth, slice=part, readers=readers)


def _drilled(
    bucket: Bucket,
    backup: Backup,
    scratch: PtolemyWorkspace,
    sample: int | Literal["all"],
    found: Verified,
) -> Verified:
    """Restore into the scratch workspace, compare, clear, and write down what it showed."""
    with scratch.connect() as ptolemy, tempfile.TemporaryDirectory(prefix="armillary-") as folder:
        there = ptolemy.workspace()
        with restored_into(there, "apply") as lease:
            means = means_of(ptolemy, bucket, Path(folder), lease)
            pattern = Settings().scratch_pattern
            drill = Drill(
                means, backup, there, sample=sample, pattern=pattern, run_id=str(flow_run.id)
            )
            prepare_drill(drill)
            try:
                restore_sample(drill)
            except BaseException:
                # The next drill is refused by what this one leaves; why it broke off is told.
                with suppress(ArmillaryError):
                    clear_scratch(drill, broke_off=True)
                raise
            drilled = drill.drilled(clear_scratch(drill))
            write_proof(bucket, backup.folder, drilled, drill.manifest.sha256)
    return with_drill(found, drilled, drill.notes)
