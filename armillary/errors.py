"""Every error of Armillary, sorted by what the caller does next.

    ArmillaryError                  what happened, to which record, what it means, what to do next
    ├── ConfigurationError          a person mends a setting, block, parameter or feed definition
    ├── FeedRefused                 the source as a whole cannot be trusted; nothing was written
    ├── PlanRefused                 a plan exists or could not be made; a person decides
    ├── RunStopped                  the run ended early; what was not attempted is listed
    │   ├── LeaseLost               ... because its lease ended: another run may be writing
    │   └── NoTurn                  ... because a limit that processes share gave it no slot
    ├── JobFailed                   an export or import job ended badly
    │   └── JobOverdue              ... or has not ended in time: it still may
    ├── TransferFailed              an export could not be brought into the bucket whole
    ├── ExportDamaged               a file of an export is cut off, or no rows at all
    ├── StoreFailed                 the S3 service failed; the same may work later
    ├── BackupDamaged               what lies in the bucket is not what the backup wrote
    │   ├── ManifestDamaged         ... its manifest: the backup is not trusted
    │   └── FileDamaged             ... one of its files
    ├── LeaseHeld                   another run is at it: end without doing anything
    └── ApiError                    a request failed; keeps method, path, status, request id, body
        ├── TransientError          the same request may work later
        │   ├── AnswerLost          ... and it may already have been carried out
        │   ├── VenueBusy           ... when the other refresh of that venue has ended
        │   └── CursorExpired       ... from page one: the next page is no longer to be had
        ├── RateLimited             told to wait longer than a run may wait: end the run
        ├── QuotaExhausted          no calls are left in the billing period: end the run
        ├── AccessDenied            401 or 403: no repeat can help: end the run
        ├── RequestRejected         400, 409, 413, 422: this record only; the others go on
        │   ├── NotFound            404
        │   └── Conflict            409
        └── UnexpectedAnswer        not what the contract says: stop rather than guess
            └── PagesLeadNowhere    ... a list goes round or breaks off: it proves nothing

The class says what the caller does, never what the server's text said (contract N1).
"""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

BODY_START_CHARS = 500


class ArmillaryError(Exception):
    """Base of all. ``str()`` is one message for a person: the fact, then what to do next."""

    next_step: ClassVar[str] = ""

    def __init__(self, message: str, *, next_step: str | None = None) -> None:
        self.message = message
        self.advice = self.next_step if next_step is None else next_step
        super().__init__(message)

    def __str__(self) -> str:
        return f"{self.message} {self.advice}".strip()

    def __repr__(self) -> str:
        # Prefect logs an error by its repr; a person has to be able to work with it.
        return f"{type(self).__name__}: {self}"


class ConfigurationError(ArmillaryError):
    """A setting, block, parameter or feed definition has to be mended by a person."""


class FeedRefused(ArmillaryError):
    """The source cannot be trusted as a whole. Nothing was written."""

    next_step = (
        "Nothing was written. Ask for the file again, or mend it, then start the sync again."
    )


class PlanRefused(ArmillaryError):
    """A plan must not be applied as it stands: a person decides."""

    next_step = "Nothing was written."


class RunStopped(ArmillaryError):
    """The run ended before all was attempted. The result says what was left."""


class LeaseLost(RunStopped):
    """The run's lease ended or was taken over: it must not write any more."""

    next_step = (
        "Nothing is written from here on. When no other run is under way, start this one again: "
        "it finishes what is missing."
    )


class NoTurn(RunStopped):
    """A limit that several processes share gave the run no slot, or could not be asked for one.

    The request that waited was not sent.
    """

    next_step = (
        "Nothing is sent to Ptolemy without a slot. Start the run again when the Prefect server "
        "answers; what was done is not done twice."
    )


class JobFailed(ArmillaryError):
    """An export or import job failed, was cancelled, is lost, or could not be made."""


class JobOverdue(JobFailed):
    """A job has not ended in time. It may still end; the next backup makes a job of its own."""


class TransferFailed(ArmillaryError):
    """An export could not be had whole; nothing of it is left in the bucket."""


class ExportDamaged(ArmillaryError):
    """The file of an export is cut off, damaged, or something else than rows."""


class StoreFailed(ArmillaryError):
    """The S3 service failed or could not be reached, after the SDK's own repeats."""

    next_step = "Start again when the store answers."


class BackupDamaged(ArmillaryError):
    """What lies in the bucket is not what the backup wrote there."""


class ManifestDamaged(BackupDamaged):
    """A manifest cannot be read, or cannot be believed: its backup is not used."""


