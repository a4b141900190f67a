"""Making one backup: the steps a flow calls, and what they share.

    export      submit (or adopt) the job of one type, and wait for it
    store       stream its file into the bucket
    dangling    the parents that lack rows their children refer to: to be exported anew
    finish      judge completeness, write the manifest last

Steps of different types run beside each other in threads. What is the fault of one type alone is
noted as a missing part, and the other types go on; what would hit all of them alike ends the run.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from armillary import __version__, progress
from armillary.api.collection import Collection
from armillary.api.models import Job, Workspace
from armillary.api.ptolemy import Ptolemy
from armillary.backup import manifest as manifests
from armillary.backup import schemas
from armillary.backup.bucket import Bucket
from armillary.backup.catalogue import Catalogue
from armillary.backup.completeness import against_counts
from armillary.backup.evidence import Evidence
from armillary.backup.job_runner import Patience
from armillary.backup.jobs import ExportJobs, ExportRequest, Links
from armillary.backup.journal import Coverage, JobNote, JournalKeeper
from armillary.backup.manifest import MANIFEST, FileEntry, Manifest, SchemasEntry
from armillary.backup.opening import folder_of
from armillary.backup.resources import NOT_COVERED, RESOURCE_TYPES
from armillary.backup.stored import read_stored
from armillary.backup.transfer import transfer
from armillary.clock import Clock, SystemClock
from armillary.errors import (
    AccessDenied,
    ArmillaryError,
    ConfigurationError,
    FileDamaged,
    JobFailed,
    JobOverdue,
    NotFound,
    QuotaExhausted,
    RateLimited,
    RequestRejected,
    RunStopped,
    TransientError,
)
from armillary.runs.lease import Lease

TRIES = 2
"""A failed export is submitted once more, then its part is missing."""

ENDS_THE_RUN = (ConfigurationError, QuotaExhausted, RateLimited, AccessDenied, RunStopped)
"""What is not the fault of one type: the others would fail alike."""

Step = TypeVar("Step")

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
    links: Links = field(repr=False)


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
        self._ended: ArmillaryError | None = None
        self._evidence = Evidence()
        self._jobs = ExportJobs(
            ptolemy.exports, patience or Patience(), clock=self._clock, go_on=self._go_on
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

    @property
    def ended(self) -> ArmillaryError | None:
        """What ended the run before its time."""
        return self._ended

    def export(self, resource_type: str) -> Exported | None:
        """Have one type exported.

        None when its file lies in the bucket already, or when it failed, which is noted.
        """
        return self._noting(resource_type, lambda: self._export(resource_type))

    def store(self, exported: Exported) -> FileEntry | None:
        """Stream one exported file into the bucket; None when it failed, which is noted.

        Then nothing half is there.
        """
        return self._noting(exported.resource_type, lambda: self._store(exported))

    def stop(self, error: ArmillaryError) -> None:
        """Have every step end at its next breath, and nothing more written."""
        self._ended = self._ended or error

    def missing(self, resource_type: str) -> str:
        """Why a type is not there; blank when it is, or when nobody asked for it."""
        refused = self._evidence.refused.get(resource_type, "")
        return refused or self._evidence.of(resource_type)

    def _noting(self, resource_type: str, step: Callable[[], Step | None]) -> Step | None:
        try:
            self._go_on()
            return step()
        except ENDS_THE_RUN as error:
            self.stop(error)
        except ArmillaryError as error:
            self._missing(resource_type, error)
        return None

    def _export(self, resource_type: str) -> Exported | None:
        if resource_type in self._keeper.journal.files:
            return None
        for tries_left in reversed(range(TRIES)):
            try:
                job = self._jobs.wait(self._job_of(resource_type))
                break
            except JobOverdue:
                raise
            except (JobFailed, NotFound) as error:
                self._keeper.forget(resource_type)
                if not tries_left:
                    raise JobFailed(f"{error.message} It was tried {TRIES} times.") from error
        ended_at = self._clock.now()
        links = Links(job.download_url, lambda: self._jobs.fresh_link(job.id), clock=self._clock)
        before = self._keeper.journal.jobs[resource_type].count_before
        counts = (before, self._count(resource_type))
        return Exported(resource_type, job.id, ended_at, counts, links)

    def _store(self, exported: Exported) -> FileEntry:
        kind, coverage = exported.resource_type, self._coverage
        name = f"{kind}.{coverage.format}" + (".zst" if coverage.compression == "zstd" else "")
        moved = transfer(
            exported.links.next,
            self._bucket,
            f"{self.folder}/{name}",
            resource_type=kind,
            compression=coverage.compression,
            metadata={"backup-id": self.backup_id, "resource-type": kind},
            progress=lambda done, total: progress.say(f"backing up {kind}", done, total),
            clock=self._clock,
            stop=self._go_on,
        )
        self._evidence.keep(moved.seen)
        progress.say(f"rows of {kind}", moved.rows, moved.rows)
        doubt = against_counts(kind, moved.rows, moved.seen.active, exported.counts)
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
        self._keeper.stored(entry, doubt)
        return entry

    def _missing(self, resource_type: str, error: ArmillaryError) -> None:
        """Note that a type is missing, and why.

        Calendars that the service does not export at all are no missing part (contract D13).
        """
        if isinstance(error, RequestRejected) and resource_type == "market_calendars":
            self._evidence.refuse(resource_type, f"{resource_type} (not exported here: {error})")
        else:
            self._evidence.problem(resource_type, f"{resource_type} is missing: {error}")

    def dangling(self) -> list[str]:
        """The types to export anew.

        Their files lack rows that files of their children refer to, or are damaged: a file that an
        interrupted run stored was never seen here, and is read back first.
        """
        held = self._keeper.journal.files
        unseen = [kind for kind in held if not self._evidence.has_seen(kind)]
        damaged = {kind for kind in unseen if not self._look_back(kind)}
        anew = damaged.union(self._evidence.incomplete_parents(held))
        return [kind for kind in RESOURCE_TYPES if kind in anew]

    def export_anew(self, resource_type: str) -> None:
        """Forget job and file of a type: the next ``export`` makes another job."""
        self._keeper.forget(resource_type)

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

    def _go_on(self) -> None:
        """Return while the run may work.

        Raises:
            RunStopped: it was cancelled, or its lease was lost.
        """
        if self._ended is not None:
            raise RunStopped(str(self._ended))
        self._lease.check()

    def _job_of(self, resource_type: str) -> Job:
        """The job an interrupted run began, or a new one.

        The journal knows of a new one before it is made: a run that dies in between is found out.

        Raises:
            NotFound: the service no longer knows the job of the journal.
        """
        coverage = self._coverage
        request = ExportRequest(
            resource_type,
            format=coverage.format,
            include_archived=coverage.include_archived,
            filter=coverage.filter,
        )
        jobs = self._keeper.journal.jobs
        known = {other.job_id for kind, other in jobs.items() if kind != resource_type}
        note = jobs.get(resource_type)
        if note and note.job_id:
            return self._ptolemy.exports.get(note.job_id)
        job = (
            self._jobs.adopt(resource_type, note.submitted_at, known, coverage.format)
            if note
            else None
        )
        if note is None or job is None:
            note = JobNote("", self._clock.now(), self._count(resource_type))
            self._keeper.submitted(resource_type, note)
            job = self._jobs.trigger(request, known)
        self._keeper.submitted(resource_type, msgspec.structs.replace(note, job_id=job.id))
        return job

    def _count(self, resource_type: str) -> int | None:
        """What ``/count`` says; None where it does not answer, which proves nothing."""
        try:
            return _COLLECTIONS[resource_type](self._ptolemy).count(self._coverage.filter)
        except TransientError:
            return None

    def _look_back(self, kind: str) -> bool:
        """Read a stored file for its references; False if it is not what was stored."""
        entry = self._keeper.journal.files[kind]
        try:
            seen = read_stored(self._bucket, self.folder, entry, passed=lambda _: self._go_on())
        except FileDamaged:
            return False
        self._evidence.keep(seen)
        return True

    def _judge(self) -> None:
        journal = self._keeper.journal
        for kind, doubt in journal.doubts.items():
            self._evidence.problem(kind, doubt)
        self._evidence.judge_references(journal.files)
        if not self._accept_shrink:
            backups = Catalogue(self._bucket, folder_of(self._workspace)).list()
            earlier = (backup.manifest for backup in backups if backup.manifest)
            self._evidence.judge_sizes(journal, earlier)

    def _describe_schemas(self) -> SchemasEntry:
        read = schemas.read_schemas(self._ptolemy)
        if read.unanswered:
            self._evidence.problem(
                "schemas",
                f"schemas.json lacks {', '.join(read.unanswered)}: Ptolemy did not answer. Without "
                "types and fields nobody can check beforehand where the backup can be restored.",
            )
        content = schemas.encode(read)
        self._bucket.write(f"{self.folder}/{schemas.SCHEMAS}", content)
        return SchemasEntry.of(schemas.SCHEMAS, content, read.missing)

    def _manifest(self, described: SchemasEntry) -> Manifest:
        journal, coverage = self._keeper.journal, self._coverage
        refused = self._evidence.refused
        wanted = [kind for kind in coverage.resource_types if kind not in refused]
        whole = set(coverage.resource_types) == set(RESOURCE_TYPES) and not coverage.filter
        complete = not self._evidence.problems and all(kind in journal.files for kind in wanted)
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
            "problems": self._evidence.problems,
            "not_covered": [*NOT_COVERED, *refused.values()],
            "schemas": described,
            "run_id": journal.run_id,
        }
        return Manifest(**facts)
