"""Opening a backup: going on with an unfinished one, or a folder of its own for a new one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count
from urllib.parse import quote

import msgspec

from armillary.api.models import Workspace
from armillary.backup.bucket import Bucket
from armillary.backup.journal import JOURNAL, Coverage, Journal, JournalKeeper, read_journal
from armillary.backup.manifest import MANIFEST, Manifest, decode
from armillary.errors import ManifestDamaged

ID_FORMAT = "%Y-%m-%dT%H-%M-%SZ"


def folder_of(workspace: Workspace) -> str:
    """The folder of a workspace's backups in the bucket."""
    return quote(workspace.slug or workspace.id, safe="")


def made_by(
    bucket: Bucket, workspace: Workspace, scheduled: datetime, run_id: str
) -> Manifest | None:
    """The manifest an earlier try of this very run wrote before it was killed (S17)."""
    for backup_id in _ids(scheduled):
        content = bucket.read(f"{folder_of(workspace)}/{backup_id}/{MANIFEST}")
        if content is None:
            return None
        try:
            manifest = decode(content)
        except ManifestDamaged:
            continue
        if manifest.run_id == run_id:
            return manifest
    return None


def open_backup(
    bucket: Bucket,
    workspace: Workspace,
    coverage: Coverage,
    *,
    scheduled: datetime,
    run_id: str,
    now: datetime,
) -> tuple[JournalKeeper, bool]:
    """The journal of the backup to make, and whether it goes on with an unfinished one.

    The lease keeps every other backup of the workspace away meanwhile.

    Args:
        bucket: where backups lie.
        workspace: what is backed up.
        coverage: what the backup is to hold.
        scheduled: gives a new backup its id.
        run_id: the owner from now on.
        now: to tell how old an unfinished one is.
    """
    home = folder_of(workspace)
    for backup_id in sorted(bucket.folders(f"{home}/"), reverse=True):
        journal = _unfinished(bucket, f"{home}/{backup_id}")
        if journal and journal.can_be_continued(workspace.id, coverage, now):
            journal = msgspec.structs.replace(journal, run_id=run_id)
            return _kept(bucket, home, journal), True
        if journal is None and bucket.head(f"{home}/{backup_id}/{MANIFEST}"):
            break  # older than a finished one: whatever lies there was given up
    journal = Journal(
        backup_id=_free_id(bucket, home, scheduled),
        workspace_id=workspace.id,
        run_id=run_id,
        started_at=now,
        coverage=coverage,
    )
    return _kept(bucket, home, journal), False


def _unfinished(bucket: Bucket, folder: str) -> Journal | None:
    if bucket.head(f"{folder}/{MANIFEST}"):
        return None
    content = bucket.read(f"{folder}/{JOURNAL}")
    return read_journal(content) if content else None


def _free_id(bucket: Bucket, home: str, scheduled: datetime) -> str:
    taken = set(bucket.folders(f"{home}/"))
    return next(backup_id for backup_id in _ids(scheduled) if backup_id not in taken)


def _ids(scheduled: datetime) -> Iterator[str]:
    """The id of a scheduled time, and what it becomes when that is taken."""
    first = scheduled.astimezone(UTC).strftime(ID_FORMAT)
    yield first
    for number in count(2):
        yield f"{first}-{number}"


def _kept(bucket: Bucket, home: str, journal: Journal) -> JournalKeeper:
    keeper = JournalKeeper(bucket, f"{home}/{journal.backup_id}", journal)
    keeper.begin()
    return keeper
