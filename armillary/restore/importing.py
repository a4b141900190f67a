"""Import jobs: one part after another, never twice, and what the service says of the rows.

What a job counts is a claim; the workspace read back is the truth (contract D11). Only its errors
are kept, because nothing else tells why a row is not there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from pathlib import Path
from typing import IO, Any, BinaryIO, ClassVar, cast

from armillary.api.jobs import Imports
from armillary.api.models import Job
from armillary.backup.job_runner import JobRunner
from armillary.errors import (
    ApiError,
    Conflict,
    JobFailed,
    JobOverdue,
    RequestRejected,
    RunStopped,
)
from armillary.restore.order import IDENTIFIER_COLUMN
from armillary.restore.split import Part, split
from armillary.runs.under_way import ImportNote, UnderWay

LEAST_PART_BYTES = 100_000
"""A smaller file that is still called too large is refused for another reason."""

READ_BYTES = 1024**2

REASON_CHARS = 300


@dataclass(frozen=True)
class Imported:
    """What became of one file, as far as the service told."""

    job_id: str
    rows: int
    """In the file."""
    rows_imported: int | None
    rows_failed: int | None
    reasons: Mapping[int, str] = field(default_factory=dict)
    """Why rows failed, by their number in the file from 0, where the service names the row."""
    remarks: tuple[str, ...] = ()
    """Why rows failed, where it does not; or how the job ended."""
    broke: bool = False
    """The job did not end well: what is missing of it is worth another try."""
    under_way: bool = False
    """It was given up and may still store rows: nothing of it may be sent again."""
    overdue: bool = False
    """It was given up because it took too long: another would, too."""

    @property
    def refused(self) -> bool:
        """No job was made of it, for sure: nothing was stored."""
        return not self.job_id and not self.broke

    @property
    def lost(self) -> bool:
        """Nobody knows whether there is a job of it: one may be storing rows unseen."""
        return not self.job_id and self.broke

    @property
    def doubt(self) -> str:
        """Why its counters cannot be right; blank when they can (J19)."""
        counted = {"imported": self.rows_imported, "failed": self.rows_failed}
        counts = {name: count for name, count in counted.items() if count is not None}
        if (
            self.broke
            or not self.job_id
            or (len(counts) == len(counted) and sum(counts.values()) == self.rows)
        ):
            return ""
        told = ", ".join(f"{count:,} {name}" for name, count in counts.items())
        return (
            f"Import job {self.job_id} was sent {self.rows:,} rows and counts "
            f"{told or 'nothing'}: its counters say nothing, the workspace was read back."
        )


@dataclass(frozen=True)
class ImportJobs(JobRunner):
    """Submits files and waits for their jobs."""

    service: Imports
    folder: Path = Path()
    """For the smaller files of one that is too large."""
    run_id: str = ""
    """In the names of the files: how a person finds the jobs of a run in Ptolemy."""
    known: set[str] = field(default_factory=set)
    """Ids of jobs that are not the one of a submit whose answer was lost."""
    workspace_id: str = ""
    under_way: UnderWay | None = None
    """Where each job is noted while it is waited for: whoever cleans up after a run that was
    killed finds it there."""
    whose: str = "restore"
    """What the run is, in messages."""

    noun: ClassVar[str] = "import"
    overdue: ClassVar[str] = "It was asked to stop; what it stored stays."

    def run(self, part: Part, file: IO[bytes], resource_type: str) -> list[Imported]:
        """Import one file; in smaller files if it is called too large (A25).

        Args:
            part: what the file holds.
            file: its bytes.
            resource_type: of its rows.

        Raises:
            RunStopped: somebody cancelled the job (J21).
            ApiError: no other file would fare better.
        """
        try:
            return [self._run(part, file, resource_type)]
        except RequestRejected as error:
            too_large = error.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
            if not too_large or part.bytes <= LEAST_PART_BYTES:
                return [refused(part, resource_type, error)]
        done: list[Imported] = []
        for smaller in split(_chunks(file), most_bytes=part.bytes // 2, folder=self.folder):
            with smaller as half:
                done += self.run(smaller, half, resource_type)
        return done

    def wait_for_others(self, resource_type: str = "") -> int:
        """Let every import of the workspace end that is still under way; how many there were.

        Those of a run that was killed go on without it: what they store is there already when the
        workspace is read, and is not sent a second time.

        Args:
            resource_type: wait for imports of this alone, and for those that do not say of what
                they are; blank: for all.

        Raises:
            JobOverdue: one of them does not end.
        """
        jobs = self.service.list()
        self.known.update(job.id for job in jobs)
        concerned = ("", resource_type)
        unfinished = [
            job
            for job in jobs
            if not job.is_final and (not resource_type or job.resource_type in concerned)
        ]
        for job in unfinished:
            try:
                self.wait(job)
            except JobOverdue as error:
                raise JobOverdue(
                    f"{self.named(job)} was under way before this {self.whose} and has not ended "
                    f"within {self.patience.deadline_seconds:.0f} seconds. Nothing was imported.",
                    next_step="Cancel it in Ptolemy or let it end, then start the "
                    f"{self.whose} again.",
                ) from error
            except JobFailed:
                continue  # what it stored is seen when the workspace is read
        return len(unfinished)

    def _run(self, part: Part, file: IO[bytes], resource_type: str) -> Imported:
        def submit() -> Job:
            file.seek(0)
            return self.service.create(
                cast("BinaryIO", file),
                resource_type=resource_type,
                on_error="continue",
                identifier_column=IDENTIFIER_COLUMN[resource_type],
                file_name=self._file_name(resource_type, part.number),
            )

        try:
            job = self.trigger_by(submit, resource_type, self.known)
        except JobFailed as error:
            # A second file could store everything twice; the workspace tells what came of it.
            return Imported("", part.rows, None, None, remarks=(str(error),), broke=True)
        self.known.add(job.id)
        note = ImportNote(self.workspace_id, job.id, resource_type)
        if self.under_way:
            self.under_way.begin(note)
        released = True
        try:
            ended = self.wait(job)
        except JobOverdue as error:
            released = self._cancel(job)
            under_way, words = self._ended(job) is None, (str(error),)
            return Imported(
                job.id,
                part.rows,
                None,
                None,
                remarks=words,
                broke=True,
                under_way=under_way,
                overdue=True,
            )
        except JobFailed as error:
            return self._judged(job, part, error)
        except BaseException:
            released = self._cancel(job)  # the run was cancelled, or may not write any more
            raise
        finally:
            if self.under_way and released:
                self.under_way.end(note)
        return _told(ended, part.rows)

    def _judged(self, job: Job, part: Part, error: JobFailed) -> Imported:
        """What a job that did not end well means: cancelled by somebody, or only failed."""
        ended = self._ended(job)
        if ended is not None and ended.status == "cancelled":
            told = ended.rows_imported
            stored = "" if told is None else f" ({told:,} of {part.rows:,} rows)"
            raise RunStopped(
                f"{self.named(job)} was cancelled by somebody, so the {self.whose} stops here. "
                f"What it stored until then{stored} stays.",
                next_step=f"Start the {self.whose} again: it goes on with what is missing.",
            )
        said = _told(ended, part.rows) if ended else Imported(job.id, part.rows, None, None)
        return replace(said, remarks=(str(error),), broke=True)

    def _ended(self, job: Job) -> Job | None:
        """The job, if it has ended and says so."""
        with suppress(ApiError):
            found = self.service.get(job.id)
            return found if found.is_final else None
        return None

    def _cancel(self, job: Job) -> bool:
        """Ask for it to stop; whether it was asked, or had ended by itself."""
        try:
            self.service.cancel(job.id)
        except Conflict:
            return True
        except ApiError:
            return False
        return True

    def _file_name(self, resource_type: str, number: int) -> str:
        run = f"{self.run_id[:8]}-" if self.run_id else ""
        return f"armillary-{run}{resource_type}-{number:04}.json"


def _told(job: Job, rows: int) -> Imported:
    """What a job that has ended says of its rows; its errors are whatever they are (N13)."""
    reasons: dict[int, str] = {}
    remarks: list[str] = []
    for entry in job.errors:
        number, words = _error(entry)
        if number is None or not 1 <= number <= rows:
            remarks.append(words)
        else:
            reasons[number - 1] = words
    return Imported(
        job.id,
        rows,
        job.rows_imported,
        job.rows_failed,
        reasons=reasons,
        remarks=tuple(dict.fromkeys(remarks)),
    )


_OF_ROW = re.compile(r"\s*row\s+#?([0-9]{1,9})\b\W*", re.IGNORECASE).match


def _error(entry: Any) -> tuple[int | None, str]:
    if not isinstance(entry, Mapping):
        text = str(entry)[:REASON_CHARS]
        found = _OF_ROW(text)
        return (int(found[1]), text[found.end() :] or text) if found else (None, text)
    number = entry.get("row")
    words = str(entry.get("message") or entry)[:REASON_CHARS]
    of_field = entry.get("field")
    if of_field and str(of_field) not in words:
        words = f"{of_field}: {words}"
    whole = isinstance(number, int) and not isinstance(number, bool)
    return (number if whole else None), words


def refused(part: Part, resource_type: str, error: ApiError) -> Imported:
    """A file that the service does not take: there is no job of it."""
    words = f"The import of {resource_type} was refused: {_said(error)}"
    return Imported("", part.rows, None, None, remarks=(words,))


def _said(error: ApiError) -> str:
    words = error.detail or error.body_start or error.message
    return f"{words.removesuffix('.')} ({error.status})."


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    file.seek(0)
    while chunk := file.read(READ_BYTES):
        yield chunk


def reasons_by_row(done: Sequence[Imported], rows: Sequence[int]) -> dict[int, str]:
    """Why rows failed, by their numbers in the backup's file.

    Args:
        done: of the files a part was sent as, in order.
        rows: the number in the backup's file of each row of the part, in order.
    """
    found: dict[int, str] = {}
    begin = 0
    for imported in done:
        for number, words in imported.reasons.items():
            if begin + number < len(rows):
                found[rows[begin + number]] = words
        begin += imported.rows
    return found
