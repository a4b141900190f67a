"""Exports and imports as jobs: trigger one, then wait for it; each alone, as Prefect's jobs are.

A submit whose answer was lost may have made a job: the list of jobs is asked before another one
is made (``reliability.md`` A10, A11). Whoever waits polls with growing pauses, because each poll
is a call somebody pays for, and always under a deadline.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Protocol

from armillary.api.models import Job
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

CONFIRMATIONS = 3
"""A job that is not found so often in a row is lost (J03)."""

POLLS_FOR_REST = 3
"""A completed job that still lacks something, such as its link, is asked again so often (J05)."""

CLOCK_TOLERANCE = timedelta(minutes=2)
"""How far the service's clock may be behind ours when a job is recognised by its time."""

REST_STEP_SECONDS = 1.0

SHOWN_ERRORS = 3


class Service(Protocol):
    """``/exports`` or ``/imports``."""

    def get(self, job_id: str) -> Job:
        """A job as it stands now."""
        ...

    def list(self) -> list[Job]:
        """All jobs that are still remembered."""
        ...


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
class JobRunner:
    """Triggers jobs of one kind in one workspace, and waits for them.

    Attributes:
        service: where they are made.
        patience: how often to ask, and how long.
        clock: all waiting goes through it.
        go_on: called before each wait; raises to end the waiting (a lost lease).
        changed: called with each job whose status is new.
    """

    service: Service
    patience: Patience = Patience()
    clock: Clock = field(default_factory=SystemClock)
    go_on: Callable[[], None] = _go_on
    changed: Callable[[Job], None] = _unheard

    noun: ClassVar[str] = "import"
    submits: ClassVar[int] = 1
    """How often one is submitted when its answers are lost and no job is found. A second import
    could do everything twice: never (A11)."""
    overdue: ClassVar[str] = "It may still end: cancel it, or look at it in Ptolemy."

    def trigger_by(
        self,
        submit: Callable[[], Job],
        resource_type: str,
        known: Collection[str] = (),
        file_format: str = "",
    ) -> Job:
        """Submit a job, or adopt the one of a submit whose answer was lost.

        Args:
            submit: makes it.
            resource_type: of its rows.
            known: ids of jobs that are somebody else's for sure.
            file_format: of an export; a job of another one is somebody else's.

        Raises:
            JobFailed: no answer came, or no job could start until the deadline.
            ApiError: the service refuses it.
        """
        deadline = self.clock.monotonic() + self.patience.deadline_seconds
        lost: ApiError | None = None
        waits = 0
        for _ in range(self.submits):
            began = self.clock.now()
            try:
                while (job := self._submitted(submit, resource_type, deadline)) is None:
                    self._rest(waits)
                    waits += 1
                return job
            except AnswerLost as error:
                lost = error
            if adopted := self.adopt(resource_type, began, known, file_format):
                return adopted
        times = "once" if self.submits == 1 else f"{self.submits} times"
        raise JobFailed(
            f"The {self.noun} of {resource_type} was submitted {times}, no answer came, and the "
            f"list of jobs shows none of them: {lost}",
        )

    def adopt(
        self,
        resource_type: str,
        began: datetime,
        known: Collection[str],
        file_format: str = "",
    ) -> Job | None:
        """The one job in the list that can only be ours; with two of them nobody can tell (J17).

        Args:
            resource_type: what was asked for.
            began: when the submit was about to start.
            known: ids of jobs that are somebody else's for sure.
            file_format: of an export, where the service tells it.
        """
        found = [
            job
            for job in self.service.list()
            if job.resource_type == resource_type
            and (not file_format or job.format in ("", file_format))
            and _instant(job.created_at) >= began - CLOCK_TOLERANCE
            and job.id not in known
            and (job.is_completed or not job.is_final)
        ]
        return found[0] if len(found) == 1 else None

    def wait(self, job: Job) -> Job:
        """Poll until the job has ended well.

        Raises:
            JobFailed: it failed, was cancelled, ended some unknown way (D12), is lost, or is not
                ``whole``.
            JobOverdue: it has not ended by the deadline (J01).
        """
        deadline = self.clock.monotonic() + self.patience.deadline_seconds
        missed, lacking, status, polls = 0, 0, "", 0
        while True:
            if job.status != status:
                status = job.status
                self.changed(job)
            if job.is_final and not job.is_completed:
                raise self._ended_badly(job)
            if job.is_final and not self.lacks(job):
                return job
            lacking += job.is_final
            if lacking > POLLS_FOR_REST:
                raise JobFailed(f"{self.named(job)} is completed and has {self.lacks(job)}.")
            if self.clock.monotonic() >= deadline:
                raise self._overdue(job)
            self._rest(polls)
            polls += 1
            try:
                job = self.service.get(job.id)
                missed = 0
            except NotFound as error:
                missed += 1
                if missed >= CONFIRMATIONS:
                    raise JobFailed(f"{self.named(job)} is lost: {error.message}") from error
            except TransientError:
                continue  # the deadline ends this, not a poll (J02)

    def lacks(self, job: Job) -> str:
        """What a completed job does not have yet, in words; blank for nothing."""
        del job
        return ""

    def named(self, job: Job) -> str:
        """For people."""
        return f"The {self.noun} of {job.resource_type} (job {job.id})"

    def _submitted(
        self, submit: Callable[[], Job], resource_type: str, deadline: float
    ) -> Job | None:
        """The job, or None while the service asks to come back later (N13: jobs at once)."""
        try:
            return submit()
        except AnswerLost:
            raise
        except (Conflict, TransientError) as error:
            if self.clock.monotonic() >= deadline:
                raise JobFailed(
                    f"The {self.noun} of {resource_type} could not be started within "
                    f"{self.patience.deadline_seconds:.0f} seconds: {error}"
                ) from error
            return None

    def _overdue(self, job: Job) -> JobOverdue:
        return JobOverdue(
            f"{self.named(job)} is still {job.status} after "
            f"{self.patience.deadline_seconds:.0f} seconds. {self.overdue}",
            next_step="ARMILLARY_JOB_SECONDS allows more time.",
        )

    def _ended_badly(self, job: Job) -> JobFailed:
        reasons = "; ".join(_reason(error) for error in job.errors[:SHOWN_ERRORS])
        why = f": {reasons}" if reasons else ""
        return JobFailed(f"{self.named(job)} ended {job.status}{why}.")

    def _rest(self, polls: int) -> None:
        """Pause in short steps: whoever wants the run to end is not kept waiting."""
        left = self.patience.pause(polls)
        while left > 0:
            self.go_on()
            self.clock.sleep(min(left, REST_STEP_SECONDS))
            left -= REST_STEP_SECONDS
        self.go_on()


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
    return text[:200].rstrip(".")
