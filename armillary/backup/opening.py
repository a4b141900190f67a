"""Opening a backup: going on with an unfinished one, or a folder of its own for a new one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Opened:
    """The backup a run works on."""

    keeper: JournalKeeper
    continued: bool
    """Whether an interrupted run began it."""
    manifest: Manifest | None = None
    """Of one that was complete when its run died before it could tell anybody (S17)."""


def open_backup(
    bucket: Bucket,
    workspace: Workspace,
    coverage: Coverage,
    *,
    scheduled: datetime,
    run_id: str,
    now: datetime,
) -> Opened:
    """The backup to make: one that an interrupted run left, or a new one.

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
    taken = set(bucket.folders(f"{home}/"))
    for backup_id in sorted(taken, reverse=True):
        folder = f"{home}/{backup_id}"
        journal = _journal(bucket, folder)
        fits = journal and journal.can_be_continued(workspace.id, coverage, now)
        page = bucket.read(f"{folder}/{MANIFEST}")
        if journal and fits and page is None:
            journal = msgspec.structs.replace(journal, run_id=run_id)
            return Opened(_begun(bucket, folder, journal), continued=True)
        if page is not None:
            manifest = _complete(page)
            if journal and fits and manifest and not journal.ended:
                return Opened(JournalKeeper(bucket, folder, journal), True, manifest)
            break  # older than a finished one: whatever lies there was given up
    journal = Journal(
        backup_id=next(found for found in _ids(scheduled) if found not in taken),
        workspace_id=workspace.id,
        run_id=run_id,
        started_at=now,
        coverage=coverage,
    )
    return Opened(_begun(bucket, f"{home}/{journal.backup_id}", journal), continued=False)


def _journal(bucket: Bucket, folder: str) -> Journal | None:
    content = bucket.read(f"{folder}/{JOURNAL}")
    return read_journal(content) if content else None


def _complete(page: bytes) -> Manifest | None:
    """The manifest, if it can be believed and is COMPLETE."""
    try:
        manifest = decode(page)
    except ManifestDamaged:
        return None
    return manifest if manifest.state == "COMPLETE" else None


def _ids(scheduled: datetime) -> Iterator[str]:
    """The id of a scheduled time, and what it becomes when that is taken."""
    first = scheduled.astimezone(UTC).strftime(ID_FORMAT)
    yield first
    for number in count(2):
        yield f"{first}-{number}"


def _begun(bucket: Bucket, folder: str, journal: Journal) -> JournalKeeper:
    keeper = JournalKeeper(bucket, folder, journal)
    keeper.begin()
    return keeper