class FileDamaged(BackupDamaged):
    """A stored file is gone, cut off, changed, or does not hold what the manifest says."""


class LeaseHeld(ArmillaryError):
    """Another run holds the lease. Nothing was done.

    ``owner`` is how the other run names itself, ``since`` when it took the lease, ``until`` when
    the lease ends unless it is renewed (both in UTC).
    """

    def __init__(
        self,
        message: str,
        *,
        owner: str,
        since: datetime,
        until: datetime,
        next_step: str | None = None,
    ) -> None:
        self.owner = owner
        self.since = since
        self.until = until
        super().__init__(message, next_step=next_step)


class ApiError(ArmillaryError):
    """A request to Ptolemy or Cadenza failed.

    Keeps what support asks for and never the token: the path has no query string, and
    ``body_start`` is at most ``BODY_START_CHARS`` characters of the answer. ``detail`` is what
    that body says in words, blank when it says nothing readable (contract N1).
    ``earlier_attempt_lost`` tells that the same write was sent before and got no answer: a 404 or
    409 may then be the echo of our own success (``reliability.md`` A12).
    """

    def __init__(
        self,
        message: str,
        *,
        method: str,
        path: str,
        status: int | None = None,
        request_id: str | None = None,
        body_start: str = "",
        detail: str = "",
        next_step: str | None = None,
    ) -> None:
        self.method = method
        self.path = path
        self.status = status
        self.request_id = request_id
        self.body_start = body_start[:BODY_START_CHARS]
        self.detail = detail[:BODY_START_CHARS]
        self.earlier_attempt_lost = False
        super().__init__(message, next_step=next_step)

    def __str__(self) -> str:
        answer = f" {self.status}" if self.status is not None else ""
        about = f" (request {self.request_id})" if self.request_id else ""
        words = self.detail or self.body_start
        said = f" It said: {words}" if words else ""
        return (
            f"{self.method} {self.path}{answer}{about}: {self.message}{said} {self.advice}".strip()
        )


class TransientError(ApiError):
    """The same request may work later: 5xx, no connection, an unreadable answer to a read.

    ``wait_seconds`` is how long the answer asked to wait (Retry-After), None when it did not.
    """

    next_step = "Start the run again later; what was done is not done twice."
    wait_seconds: float | None = None


class AnswerLost(TransientError):
    """A write was sent and no usable answer came: it may have been carried out.

    The caller looks the record up before it repeats anything (contract section 19).
    """

    next_step = "The next run looks the record up and finishes what is missing."


class VenueBusy(TransientError):
    """Cadenza did not get the lock of the venue: a refresh of it is under way (its 22014)."""

    next_step = "Wait until the other refresh of the venue has ended, then start the run again."


class CursorExpired(TransientError):
    """The next page was refused: the pages read so far are worth nothing (contract N8).

    ``armillary.api.paging.read_all`` starts again from page one.
    """

    next_step = "Start the reading again from the first page."


class RateLimited(ApiError):
    """429 with a wait longer than ``max_retry_after_seconds`` (contract D19)."""

    def __init__(self, message: str, *, retry_after_seconds: float, method: str, path: str) -> None:
        self.retry_after_seconds = retry_after_seconds
        super().__init__(
            message,
            method=method,
            path=path,
            status=429,
            next_step=f"Start the run again in {retry_after_seconds:.0f} seconds.",
        )


class QuotaExhausted(ApiError):
    """429 with no calls left in the billing period: no repeat can help (contract D19)."""

    next_step = (
        "Every further call is refused until the billing period ends: raise the plan or switch "
        "overage on in Ptolemy, then start the run again."
    )


class AccessDenied(ApiError):
    """401 (token) or 403 (role, or the item quota: contract D20). Never retried."""


class RequestRejected(ApiError):
    """The service refuses this record as it is; a repeat cannot help, other records go on."""

    next_step = "Mend the record in the source; the next run tries it again."


class NotFound(RequestRejected):
    """404: the record, or the whole path, is not there (contract section 18)."""


class Conflict(RequestRejected):
    """409: duplicate identifier, overlapping period, or a restore that is not possible."""


class UnexpectedAnswer(ApiError):
    """An answer outside the contract; guessing could do harm, so the run stops."""

    next_step = "Nothing is guessed: report the request and its answer to Ptolemy's support."


class PagesLeadNowhere(UnexpectedAnswer):
    """The pages of a list go round in a circle or break off (``reliability.md`` A27).

    What was read of them is real, but what was not read proves nothing.
    """
