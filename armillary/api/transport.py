"""The one way a request leaves for Ptolemy: deadline, turn, attempts, count, and one error class.

Bottom up: ``wire`` moves bytes, ``throttle`` gives turns, ``meter`` counts, ``retry`` decides.
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
from armillary.api.connection import Connection
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
    """Requests to one workspace. Shared by threads; make it with ``connect`` or ``shared``.

    Args:
        connection: address, token and limits.
        clock: all waiting between attempts and for the rate limit.
        meter: counts the calls.
        wire: moves the bytes; a test of tables alone may give an ``httpx.MockTransport``.
        shared_limit: a limit on requests under way that several processes share.
    """

    def __init__(
        self,
        connection: Connection,
        *,
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
        self._outgoing = Outgoing(connection)
        self._timeouts = {
            "connect": connection.connect_timeout_seconds,
            "pool": connection.total_timeout_seconds,
            "read": connection.read_timeout_seconds,
            "write": connection.read_timeout_seconds,
        }

    def __repr__(self) -> str:
        return f"Transport({self.connection!r})"

    def with_single_attempts(self) -> Transport:
        """The same pool, turns and count, for a caller that repeats by itself.

        A 429 is still waited out: it is no attempt.
        """
        view = copy.copy(self)
        view._retrying = retry.attempts(replace(self.connection, attempts=1), self._clock, _tell)
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
            timeout_seconds=self._timeout(upload),
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
            left = self.meter.hear(response.headers, call.number)
            verdict = retry.verdict(response.status_code)
            if verdict is retry.Verdict.DONE:
                return self._answer(call, response)
            if verdict is retry.Verdict.AGAIN:
                call.asked_wait = retry.retry_after(response.headers, self._clock.now()) or 0.0
                raise self._lost(call, "the service failed.", response)
            if verdict is retry.Verdict.FINAL:
                raise self._final(call, response)
            self._wait_out(call, response, left)

    def _exchange(self, call: Call) -> httpx.Response | Fault:
        asked = self._clock.monotonic()
        call.ticket = self.throttle.enter()
        call.waited_seconds += self._clock.monotonic() - asked
        answered = False
        deadline = time.monotonic() + call.timeout_seconds
        try:
            call.number = self.meter.spend(call.method, call.template)
            request = call.build()
            request.extensions = {"deadline": deadline, "timeout": self._timeouts}
            response = self._wire.handle_request(request)
            answered = retry.verdict(response.status_code) is not retry.Verdict.LIMITED
        except WIRE_FAULTS as error:
            return fault_of(error, call, self.connection, deadline)
        else:
            return response
        finally:
            self.throttle.leave(answered=answered)

    def _answer(self, call: Call, response: httpx.Response) -> Answer:
        try:
            data = envelope.decode(response, may_be_empty=call.method == "DELETE")
            return Answer(response.status_code, data, response.headers)
        except envelope.UnreadableAnswer as error:
            why = str(error)
        raise self._lost(call, f"the answer cannot be read: {why}.", response)

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
        return self._error(AnswerLost if call.lost else TransientError, call, message, response)

    def _final(self, call: Call, response: httpx.Response) -> ApiError:
        kind, message = retry.error_for(response.status_code)
        if response.has_redirect_location:
            message = f"a redirect to {_host(response)} was not followed: the token stays here."
        error = self._error(kind, call, message, response)
        error.earlier_attempt_lost = call.lost
        return error

    def _error(
        self,
        kind: type[ApiError],
        call: Call,
        message: str,
        response: httpx.Response | None = None,
    ) -> ApiError:
        tried = f" This was attempt {call.attempt}." if call.attempt > 1 else ""
        about: dict[str, Any] = {"method": call.method, "path": call.path}
        if response is not None:
            about["status"] = response.status_code
            about["request_id"] = envelope.request_id(response.headers)
            about["body_start"] = envelope.body_start(response, self._secret)
            about["detail"] = envelope.error_words(response, self._secret)
            about["next_step"] = retry.ADVICE.get(response.status_code)
        return kind(envelope.redact(message, self._secret) + tried, **about)

    @property
    def _secret(self) -> str:
        return self.connection.token.get_secret_value()


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
