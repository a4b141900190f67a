"""What imports and exports have in common: states, polls, the clock, work in slices."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Iterator
from typing import Any, ClassVar, TypeVar

from simulator.clock import timestamp
from simulator.exchange import Answer, Refusal
from simulator.faults import JobScript
from simulator.ptolemy.call import Call
from simulator.ptolemy.collection import Collection
from simulator.ptolemy.comparisons import Reader
from simulator.ptolemy.records import Record

RESOURCES = {
    "instruments": "instruments",
    "markets": "markets",
    "market_listings": "market-listings",
    "market_listing_suspensions": "market-listing-suspensions",
    "time_series_values": "time-series-values",
    "composite_time_series_values": "composite-time-series-values",
    "market_calendars": "market-calendars",
}
"""Resource types of section 13, and the collections they mean."""
UNFINISHED = ("queued", "processing")
SLICES_AT_ONCE = 10
"""Slices of work done within one request; a longer job goes on in the background."""
SLICE_ROWS = 500
ERRORS_KEPT = 1000


class Job(Record):
    """An import or an export."""

    __slots__ = (
        "errors",
        "finished_at",
        "polls",
        "resource_type",
        "script",
        "status",
        "task",
        "work",
    )

    def __init__(self, resource_type: str) -> None:
        super().__init__()
        self.resource_type = resource_type
        self.status = "queued"
        self.polls = 0
        self.errors: list[Any] = []
        self.finished_at: float | None = None
        self.script = JobScript()
        self.work: Iterator[None] | None = None
        self.task: asyncio.Task[None] | None = None

    @property
    def unfinished(self) -> bool:
        """Whether the job may still change."""
        return self.status in UNFINISHED


J = TypeVar("J", bound=Job)


class Jobs(Collection[J]):
    """``/imports`` or ``/exports``."""

    named: ClassVar[bool] = False
    bare_in_samples: ClassVar[bool] = True
    items: ClassVar[int] = 0

    def readers(self) -> dict[str, Reader]:
        """Also the state and the type."""
        own = [
            Reader("status", "text", lambda job: job.status),
            Reader("resource_type", "text", lambda job: job.resource_type),
            Reader("object_type", "text", lambda job: job.resource_type),
        ]
        return {**super().readers(), **{reader.name: reader for reader in own}}

    @abstractmethod
    def begin(self, job: J) -> Iterator[None]:
        """The work, one slice at each step."""

    def list(self, call: Call) -> Answer:
        """GET of the jobs; by the clock they move on, polls are not counted."""
        for job in self.table.rows:
            self.move(job, polled=False)
        return super().list(call)

    def get(self, call: Call) -> Answer:
        """GET of one job: a poll."""
        job = self.find(call)
        self.move(job, polled=True)
        return super().get(call)

    def find(self, call: Call, key: str | None = None) -> J:
        """A job that is still kept (N13) and was not lost (J03)."""
        job = super().find(call, key)
        kept = call.config.job_keep_seconds
        gone = (
            kept is not None
            and job.finished_at is not None
            and self.workspace.clock.now() - job.finished_at > kept
        )
        if gone or job.script.lost:
            raise Refusal(404, f"No {self.noun} {call.key!r}", code="not_found")
        return job

    def start(self, job: J) -> J:
        """Keep a new job; 409 when too many are unfinished (N13)."""
        most = self.workspace.config.jobs_at_once
        if most is not None and sum(other.unfinished for other in self.table.rows) >= most:
            raise Refusal(409, f"At most {most} jobs at once", code="jobs_at_once")
        self.table.add(job, self.workspace.clock.now())
        if self.workspace.config.job_begins == "submitted":
            job.status = "processing"
            self._work(job)
        return job

    def move(self, job: J, *, polled: bool) -> None:
        """Move a job on as far as polls or the clock allow."""
        if not job.unfinished:
            return
        config = self.workspace.config
        job.polls += polled
        if config.job_seconds is not None and job.script.polls is None:
            share = (self.workspace.clock.now() - job.created_at) / config.job_seconds
        else:
            share = job.polls / (job.script.polls or config.job_polls)
        if share > 0:
            job.status = "processing"
        if share >= 1 and job.task is None and job.script.status not in UNFINISHED:
            self._work(job)

    def finish(self, job: J, status: str) -> None:
        """The end of a job, as its script or the truth says."""
        job.status = job.script.status or status
        if job.script.errors is not None:
            job.errors = job.script.errors
        job.finished_at = self.workspace.clock.now()
        job.work = None

    def shown_errors(self, job: J) -> dict[str, Any]:
        """``errors`` by N13."""
        style = self.workspace.config.job_errors
        if style == "absent":
            return {}
        if style == "strings" and job.script.errors is None:
            texts = [f"row {e['row']}: {e['message']}" for e in job.errors if isinstance(e, dict)]
            return {"errors": texts}
        return {"errors": job.errors}

    def begun(self, job: J) -> dict[str, Any]:
        """What every job answer holds."""
        shown = {"id": job.id, "status": job.status, "created_at": timestamp(job.created_at)}
        if self.workspace.config.unknown_keys == "present":
            shown["queue"] = "loopback"
        return shown

    def _work(self, job: J) -> None:
        work = job.work = self.begin(job)
        for _ in range(SLICES_AT_ONCE):
            if next(work, self) is self:
                return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            for _ in work:
                pass
            return
        job.task = loop.create_task(_in_background(job, work))


async def _in_background(job: Job, work: Iterator[None]) -> None:
    for _ in work:
        await asyncio.sleep(0)
        if not job.unfinished:
            return
