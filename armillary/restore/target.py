"""What a workspace holds, read whole: before a restore to compare, after it to prove.

One export job is a handful of calls however many rows there are. Pages are the other way, a call
for every 200 rows: where a type is not exported at all (calendars: contract D13), or where the
export does not tell the UUIDs that whatever hangs on its rows may be named by (N12).

A row that is there and was not read would be imported over: so a reading is believed only if the
workspace's own counts, before and after it, allow for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from http import HTTPStatus
from pathlib import Path
from uuid import uuid4

from armillary import progress
from armillary.api.collection import Records
from armillary.api.models import Job, Page
from armillary.api.paging import MAX_LIMIT, read_all
from armillary.api.ptolemy import Ptolemy
from armillary.backup.completeness import against_counts
from armillary.backup.download import Download
from armillary.backup.export_file import read_export_file
from armillary.backup.jobs import ExportJobs, ExportRequest
from armillary.backup.resources import CHILDREN
from armillary.clock import Clock
from armillary.errors import (
    ExportDamaged,
    JobFailed,
    JobOverdue,
    PagesLeadNowhere,
    RequestRejected,
    TransientError,
)
from armillary.restore.records import records_of
from armillary.restore.target_rows import PackedFile, PagesFile, TargetRows, Told
from armillary.restore.windows import open_windows

TRIES = 2
"""At one reading: a job can fail, a file can be damaged, pages can end too early."""

NEXT_STEP = "Start the restore again."

_NOT_UNDERSTOOD = (HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY)
"""What a service answers that does not know a value of ``archived`` (contract D6)."""


class Target:
    """One workspace, for reading.

    Args:
        ptolemy: the workspace; every call is on its meter.
        jobs: exports its rows.
        folder: of the run, for what was read; whoever made it removes it.
        clock: all waiting goes through it.
        stop: called often; raises to end the reading (a lost lease).
    """

    def __init__(
        self,
        ptolemy: Ptolemy,
        jobs: ExportJobs,
        folder: Path,
        *,
        clock: Clock,
        stop: Callable[[], None],
    ) -> None:
        self._ptolemy = ptolemy
        self._jobs = jobs
        self._folder = folder
        self._clock = clock
        self._stop = stop
        self._known: set[str] = set()
        """Jobs of earlier readings: one of them tells what was there before a write."""

    def holds(self, resource_type: str) -> bool:
        """Whether it holds any row of a type, active or archived.

        Raises:
            NotFound: the service does not show this type by pages (calendars: contract N5).
            ApiError: the workspace cannot be read.
        """
        pages = _active_and_archived(records_of(self._ptolemy, resource_type), limit=1)
        return any(page.rows for page in pages)

    def read(self, resource_type: str, *, ids: bool = False) -> TargetRows:
        """Every row of a type, active and archived, as they are now.

        Args:
            resource_type: which.
            ids: whether the UUIDs of its rows are needed, though nothing hangs on them.

        Raises:
            NotFound: the service shows this type neither by export nor by pages (calendars).
            JobFailed: the export failed, twice.
            ExportDamaged: what was exported is damaged or not all there is, twice.
            TransferFailed: the export could not be fetched whole.
            PagesLeadNowhere: pages are not all there is, twice.
            ConfigurationError: the folder cannot hold it.
            ApiError: the workspace cannot be read.
        """
        try:
            found = self._exported(resource_type)
        except RequestRejected:
            return self._paged(resource_type)
        if (ids or CHILDREN[resource_type]) and not found.tells_ids:
            found.discard()
            return self._paged(resource_type)
        return found

    def _exported(self, resource_type: str) -> TargetRows:
        left = TRIES
        while True:
            left -= 1
            before = self._count(resource_type)
            try:
                return self._fetched(resource_type, self._job(resource_type), before)
            except JobOverdue:
                raise
            except (JobFailed, ExportDamaged) as error:
                if not left:
                    raise type(error)(
                        f"{error.message} It was tried {TRIES} times.", next_step=NEXT_STEP
                    ) from error

    def _job(self, resource_type: str) -> Job:
        job = self._jobs.trigger(ExportRequest(resource_type), self._known)
        self._known.add(job.id)
        return self._jobs.wait(job)

    def _fetched(self, resource_type: str, job: Job, before: int | None) -> TargetRows:
        """The file of an export.

        Raises:
            ExportDamaged: it is no rows, or cannot be all of them.
        """
        return read_export_file(
            self._jobs,
            job,
            lambda download: self._kept(resource_type, download, before),
            clock=self._clock,
            stop=self._stop,
            next_step=NEXT_STEP,
        )

    def _kept(self, resource_type: str, download: Download, before: int | None) -> TargetRows:
        told, windows, done = Told(), open_windows(), 0
        with (
            closing(PackedFile(self._new_path(resource_type))) as file,
            closing(download.chunks()) as chunks,
        ):
            for chunk in chunks:
                self._stop()
                file.write(chunk)
                done += len(chunk)
                for window in windows.feed(chunk):
                    told.take(window.rows)
                    progress.say(f"reading {resource_type}", done, download.length)
            for window in windows.close():
                told.take(window.rows)
            counts = (before, self._count(resource_type))
            if doubt := against_counts(resource_type, told.rows, told.active, counts):
                raise ExportDamaged(doubt)
            if not told.rows and self._surely_holds(resource_type):
                raise ExportDamaged(
                    f"The export of {resource_type} is empty, although the workspace holds some."
                )
            file.end()
        return TargetRows(resource_type, file.path, told.rows, told.ids, told.archived)

    def _paged(self, resource_type: str) -> TargetRows:
        left = TRIES
        while True:
            left -= 1
            try:
                return self._paged_once(resource_type)
            except PagesLeadNowhere:
                if not left:
                    raise

    def _paged_once(self, resource_type: str) -> TargetRows:
        records = records_of(self._ptolemy, resource_type)
        before = self._count(resource_type)
        with ExitStack() as stack:

            def new_file() -> PagesFile:
                return stack.enter_context(closing(PagesFile(self._new_path(resource_type))))

            def take(file: PagesFile, page: Page) -> None:
                self._stop()
                file.take(page)
                progress.say(f"reading {resource_type}", file.told.rows)

            file = read_all(lambda: _active_and_archived(records), new_file, take)
            told, after = file.told, self._count(resource_type)
            if against_counts(resource_type, told.rows, told.active, (before, after)):
                raise PagesLeadNowhere(
                    f"the pages held {told.rows:,} rows of {resource_type}, which is not what the "
                    f"workspace counts ({before:,} before, {after:,} after).",
                    method="GET",
                    path=records.path,
                )
            file.end()
        return TargetRows(resource_type, file.path, told.rows, told.ids, told.archived)

    def _count(self, resource_type: str) -> int | None:
        """What ``/count`` says; None where it does not answer, which proves nothing."""
        try:
            return records_of(self._ptolemy, resource_type).count()
        except TransientError:
            return None

    def _surely_holds(self, resource_type: str) -> bool:
        try:
            return self.holds(resource_type)
        except RequestRejected:
            return False  # a type that is exported need not be shown by pages

    def _new_path(self, resource_type: str) -> Path:
        return self._folder / f"{resource_type}-{uuid4().hex}.zst"


def _active_and_archived(records: Records, *, limit: int = MAX_LIMIT) -> Iterator[Page]:
    """Pages of both, as one list, whatever ``archived`` means here (contract D6).

    ``all`` is asked first. Where it is not understood, or brings nothing that is archived, archived
    ones are asked for too; then a row may come twice.
    """
    archived_came = False
    try:
        for page in records.list_pages(archived="all", limit=limit):
            archived_came = archived_came or any(row.get("archived_at") for row in page.rows)
            yield _one_of_many(page)
    except RequestRejected as refused:
        if refused.status not in _NOT_UNDERSTOOD:
            raise
        for page in records.list_pages(limit=limit):
            yield _one_of_many(page)
    if archived_came:
        return
    try:
        for page in records.list_pages(archived="true", limit=limit):
            rows = [row for row in page.rows if row.get("archived_at", "not told")]
            yield Page(rows, None, has_more=True)
    except RequestRejected as refused:
        if refused.status not in _NOT_UNDERSTOOD:
            raise


def _one_of_many(page: Page) -> Page:
    """The last page of one pass is not the last of the list."""
    return Page(page.rows, None, has_more=True)
