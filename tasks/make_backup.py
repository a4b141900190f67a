"""The steps of a backup as task runs: one export and one transfer for each resource type."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, cast

from prefect.client.schemas.objects import State as RunState
from prefect.futures import PrefectFuture
from prefect.logging import get_run_logger
from prefect.states import Completed

from armillary.api.models import Workspace
from armillary.backup.bucket import Bucket
from armillary.backup.making import BackupInMaking, Exported
from armillary.backup.manifest import FileEntry, Manifest
from armillary.backup.opening import folder_of
from armillary.backup.outcome import size
from armillary.backup.resources import CHILDREN
from armillary.errors import RunStopped
from blocks import BackupStore, PtolemyWorkspace
from tasks.boundary import finish, step
from tasks.report_backup import backup_progress

ROUNDS = 2
"""So often are parents exported anew that lack rows their children refer to (J16)."""


@step(name="survey", task_run_name="survey workspace and store")
def survey_backup(workspace: PtolemyWorkspace, store: BackupStore) -> Workspace:
    """Prove that the workspace answers and that the store takes and gives, before a job is made.

    Raises:
        ConfigurationError: rights, bucket or Object Lock are missing.
    """
    with workspace.connect() as ptolemy:
        found = ptolemy.workspace()
    store.open().prove(folder_of(found))
    return found


@step(name="sweep", task_run_name="sweep uploads an interrupted run left")
def sweep_uploads(bucket: Bucket, folder: str) -> int:
    """End the uploads of an earlier try of this backup; the lease proves that nobody is at them."""
    uploads = list(bucket.unfinished_uploads(f"{folder}/"))
    for upload in uploads:
        bucket.abort(upload)
    if uploads:
        get_run_logger().info("Ended %d uploads that an interrupted run left", len(uploads))
    return len(uploads)


@step(name="export", task_run_name="export {resource_type}")
def export_type(
    making: BackupInMaking, resource_type: str, after: list[Exported | None]
) -> Exported | None:
    """Have one type exported; None when that is not needed or failed, which is noted.

    Args:
        making: the backup.
        resource_type: what to export.
        after: the exports that had to end before: no child may be newer than its parent.
    """
    del after
    exported = making.export(resource_type)
    if exported is not None:
        return exported
    return cast("None", _without(making, resource_type))


@step(name="store", task_run_name="store {resource_type}")
def store_type(
    making: BackupInMaking, resource_type: str, exported: Exported | None
) -> FileEntry | None:
    """Bring one export into the bucket; None when there is none or it failed, which is noted."""
    entry = making.store(exported) if exported is not None else None
    if entry is None:
        return cast("None", _without(making, resource_type))
    words = f"{entry.rows:,} rows, {size(entry.bytes)}, stored {size(entry.stored_bytes)}"
    get_run_logger().info("%s: %s", resource_type, words)
    stored: RunState[FileEntry] = Completed(name="Stored", message=words, data=entry)
    return cast("FileEntry", stored)


def _without(making: BackupInMaking, resource_type: str) -> RunState[None]:
    """Green with a name that tells: Prefect would not start a step behind a failed one."""
    if making.ended is not None:
        return Completed(name="Stopped", message=str(making.ended))
    why = making.missing(resource_type)
    if not why:
        return Completed(name="StoredBefore")
    get_run_logger().error(why)
    return Completed(name="Missing", message=why)


@step(name="finish", task_run_name="judge and write the manifest")
def finish_backup(making: BackupInMaking) -> Manifest:
    """Judge completeness and write the manifest, last of all."""
    return making.finish()


def make_backup(making: BackupInMaking) -> Manifest:
    """All types, then parents that are older than their children after all, then the manifest."""
    with backup_progress([f"backing up {kind}" for kind in making.resource_types]):
        _move(making, making.resource_types)
        for _ in range(ROUNDS):
            kinds = making.dangling()
            if not kinds:
                break
            get_run_logger().info("Exporting anew, because rows refer to more: %s", kinds)
            for kind in kinds:
                making.export_anew(kind)
            _move(making, kinds)
    return finish_backup(making)


def _move(making: BackupInMaking, kinds: Iterable[str]) -> None:
    """Export and store, several types at once; raises what ends the run, after all have ended."""
    exports: dict[str, Any] = {}
    stores: list[Any] = []
    for kind in kinds:
        # Prefect waits for futures among the arguments, and hands over what they came to.
        children: list[Any] = [exports[child] for child in CHILDREN[kind] if child in exports]
        exports[kind] = export_type.submit(making, kind, children)
        stores.append(store_type.submit(making, kind, exports[kind]))
    futures: list[PrefectFuture[Any]] = [*exports.values(), *stores]
    try:
        finish(futures)
    except BaseException:
        # Cancelled: what is under way ends at its next breath, its uploads are ended, and only
        # then may the lease go.
        making.stop(RunStopped("The run was cancelled."))
        finish(futures)
        raise
    for future in futures:
        future.result()
    if making.ended is not None:
        raise making.ended


def scheduled(time: datetime | None) -> datetime:
    """The time a run was scheduled for; now for one that nobody scheduled."""
    return time or datetime.now(UTC)
