"""The one way a request leaves for a service: deadline, turn, attempts, count, one error class.

Bottom up: ``wire`` moves bytes, ``throttle`` gives turns, ``meter`` counts, ``dialect`` says what
an answer means, ``retry`` repeats.
"""

from __future__ import annotations

import copy
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import httpx

from armillary.api import envelope, retry
from armillary.api.call import Call, Repeat
from armillary.api.credentials import Credentials, Nobody
from armillary.api.dialect import Dialect, Judgement, Verdict
from armillary.api.endpoint import Endpoint
from armillary.api.faults import WIRE_FAULTS, Fault, fault_of
from armillary.api.meter import Meter
from armillary.api.outgoing import Outgoing, Upload, filled
from armillary.api.shared_limit import SharedLimit
from armillary.api.throttle import throttle_for
from armillary.api.wire import Wire
from armillary.clock import Clock
from armillary.errors import (
    AnswerLost,
    ApiError,
    ConfigurationError,
    QuotaExhausted,
    RateLimited,
    TransientError,
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Answer:
    """A success. ``data`` is the decoded JSON, None where there is no body."""

    status: int
    data: Any = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)


@dataclass(slots=True)
class Learned:
    """What this server turned out to want where its documents disagree; kept for the process."""

    export_key: str = "object_type"
    limit_refused: set[str] = field(default_factory=set)
    workspace_path: str = ""


