"""Export jobs: trigger one, wait for it, fetch its link; each step alone, as Prefect's jobs are.

A submit whose answer was lost may have made a job: the list of jobs is asked before another one
is made (``reliability.md`` A10). Whoever waits polls with growing pauses, because each poll is a
call somebody pays for, and always under a deadline.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from pydantic import SecretStr

from armillary.api.models import Job
from armillary.api.ptolemy import Ptolemy
from armillary.clock import Clock, SystemClock
from armillary.errors import (
    AnswerLost,
    ApiError,
    Conflict,
    JobFailed,
    JobOverdue,
    NotFound,
    TransientError,
)

SUBMITS = 3
"""How often one export is submitted when its answers are lost and no job is found."""

CONFIRMATIONS = 3
"""A job that is not found so often in a row is lost (J03)."""

POLLS_FOR_LINK = 3
"""A completed export without a link is asked again so often (J05)."""

CLOCK_TOLERANCE = timedelta(minutes=2)
"""How far the service's clock may be behind ours when a job is recognised by its time."""

YOUNG_SECONDS = 60.0
"""Of a link's fifteen minutes (contract section 14)."""

REST_STEP_SECONDS = 1.0

SHOWN_ERRORS = 3


@dataclass(frozen=True)
class ExportRequest:
    """What one export job is asked for (contract section 14)."""

    resource_type: str
    format: Literal["json", "csv"] = "json"
    include_archived: bool = True
    filter: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Patience:
    """How a job is waited for; seconds."""

    first_poll_seconds: float = 1.0
    growth: float = 1.5
    most_poll_seconds: float = 30.0
    deadline_seconds: float = 7200.0

    def pause(self, poll: int) -> float:
        """How long to wait after so many polls, give or take a tenth."""
        wait = min(self.first_poll_seconds * self.growth**poll, self.most_poll_seconds)
        return wait * random.uniform(0.9, 1.1)  # noqa: S311 - spreads load, hides nothing


def _go_on() -> None:
    """Nobody asks to stop."""


def _unheard(job: Job) -> None:
    """Nobody wants to know."""
    del job


