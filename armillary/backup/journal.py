"""``_run.json``: what a backup under way has done so far, so that a new start can go on with it.

Written into the backup's own folder after each submit and each finished file. A folder with a
journal and without a manifest is no backup: the next start within ``CONTINUE_HOURS`` with the same
coverage goes on with its jobs and files; later it is swept.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Literal, Protocol

import msgspec

from armillary.backup.manifest import FileEntry

JOURNAL = "_run.json"

CONTINUE_HOURS = 6
"""So long an unfinished backup is worth going on with; after that its rows are too old."""


class Coverage(msgspec.Struct, frozen=True):
    """What a backup was asked to hold, and how; equal ones can be continued and compared."""

    resource_types: tuple[str, ...]
    include_archived: bool
    filter: Mapping[str, Any] | None
    format: Literal["json", "csv"]
    compression: Literal["zstd", "none"]


class JobNote(msgspec.Struct, frozen=True):
    """An export job of this backup, noted before it is submitted and again with its id."""

    job_id: str
    """Blank until the answer came: a run that dies in between may have made a job all the same."""
    submitted_at: datetime
    count_before: int | None = None
    """What ``/count`` said before the job was submitted."""


class Journal(msgspec.Struct, frozen=True):
    """What is known of a backup under way."""

    backup_id: str
    workspace_id: str
    run_id: str
    """The run that writes it: the owner."""
    started_at: datetime
    coverage: Coverage
    jobs: dict[str, JobNote] = {}
    files: dict[str, FileEntry] = {}
    doubts: dict[str, str] = {}
    """Why a stored file may not be all of it, by resource type."""
    ended: bool = False
    """Whether the run came to its end: a manifest without that was never reported."""

    def can_be_continued(self, workspace_id: str, coverage: Coverage, now: datetime) -> bool:
        """Whether a start with this coverage may go on with it."""
        return (
            self.workspace_id == workspace_id
            and self.coverage == coverage
            and now - self.started_at <= timedelta(hours=CONTINUE_HOURS)
        )


_read = msgspec.json.Decoder(Journal).decode


class _Place(Protocol):
    def write(self, key: str, content: bytes, *, locked: bool = True) -> bool: ...


class JournalKeeper:
    """Keeps the journal of one backup; used by several threads."""

    def __init__(self, bucket: _Place, folder: str, journal: Journal) -> None:
        self._bucket = bucket
        self._key = f"{folder}/{JOURNAL}"
        self._lock = threading.Lock()
        self._journal = journal

    @property
    def journal(self) -> Journal:
        """As it stands."""
        return self._journal

    def begin(self) -> None:
        """Write it as it is: the folder belongs to this run from now on."""
        self._write(self._journal)

    def submitted(self, resource_type: str, note: JobNote) -> None:
        """A job of this backup exists, or is about to."""
        self._change(lambda now: {"jobs": {**now.jobs, resource_type: note}})

    def stored(self, entry: FileEntry, doubt: str = "") -> None:
        """A file of this backup lies whole in the bucket; ``doubt``: it may not be all of it."""
        kind = entry.resource_type
        doubts = {kind: doubt} if doubt else {}
        self._change(
            lambda now: {"files": {**now.files, kind: entry}, "doubts": {**now.doubts, **doubts}}
        )

    def forget(self, resource_type: str) -> None:
        """The type is to be exported anew."""
        self._change(
            lambda now: {
                name: {kind: kept for kind, kept in notes.items() if kind != resource_type}
                for name, notes in (
                    ("jobs", now.jobs),
                    ("files", now.files),
                    ("doubts", now.doubts),
                )
            }
        )

    def end(self) -> None:
        """The run has told what came of it."""
        self._change(lambda _: {"ended": True})

    def _change(self, changes: Callable[[Journal], Mapping[str, Any]]) -> None:
        with self._lock:
            self._write(msgspec.structs.replace(self._journal, **changes(self._journal)))

    def _write(self, journal: Journal) -> None:
        content = msgspec.json.format(msgspec.json.encode(journal), indent=2)
        self._bucket.write(self._key, content, locked=False)
        self._journal = journal


def read_journal(content: bytes) -> Journal | None:
    """The journal of an unfinished backup; None for one that cannot be read (it is not trusted)."""
    try:
        return _read(content)
    except msgspec.DecodeError:
        return None