class Transport:
    """Requests to one base address. Shared by threads; a client's ``connect`` makes it.

    Args:
        connection: address and limits.
        credentials: who calls.
        dialect: what the service's answers mean.
        clock: all waiting between attempts and for the rate limit.
        meter: counts the calls.
        wire: moves the bytes; a test of tables alone may give an ``httpx.MockTransport``.
        shared_limit: a limit on requests under way that several processes share.
    """

    def __init__(
        self,
        connection: Endpoint,
        *,
        credentials: Credentials,
        dialect: Dialect,
        clock: Clock,
        meter: Meter,
        wire: httpx.BaseTransport | None = None,
        shared_limit: SharedLimit | None = None,
    ) -> None:
        self.connection = connection
        self.meter = meter
        self.learned = Learned()
        self.throttle = throttle_for(connection, clock, shared_limit)
        self._clock = clock
        self._wire = wire or Wire(connection)
        self._retrying = retry.attempts(connection, clock, _tell)
        self._dialect = dialect
        self._credentials = credentials
        self._outgoing = Outgoing(connection.base_url, credentials)

    def __repr__(self) -> str:
        return f"Transport({self.connection!r})"

    def with_single_attempts(self) -> Transport:
        """The same pool, turns and count, for a caller that repeats by itself.

        A 429 is still waited out: it is no attempt.
        """
        view = copy.copy(self)
        view._retrying = retry.attempts(replace(self.connection, attempts=1), self._clock, _tell)
        return view

    def as_nobody(self) -> Transport:
        """The same pool, turns and count for requests without a token, such as a login."""
        view = copy.copy(self)
        view._outgoing = Outgoing(self.connection.base_url, Nobody(self._credentials))
        return view

    def close(self) -> None:
        """Close every connection, also for views made of this transport."""
        self._wire.close()
        self.throttle.rest()

    def request(
        self,
        method: str,
        template: str,
        *,
        repeat: Repeat,
        record: str | None = None,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        upload: Upload | None = None,
        timeout_seconds: float | None = None,
    ) -> Answer:
        """Make one request and return its success.

        Args:
            method: as in ``PATCH``.
            template: path below the workspace; ``{id}`` stands for the record.
            repeat: what may be done when no usable answer comes.
            record: UUID or identifier; any character survives (contract N3).
            params: query values; None is left out, a list is joined by commas.
            json: the body.
            upload: a file to send instead of a body.
            timeout_seconds: for one attempt, silence included; None: as the connection says.

        Raises:
            TransientError: no usable answer after the attempts there are.
            AnswerLost: the same for a write that may have been carried out.
            RateLimited, QuotaExhausted, AccessDenied, RunStopped, NoTurn: the run is over.
            RequestRejected: this record only.
            UnexpectedAnswer: a redirect, or a status outside the contract.
            ConfigurationError: the server's certificate cannot be trusted, or the shared limit is
                not there.
        """
        path = filled(method, template, record)
        call = Call(
            method=method,
            path=path or "/",
            template=template or "/",
            repeat=repeat,
            build=self._outgoing.builder(method, path, params=params, json=json, upload=upload),
            timeout_seconds=timeout_seconds or self._timeout(upload),
            read_timeout_seconds=timeout_seconds or self.connection.read_timeout_seconds,
            started=self._clock.monotonic(),
        )
        return self._retrying(self._attempt, call)

    def _timeout(self, upload: Upload | None) -> float:
        if upload is None:
            return self.connection.total_timeout_seconds
        return self.connection.upload_timeout_seconds

    def _attempt(self, call: Call) -> Answer:
        """One attempt; a 429 is none, it only takes longer."""
        call.attempt += 1
        call.asked_wait = 0.0
        while True:
            response = self._exchange(call)
            if isinstance(response, Fault):
                raise self._fault_error(call, response)
            left = self._quota_left(call, response)
            judged = self._dialect.judge(response, may_be_empty=call.method == "DELETE")
            if judged.verdict is Verdict.DONE:
                return Answer(response.status_code, judged.data, response.headers)
            if judged.verdict is Verdict.AGAIN:
                raise self._again(call, judged, response)
            if judged.verdict is Verdict.FINAL:
                raise self._final(call, judged, response)
            self._wait_out(call, response, left)

    def _quota_left(self, call: Call, response: httpx.Response) -> int | None:
        if not self._dialect.tells_quota:
            return None
        return self.meter.hear(response.headers, call.number)

    def _exchange(self, call: Call) -> httpx.Response | Fault:
        asked = self._clock.monotonic()
        call.ticket = self.throttle.enter()
        call.waited_seconds += self._clock.monotonic() - asked
        answered = False
        deadline = time.monotonic() + call.timeout_seconds
        try:
            call.number = self.meter.spend(call.method, call.template)
            request = call.build()
            request.extensions = {"deadline": deadline, "timeout": self._timeouts(call)}
            response = self._wire.handle_request(request)
            answered = response.status_code != httpx.codes.TOO_MANY_REQUESTS
        except WIRE_FAULTS as error:
            return fault_of(error, call, self.connection, deadline)
        else:
            return response
        finally:
            self.throttle.leave(answered=answered)

    def _timeouts(self, call: Call) -> dict[str, float]:
        return {
            "connect": self.connection.connect_timeout_seconds,
            "pool": call.timeout_seconds,
            "read": call.read_timeout_seconds,
            "write": call.read_timeout_seconds,
        }

    def _wait_out(self, call: Call, response: httpx.Response, left: int | None) -> None:
        if left == 0:
            raise self._error(
                QuotaExhausted, call, "no API calls are left in the billing period.", response
            )
        call.limited_times += 1
        asked = retry.retry_after(response.headers, self._clock.now())
        seconds = retry.limited_wait(asked, call.limited_times)
        most = self.connection.max_retry_after_seconds
        call.limited_seconds += seconds
        if seconds > most or call.limited_seconds > 2 * most:
            raise _told_to_wait(call, seconds, most)
        logger.info(
            "%s %s: told to wait; all workers pause for %.1f s", call.method, call.path, seconds
        )
        self.throttle.pause(seconds, call.ticket)

    def _fault_error(self, call: Call, fault: Fault) -> ApiError | ConfigurationError:
        if fault.untrusted:
            return ConfigurationError(
                fault.message,
                next_step="Nothing was sent. Correct the address, or add the authority that "
                "issued the certificate with SSL_CERT_FILE; verification is never switched off.",
            )
        if fault.sent:
            return self._lost(call, fault.message)
        kind = AnswerLost if call.lost else TransientError
        return self._error(kind, call, fault.message)

    def _lost(self, call: Call, message: str, response: httpx.Response | None = None) -> ApiError:
        """No usable answer to a request that went out: a write may have been carried out."""
        call.lost = call.repeat is not Repeat.READ
        kind = AnswerLost if call.lost else TransientError
        advice = self._dialect.lost_advice if call.lost else None
        return self._error(kind, call, message, response, advice)

    def _again(self, call: Call, judged: Judgement, response: httpx.Response) -> ApiError:
        asked = retry.retry_after(response.headers, self._clock.now())
        call.asked_wait = asked or 0.0
        if judged.refused and not call.lost:
            error = self._error(judged.kind, call, judged.message, response, judged.advice)
        else:
            error = self._lost(call, judged.message, response)
        error.status = judged.status or error.status
        if isinstance(error, TransientError):
            error.wait_seconds = asked
        return error

    def _final(self, call: Call, judged: Judgement, response: httpx.Response) -> ApiError:
        message = judged.message
        if response.has_redirect_location:
            message = f"a redirect to {_host(response)} was not followed: the token stays here."
        error = self._error(judged.kind, call, message, response, judged.advice)
        error.status = judged.status or error.status
        error.earlier_attempt_lost = call.lost
        return error

    def _error(
        self,
        kind: type[ApiError],
        call: Call,
        message: str,
        response: httpx.Response | None = None,
        advice: str | None = None,
    ) -> ApiError:
        secrets = self._credentials.secrets()
        tried = f" This was attempt {call.attempt}." if call.attempt > 1 else ""
        about: dict[str, Any] = {"method": call.method, "path": call.path}
        if response is not None:
            about["status"] = response.status_code
            about["request_id"] = self._dialect.request_id(response)
            about["body_start"] = envelope.body_start(response, *secrets)
            about["detail"] = self._dialect.words(response, secrets)
        return kind(envelope.redact(message, *secrets) + tried, next_step=advice, **about)


def _tell(call: Call, attempt: int, seconds: float) -> None:
    logger.info(
        "%s %s: attempt %d failed; again in %.1f s", call.method, call.path, attempt, seconds
    )


def _told_to_wait(call: Call, seconds: float, most: float) -> RateLimited:
    return RateLimited(
        f"told to wait {seconds:.0f} seconds ({call.limited_seconds:.0f} in all for this request); "
        f"a run waits {most:.0f} at a time and {2 * most:.0f} in all.",
        retry_after_seconds=seconds,
        method=call.method,
        path=call.path,
    )


def _host(response: httpx.Response) -> str:
    """Only the host: the rest of a Location may hold a secret."""
    try:
        host = httpx.URL(response.headers["location"]).host
    except httpx.InvalidURL:
        return "an unreadable address"
    return f"host {host}" if host else "another path of the same host"
