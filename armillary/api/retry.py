"""What Ptolemy's final answers mean, and the waits between attempts at any service."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import tenacity

from armillary.api.call import Call, Repeat
from armillary.api.endpoint import Endpoint
from armillary.clock import Clock
from armillary.errors import (
    AccessDenied,
    AnswerLost,
    ApiError,
    Conflict,
    NotFound,
    RequestRejected,
    TransientError,
    UnexpectedAnswer,
)

FIRST_WAIT_SECONDS = 0.5
LONGEST_WAIT_SECONDS = 10.0
LONGEST_LIMITED_WAIT_SECONDS = 60.0
PATIENT_AFTER = 3
"""From the fourth 429 in a row on, a ``Retry-After: 0`` is no longer taken at its word."""

_SECONDS = re.compile(r"[+-]?\d+(\.\d+)?")


BY_STATUS: Mapping[int, tuple[type[ApiError], str]] = {
    400: (RequestRejected, "the request was refused as malformed."),
    401: (AccessDenied, "the token is missing, revoked or expired."),
    403: (AccessDenied, "the token may not do this: its role, or the item quota (contract D20)."),
    404: (NotFound, "there is no such record."),
    409: (Conflict, "it contradicts what the workspace holds."),
    412: (Conflict, "it was changed by somebody else meanwhile."),
    413: (RequestRejected, "the request is too large."),
    422: (RequestRejected, "the values were refused."),
}
"""Answers that no repeat of the same request can change."""

ADVICE: Mapping[int, str] = {
    401: "Make a new robot token in Ptolemy, put it in the connection, start the run again.",
    403: "Give the robot the role Member. If it has that role, the plan's item quota is used up: "
    "see the billing page of the workspace.",
}


def error_for(status: int) -> tuple[type[ApiError], str]:
    """The error class and message of a final answer."""
    return BY_STATUS.get(status, (UnexpectedAnswer, "the contract knows no such answer."))


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """The wait an answer asks for, in seconds; None when it does not say so readably.

    Seconds or an HTTP date; what lies in the past is 0 (``reliability.md`` A02). A date is
    measured from the answer's own ``Date``, so that a clock set wrongly here does no harm (T01).
    """
    text = headers.get("retry-after", "").strip()
    if _SECONDS.fullmatch(text):
        return max(0.0, float(text))
    until = _http_date(text)
    if until is None:
        return None
    return max(0.0, (until - (_http_date(headers.get("date", "")) or now)).total_seconds())


def _http_date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except (TypeError, ValueError, IndexError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def limited_wait(asked: float | None, times: int) -> float:
    """How long to pause upon the ``times``-th 429 of one request.

    Without a readable wish: exponential with full jitter (A03). A service that keeps saying "now"
    and keeps refusing is not hammered.
    """
    if asked is not None and times <= PATIENT_AFTER:
        return asked
    ceiling = min(LONGEST_LIMITED_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2.0 ** min(times, 10))
    own = random.uniform(0, ceiling)  # noqa: S311 - spreads load, keeps no secret
    return own if asked is None else max(asked, own)


def attempts(
    connection: Endpoint, clock: Clock, tell: Callable[[Call, int, float], None]
) -> tenacity.Retrying:
    """The retrying of a transport: ``attempts(...)(function, call)``; safe for many threads.

    Args:
        connection: how often, and for how long.
        clock: does the waiting.
        tell: told before each wait: the call, the attempt that failed, the wait in seconds.
    """
    doubling = tenacity.wait_exponential(multiplier=FIRST_WAIT_SECONDS, max=LONGEST_WAIT_SECONDS)
    backoff = doubling + tenacity.wait_random(0, FIRST_WAIT_SECONDS)

    def wait(state: tenacity.RetryCallState) -> float:
        return max(backoff(state), _call(state).asked_wait)

    def stop(state: tenacity.RetryCallState) -> bool:
        spent = _call(state).spent(clock) + state.upcoming_sleep
        used_up = state.attempt_number >= connection.attempts
        return used_up or spent > connection.attempts_window_seconds

    def before_sleep(state: tenacity.RetryCallState) -> None:
        tell(_call(state), state.attempt_number, state.upcoming_sleep)

    return tenacity.Retrying(
        sleep=clock.sleep,
        stop=stop,
        wait=wait,
        retry=lambda state: may_repeat(_call(state).repeat, _error(state)),
        before_sleep=before_sleep,
        reraise=True,
    )


def may_repeat(repeat: Repeat, error: BaseException | None) -> bool:
    """Whether the same request may be sent again after this error."""
    if not isinstance(error, TransientError):
        return False
    return repeat is not Repeat.ONCE or not isinstance(error, AnswerLost)


def _call(state: tenacity.RetryCallState) -> Call:
    call: Call = state.args[0]
    return call


def _error(state: tenacity.RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome is not None else None
