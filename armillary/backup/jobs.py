"""Export jobs: what a backup asks for, and the links to what came of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from pydantic import SecretStr

from armillary.api.jobs import Exports
from armillary.api.models import Job
from armillary.backup.job_runner import JobRunner
from armillary.clock import Clock
from armillary.errors import JobFailed, NotFound, TransientError

YOUNG_SECONDS = 60.0
"""Of a link's fifteen minutes (contract section 14)."""


@dataclass(frozen=True)
class ExportRequest:
    """What one export job is asked for (contract section 14)."""

    resource_type: str
    format: Literal["json", "csv"] = "json"
    include_archived: bool = True
    filter: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class ExportJobs(JobRunner):
    """Triggers exports and waits for them; a second job of the same does no harm but its calls."""

    service: Exports

    noun: ClassVar[str] = "export"
    submits: ClassVar[int] = 3
    overdue: ClassVar[str] = "Ptolemy offers no way to cancel an export: it may still end, unused."

    def trigger(self, request: ExportRequest, known: Collection[str] = ()) -> Job:
        """Submit an export, or adopt the job of a submit whose answer was lost.

        Args:
            request: what to export.
            known: ids of jobs that are somebody else's for sure: other types of this backup.

        Raises:
            JobFailed: no answer came so often, or no job could start until the deadline.
            ApiError: the service refuses the export.
        """
        return self.trigger_by(
            lambda: self.service.create(
                request.resource_type,
                format=request.format,
                include_archived=request.include_archived,
                filter=request.filter,
            ),
            request.resource_type,
            known,
            request.format,
        )

    def lacks(self, job: Job) -> str:
        """Its link, as long as it has none."""
        return "" if job.download_url else "no download link"

    def fresh_link(self, job_id: str) -> SecretStr:
        """A link that has its whole life before it (contract N13, ``reliability.md`` J06).

        Raises:
            JobFailed: the job is gone, or has no link.
            TransientError: the service has not answered until the deadline.
        """
        deadline = self.clock.monotonic() + self.patience.deadline_seconds
        waits = 0
        while True:
            try:
                job = self.service.get(job_id)
                break
            except NotFound as error:
                raise JobFailed(f"Export job {job_id} is no longer kept: {error}") from error
            except TransientError:
                if self.clock.monotonic() >= deadline:
                    raise
            self._rest(waits)
            waits += 1
        if job.download_url is None:
            raise JobFailed(f"{self.named(job)} is {job.status} and has no download link.")
        return job.download_url


class Links:
    """Gives links to one file: first the one its job ended with, then fresh ones.

    Each fresh one is a call that somebody pays for, so a young one is good enough.
    """

    def __init__(
        self, first: SecretStr | None, fresh: Callable[[], SecretStr], *, clock: Clock
    ) -> None:
        self._first = first
        self._fresh = fresh
        self._clock = clock
        self._made_at = clock.monotonic()

    def next(self) -> SecretStr:
        """A link that has (nearly) its whole life before it, as ``ExportJobs.fresh_link``."""
        link, self._first = self._first, None
        if link is None or self._clock.monotonic() - self._made_at > YOUNG_SECONDS:
            return self._fresh()
        return link
