"""Making one backup: the steps a flow calls, and what they share.

    export      submit (or adopt) the job of one type, and wait for it
    store       stream its file into the bucket
    dangling    the parents that lack rows their children refer to: to be exported anew
    finish      judge completeness, write the manifest last

Steps of different types run beside each other in threads. A step that fails raises; the flow notes
that as a missing part, and the other types go on.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from armillary import __version__, progress
from armillary.api.collection import Collection
from armillary.api.models import Workspace
from armillary.api.ptolemy import Ptolemy
from armillary.backup import manifest as manifests
from armillary.backup import schemas
from armillary.backup.bucket import Bucket
from armillary.backup.catalogue import Catalogue
from armillary.backup.completeness import against_counts, shrunk
from armillary.backup.jobs import ExportJobs, ExportRequest, Patience
from armillary.backup.journal import Coverage, JobNote, JournalKeeper
from armillary.backup.manifest import MANIFEST, FileEntry, Manifest, SchemasEntry
from armillary.backup.opening import folder_of
from armillary.backup.references import References
from armillary.backup.resources import NOT_COVERED, RESOURCE_TYPES
from armillary.backup.rows import RowBatch
from armillary.backup.stored import read_stored
from armillary.backup.transfer import transfer
from armillary.clock import Clock, SystemClock
from armillary.errors import JobFailed, JobOverdue, NotFound, RequestRejected, RunStopped
from armillary.runs.lease import Lease

SUBMITS = 2
"""A failed export is submitted once more, then its part is missing."""

_COLLECTIONS: dict[str, Callable[[Ptolemy], Collection]] = {
    "time_series_values": lambda ptolemy: ptolemy.values,
    "composite_time_series_values": lambda ptolemy: ptolemy.composite_values,
    "market_listing_suspensions": lambda ptolemy: ptolemy.suspensions,
    "market_calendars": lambda ptolemy: ptolemy.calendars,
    "market_listings": lambda ptolemy: ptolemy.listings,
    "instruments": lambda ptolemy: ptolemy.instruments,
    "markets": lambda ptolemy: ptolemy.markets,
}


@dataclass(frozen=True)
class Exported:
    """An export that has ended and waits to be fetched."""

    resource_type: str
    job_id: str
    exported_at: datetime
    counts: tuple[int | None, int | None]
    """Of the workspace, before the job was submitted and after it ended; None: not told."""


@dataclass
class _Seen:
    """What one file showed while it passed."""

    active: int | None = 0
    """Rows that are not archived; None as soon as one does not tell."""

    def take(self, batch: RowBatch) -> None:
        archived_at = batch.columns.get("archived_at")
        if archived_at is None or self.active is None:
            self.active = None
        else:
            self.active += sum(not value for value in archived_at)


class BackupInMaking:
    """One backup under way. Its steps may be called from several threads."""

    def __init__(
        self,
        ptolemy: Ptolemy,
        bucket: Bucket,
        workspace: Workspace,
        keeper: JournalKeeper,
        *,
        lease: Lease,
        patience: Patience | None = None,
        accept_shrink: bool = False,
        clock: Clock | None = None,
    ) -> None:
        self._ptolemy = ptolemy
        self._bucket = bucket
        self._workspace = workspace
        self._keeper = keeper
        self._lease = lease
        self._accept_shrink = accept_shrink
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._problems: dict[str, str] = {}
        self._refused: dict[str, str] = {}
        self._seen: dict[str, _Seen] = {}
        self._references = References()
        self._jobs = ExportJobs(
            ptolemy, patience or Patience(), clock=self._clock, go_on=lease.check
        )
        self.folder = f"{folder_of(workspace)}/{keeper.journal.backup_id}"
        self.place = f"{bucket.place}/{self.folder}"

    @property
    def backup_id(self) -> str:
        """Names the backup: the time it was scheduled for."""
        return self._keeper.journal.backup_id

    @property
    def resource_types(self) -> tuple[str, ...]:
        """The types it is to hold, in the order of export."""
        return self._coverage.resource_types

    def export(self, resource_type: str) -> Exported | None:
        """Have one type exported; None when its file lies in the bucket already.

        Raises:
            JobFailed: twice, or not in time.
            ApiError: the service refuses it.
        """
        journal = self._keeper.journal
        if resource_type in journal.files:
            return None
        note = journal.jobs.get(resource_type)
        for submits_left in reversed(range(SUBMITS)):
            try:
                note = note or self._submitted(resource_type)
                job = self._jobs.wait(self._ptolemy.exports.get(note.job_id))
                break
            except JobOverdue:
                raise
            except (JobFailed, NotFound) as error:
                note = None
                if not submits_left:
                    raise JobFailed(f"{error.message} It was submitted {SUBMITS} times.") from error
        before = note.count_before if note else None
        counts = (before, self._count(resource_type))
        return Exported(resource_type, job.id, self._clock.now(), counts)

    def store(self, exported: Exported) -> FileEntry:
        """Stream one exported file into the bucket, and note it.

        Raises:
            TransferFailed, StoreFailed, ConfigurationError: it is not there, and nothing half is.
        """
        kind, coverage = exported.resource_type, self._coverage
        name = f"{kind}.{coverage.format}" + (".zst" if coverage.compression == "zstd" else "")
        moved = transfer(
            lambda: self._jobs.fresh_link(exported.job_id),
            self._bucket,
            f"{self.folder}/{name}",
            resource_type=kind,
            compression=coverage.compression,
            metadata={"backup-id": self.backup_id, "resource-type": kind},
            restart=lambda: self._begin(kind),
            take=lambda batch: self._take(kind, batch),
            progress=lambda done, _rows, total: progress.say(f"backing up {kind}", done, total),
            clock=self._clock,
            stop=self._lease.check,
        )
        doubt = against_counts(kind, moved.rows, self._seen[kind].active, exported.counts)
        if doubt:
            self._problem(kind, doubt)
        known = [count for count in exported.counts if count is not None]
        entry = FileEntry(
            resource_type=kind,
            key=name,
            format=moved.format,
            compression=moved.compression,
            rows=moved.rows,
            bytes=moved.bytes,
            sha256=moved.sha256,
            stored_bytes=moved.stored_bytes,
            stored_sha256=moved.stored_sha256,
            etag=moved.etag,
            version_id=moved.version_id,
            checksums=moved.checksums,
            job_id=exported.job_id,
            expected_rows=known[-1] if known else None,
            exported_at=exported.exported_at,
        )
        self._keeper.stored(entry)
        return entry

    def failed(self, resource_type: str, error: Exception) -> None:
        """Note that a type is missing, and why.

        Calendars that the service does not export at all are no missing part (contract D13).
        """
        if isinstance(error, RequestRejected) and resource_type == "market_calendars":
            with self._lock:
                self._refused[resource_type] = f"{resource_type} (not exported here: {error})"
        else:
            self._problem(resource_type, f"{resource_type} is missing: {error}")

    def dangling(self) -> list[str]:
        """The types to export anew: their files lack rows that files of their children refer to."""
        for kind in self._keeper.journal.files:
            if kind not in self._seen:
                self._look_back(kind)
        parents = {
            found.parent_type
            for columns in self._references.dangling().values()
            for found in columns.values()
        }
        return [
            kind for kind in RESOURCE_TYPES if kind in parents & set(self._keeper.journal.files)
        ]

    def export_anew(self, resource_type: str) -> None:
        """Forget job and file of a type: the next ``export`` makes another job."""
        self._keeper.forget(resource_type)
        with self._lock:
            self._problems.pop(resource_type, None)

    def finish(self) -> Manifest:
        """Judge what is there and write the manifest, last of all.

        Raises:
            LeaseLost: another run may have taken over; the manifest is not written.
            RunStopped: a manifest is there already, which this run did not write.
        """
        described = self._describe_schemas()
        self._judge()
        manifest = self._manifest(described)
        self._lease.renew()
        content = manifests.encode(manifest)
        if not self._bucket.write(f"{self.folder}/{MANIFEST}", content, only_if_absent=True):
            raise RunStopped(
                f"{self.place} has a manifest already, which another run wrote while this one "
                "worked.",
                next_step="Nothing was overwritten: look at it with `armillary backups`.",
            )
        return manifests.decode(content)

    @property
    def _coverage(self) -> Coverage:
        return self._keeper.journal.coverage

    def _submitted(self, resource_type: str) -> JobNote:
        coverage = self._coverage
        before = self._count(resource_type)
        request = ExportRequest(
            resource_type,
            format=coverage.format,
            include_archived=coverage.include_archived,
            filter=coverage.filter,
        )
        known = {note.job_id for note in self._keeper.journal.jobs.values()}
        job = self._jobs.trigger(request, known)
        note = JobNote(job.id, self._clock.now(), before)
        self._keeper.submitted(resource_type, note)
        return note

    def _count(self, resource_type: str) -> int | None:
        return _COLLECTIONS[resource_type](self._ptolemy).count(self._coverage.filter)

    def _begin(self, kind: str) -> None:
        """The first byte of a file is about to come, for the first time or once more."""
        with self._lock:
            self._seen[kind] = _Seen()
            self._references.forget(kind)

    def _take(self, kind: str, batch: RowBatch) -> None:
        with self._lock:
            self._seen[kind].take(batch)
            self._references.take(kind, batch)

    def _look_back(self, kind: str) -> None:
        """Read a file that an interrupted run stored: its references were never seen here."""
        self._begin(kind)
        entry = self._keeper.journal.files[kind]
        read_stored(self._bucket, self.folder, entry, take=lambda batch: self._take(kind, batch))

    def _problem(self, kind: str, words: str) -> None:
        with self._lock:
            self._problems[kind] = words

    def _judge(self) -> None:
        """What is wrong beyond single files: references, and shrinking against earlier backups."""
        files = self._keeper.journal.files
        for child, columns in self._references.dangling().items():
            for column, found in columns.items():
                if found.parent_type in files:
                    self._problem(f"{child}.{column}", f"{child}: {found.words(column)}")
        if self._accept_shrink:
            return
        rows = {kind: entry.rows for kind, entry in files.items()}
        catalogue = Catalogue(self._bucket, folder_of(self._workspace))
        earlier = (backup.manifest for backup in catalogue.list() if backup.manifest)
        for number, words in enumerate(shrunk(rows, self._coverage, earlier)):
            self._problem(f"shrunk {number}", words)

    def _describe_schemas(self) -> SchemasEntry:
        read = schemas.read_schemas(self._ptolemy)
        content = schemas.encode(read)
        self._bucket.write(f"{self.folder}/{schemas.SCHEMAS}", content)
        return SchemasEntry.of(schemas.SCHEMAS, content, read.missing)

    def _manifest(self, described: SchemasEntry) -> Manifest:
        journal, coverage = self._keeper.journal, self._coverage
        wanted = [kind for kind in coverage.resource_types if kind not in self._refused]
        whole = set(coverage.resource_types) == set(RESOURCE_TYPES) and not coverage.filter
        complete = not self._problems and all(kind in journal.files for kind in wanted)
        facts: dict[str, Any] = {
            "backup_id": journal.backup_id,
            "workspace_id": self._workspace.id,
            "workspace_slug": self._workspace.slug,
            "state": "COMPLETE" if complete else "PARTIAL",
            "coverage": "full" if whole and coverage.include_archived else "subset",
            "resource_types": wanted,
            "include_archived": coverage.include_archived,
            "filter": coverage.filter,
            "format": coverage.format,
            "compression": coverage.compression,
            "started_at": journal.started_at,
            "finished_at": self._clock.now(),
            "tool_version": __version__,
            "files": [journal.files[kind] for kind in wanted if kind in journal.files],
            "problems": list(self._problems.values()),
            "not_covered": [*NOT_COVERED, *self._refused.values()],
            "schemas": described,
            "run_id": journal.run_id,
        }
        return Manifest(**facts)