@dataclass(frozen=True)
class ExportJobs:
    """Triggers exports of one workspace and waits for them.

    Attributes:
        ptolemy: the workspace.
        patience: how often to ask, and how long.
        clock: all waiting goes through it.
        go_on: called before each wait; raises to end the waiting (a lost lease).
        changed: called with each job whose status is new.
    """

    ptolemy: Ptolemy
    patience: Patience = Patience()
    clock: Clock = field(default_factory=SystemClock)
    go_on: Callable[[], None] = _go_on
    changed: Callable[[Job], None] = _unheard

    def trigger(self, request: ExportRequest, known: Collection[str] = ()) -> Job:
        """Submit an export, or adopt the job of a submit whose answer was lost.

        Args:
            request: what to export.
            known: ids of jobs that are somebody else's for sure: other types of this backup.

        Raises:
            JobFailed: no answer came ``SUBMITS`` times, or no job could start until the deadline.
            ApiError: the service refuses the export.
        """
        deadline = self.clock.monotonic() + self.patience.deadline_seconds
        lost: ApiError | None = None
        waits = 0
        for _ in range(SUBMITS):
            began = self.clock.now()
            try:
                while (job := self._submitted(request, deadline)) is None:
                    self._rest(waits)
                    waits += 1
                return job
            except AnswerLost as error:
                lost = error
            if adopted := self.adopt(request, began, known):
                return adopted
        raise JobFailed(
            f"The export of {request.resource_type} was submitted {SUBMITS} times, no answer came, "
            f"and the list of jobs shows none of them: {lost}",
        )

    def adopt(self, request: ExportRequest, began: datetime, known: Collection[str]) -> Job | None:
        """The one job in the list that can only be ours; with two of them nobody can tell (J17).

        Args:
            request: what was asked for.
            began: when the submit was about to start.
            known: ids of jobs that are somebody else's for sure.
        """
        found = [
            job
            for job in self.ptolemy.exports.list()
            if job.resource_type == request.resource_type
            and job.format in ("", request.format)
            and _instant(job.created_at) >= began - CLOCK_TOLERANCE
            and job.id not in known
            and (job.is_completed or not job.is_final)
        ]
        return found[0] if len(found) == 1 else None

    def wait(self, job: Job) -> Job:
        """Poll until the job has ended well and has its link.

        Raises:
            JobFailed: it failed, was cancelled, ended some unknown way (D12), is lost, or has no
                link.
            JobOverdue: it has not ended by the deadline (J01).
        """
        deadline = self.clock.monotonic() + self.patience.deadline_seconds
        missed, linkless, status, polls = 0, 0, "", 0
        while True:
            if job.status != status:
                status = job.status
                self.changed(job)
            if _is_done(job):
                return job
            linkless += job.is_final
            if linkless > POLLS_FOR_LINK:
                raise JobFailed(f"{_named(job)} is completed and has no download link.")
            if self.clock.monotonic() >= deadline:
                raise self._overdue(job)
            self._rest(polls)
            polls += 1
            try:
                job = self.ptolemy.exports.get(job.id)
                missed = 0
            except NotFound as error:
                missed += 1
                if missed >= CONFIRMATIONS:
                    raise JobFailed(f"{_named(job)} is lost: {error}") from error
            except TransientError:
                continue  # the deadline ends this, not a poll (J02)

    def _overdue(self, job: Job) -> JobOverdue:
        return JobOverdue(
            f"{_named(job)} is still {job.status} after "
            f"{self.patience.deadline_seconds:.0f} seconds. Ptolemy offers no way to cancel an "
            "export: it may still end, unused.",
            next_step="ARMILLARY_JOB_SECONDS allows more time.",
        )

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
                job = self.ptolemy.exports.get(job_id)
                break
            except NotFound as error:
                raise JobFailed(f"Export job {job_id} is no longer kept: {error}") from error
            except TransientError:
                if self.clock.monotonic() >= deadline:
                    raise
            self._rest(waits)
            waits += 1
        if job.download_url is None:
            raise JobFailed(f"{_named(job)} is {job.status} and has no download link.")
        return job.download_url

    def _submitted(self, request: ExportRequest, deadline: float) -> Job | None:
        """The job, or None while the service asks to come back later (N13: jobs at once)."""
        try:
            return self.ptolemy.exports.create(
                request.resource_type,
                format=request.format,
                include_archived=request.include_archived,
                filter=request.filter,
            )
        except AnswerLost:
            raise
        except (Conflict, TransientError) as error:
            if self.clock.monotonic() >= deadline:
                raise JobFailed(
                    f"The export of {request.resource_type} could not be started within "
                    f"{self.patience.deadline_seconds:.0f} seconds: {error}"
                ) from error
            return None

    def _rest(self, polls: int) -> None:
        """Pause in short steps: whoever wants the run to end is not kept waiting."""
        left = self.patience.pause(polls)
        while left > 0:
            self.go_on()
            self.clock.sleep(min(left, REST_STEP_SECONDS))
            left -= REST_STEP_SECONDS
        self.go_on()


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


def _is_done(job: Job) -> bool:
    """Whether it has ended well and has its link; raises if it has ended any other way."""
    if job.is_final and not job.is_completed:
        raise _ended_badly(job)
    return job.is_final and job.download_url is not None


def _named(job: Job) -> str:
    return f"The export of {job.resource_type} (job {job.id})"


def _ended_badly(job: Job) -> JobFailed:
    reasons = "; ".join(_reason(error) for error in job.errors[:SHOWN_ERRORS])
    return JobFailed(f"{_named(job)} ended {job.status}{f': {reasons}' if reasons else '.'}")


def _instant(text: str) -> datetime:
    """A time as the service writes it; one that cannot be read is long ago."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _reason(error: Any) -> str:
    """An entry of ``errors``, whatever it is (N13), cut to a readable length."""
    text = str(error.get("message") or error) if isinstance(error, dict) else str(error)
    return text[:200]
