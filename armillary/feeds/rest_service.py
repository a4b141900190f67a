"""Asking a REST service for one page: who asks, how long, how often, and what an answer means."""

from __future__ import annotations

import base64
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import urlsplit

import httpcore
import httpx
import msgspec
from httpx import codes
from pydantic import SecretStr

from armillary import __version__
from armillary.api.endpoint import Endpoint
from armillary.api.faults import WIRE_FAULTS
from armillary.api.retry import (
    FIRST_WAIT_SECONDS,
    LONGEST_WAIT_SECONDS,
    limited_wait,
    retry_after,
)
from armillary.api.wire import MAX_ANSWER_BYTES, AnswerTooLong, Wire
from armillary.clock import Clock
from armillary.errors import ConfigurationError
from armillary.feeds.content import looks_like
from armillary.feeds.rest_definition import RestDefinition
from armillary.feeds.rest_paging import NEXT, Ask

ATTEMPTS = 4
LONGEST_PAUSE_SECONDS = 300.0
"""What one page may spend on waiting because the service asked for it; more ends the reading."""

_CONNECT_SECONDS = 10.0
_SILENCE_SECONDS = 30.0
_LATER = frozenset({408, 500, 502, 503, 504})
_MEANS: Mapping[int, str] = {
    400: "the request was refused as malformed",
    401: "the token or password is missing, wrong or expired",
    403: "these credentials may not read it",
    404: "there is no such address",
    405: "this method is not allowed there",
}

_decode = msgspec.json.Decoder(float_hook=str).decode
"""Fractions stay the text they were written in."""


class PageFailed(Exception):
    """A page did not come: ``why`` in words without anything secret, and what to do next."""

    def __init__(self, why: str, next_step: str) -> None:
        super().__init__(why)
        self.why, self.next_step = why, next_step


@dataclass(frozen=True)
class _Attempt:
    """What came of one request: ``why`` it is of no use is blank where it is of use."""

    answer: httpx.Response | None
    why: str = ""
    data: Any = field(default=None, repr=False)
    final: bool = False
    limited: bool = False


class RestService:
    """A connection to the service of one feed; ends with the block."""

    def __init__(
        self,
        definition: RestDefinition,
        *,
        password: SecretStr | None,
        token: SecretStr | None,
        clock: Clock,
        once: bool = False,
    ) -> None:
        """Nothing is sent yet.

        Args:
            definition: Which service, and how to ask.
            password: Of its user.
            token: Or what opens it instead.
            clock: Does the waiting.
            once: Each page is asked for once, and nothing is waited for.

        Raises:
            ConfigurationError: The credentials are incomplete.
        """
        self._definition = definition
        self._clock = clock
        self._once_only = once
        self._headers, self._secret_params = _credentials(definition, password, token)
        self._wire = Wire(Endpoint(_origin(definition.url), max_in_flight=1))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *ended: object) -> None:
        self._wire.close()

    def page(self, ask: Ask) -> tuple[httpx.Response, Any]:
        """The answer to one request, and its JSON with fractions as the text they were.

        Raises:
            PageFailed: It did not come after all attempts, or no attempt can help.
        """
        paused = 0.0
        limited = failed = 0
        while True:
            attempt = self._once(ask)
            if attempt.answer is not None and not attempt.why:
                return attempt.answer, attempt.data
            if attempt.limited:
                limited += 1
                wait = limited_wait(self._asked(attempt), limited)
            else:
                failed += 1
                backoff = min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2.0**failed)
                wait = max(self._asked(attempt) or 0.0, backoff)
            if attempt.final or self._once_only or failed >= ATTEMPTS:
                raise PageFailed(attempt.why, _advice(attempt.answer))
            paused += wait
            if paused > LONGEST_PAUSE_SECONDS:
                raise PageFailed(
                    f"{attempt.why}, and it is to be asked again in {wait:,.0f} seconds; a run "
                    f"waits {LONGEST_PAUSE_SECONDS:,.0f} for a page, all in all",
                    f"{NEXT}Start the sync again in {wait:,.0f} seconds.",
                )
            self._clock.sleep(wait)

    def _asked(self, attempt: _Attempt) -> float | None:
        answer = attempt.answer
        return None if answer is None else retry_after(answer.headers, self._clock.now())

    def _once(self, ask: Ask) -> _Attempt:
        # Sockets wait in real time, whatever a test's clock says.
        deadline = time.monotonic() + self._definition.timeout_seconds
        request = self._request(ask, deadline)
        try:
            answer = self._wire.handle_request(request)
        except WIRE_FAULTS as error:
            # Only words leave: the error's frames hold the headers, and with them the token.
            return _fault(error, self._definition, deadline)
        if not answer.is_success:
            return _refusal(answer)
        try:
            return _Attempt(answer, data=_decode(answer.content))
        except (msgspec.DecodeError, UnicodeDecodeError):
            found = looks_like(answer.content) or "no JSON"
            return _Attempt(answer, f"its answer is {found}, where JSON is expected")

    def _request(self, ask: Ask, deadline: float) -> httpx.Request:
        paging = dict(ask.paging)
        in_body = self._definition.method == "POST" and self._definition.paging.style != "link"
        params = {
            **(self._definition.params if ask.url == self._definition.url else {}),
            **({} if in_body else paging),
            **self._secret_params,
        }
        url = httpx.URL(ask.url)
        body = None
        if self._definition.method == "POST":
            body = {**(self._definition.body or {}), **(paging if in_body else {})}
        return httpx.Request(
            self._definition.method,
            url.copy_merge_params(params) if params else url,
            headers=self._headers,
            json=body,
            extensions={
                "deadline": deadline,
                "timeout": {
                    "connect": _CONNECT_SECONDS,
                    "read": min(_SILENCE_SECONDS, self._definition.timeout_seconds),
                    "write": _SILENCE_SECONDS,
                    "pool": _CONNECT_SECONDS,
                },
            },
        )


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _credentials(
    definition: RestDefinition, password: SecretStr | None, token: SecretStr | None
) -> tuple[dict[str, str], dict[str, str]]:
    """Headers and parameters that open the service."""
    headers = {
        "Accept": "application/json",
        "Accept-Encoding": "gzip, deflate",
        "User-Agent": f"armillary/{__version__}",
    }
    if definition.username:
        if password is None or token is not None:
            given = "a token" if token is not None else "no password"
            raise ConfigurationError(
                f"Feed {definition.name} has a username and {given}.",
                next_step="Give a password (in a file: password_variable), or leave username out, "
                "then start again.",
            )
        pair = f"{definition.username}:{password.get_secret_value()}".encode()
        return headers | {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}, {}
    if token is None:
        if definition.header_name or definition.token_parameter or password is not None:
            missing = "a password and no username" if password is not None else "no token"
            raise ConfigurationError(
                f"Feed {definition.name} has {missing}.",
                next_step="Give username and password, or a token (in a file: password_variable, "
                "token_variable), then start again.",
            )
        return headers, {}
    value = token.get_secret_value()
    if definition.token_parameter:
        return headers, {definition.token_parameter: value}
    if not (value.isascii() and value.isprintable()):
        raise ConfigurationError(
            f"The token of feed {definition.name} has characters that no header can carry.",
            next_step="Copy the token again, then start again.",
        )
    if definition.header_name:
        return headers | {definition.header_name: value}, {}
    return headers | {"Authorization": f"Bearer {value}"}, {}


def _refusal(answer: httpx.Response) -> _Attempt:
    status = answer.status_code
    if status == codes.TOO_MANY_REQUESTS:
        return _Attempt(answer, "it answers 429: too many requests", limited=True)
    if status in _LATER:
        return _Attempt(answer, f"it answers {status}")
    if answer.is_redirect:
        target = urlsplit(answer.headers.get("location", ""))
        to = f" to {target.scheme}://{target.hostname}" if target.hostname else ""
        why = f"it answers {status}, a redirect{to}, which is not followed"
        return _Attempt(answer, why, final=True)
    why = f"it answers {status}: {_MEANS.get(status, 'it refuses')}"
    return _Attempt(answer, why, final=True)


def _fault(error: Exception, definition: RestDefinition, deadline: float) -> _Attempt:
    """What went wrong on the wire."""
    host = urlsplit(definition.url).hostname
    if isinstance(error, AnswerTooLong):
        why = f"its answer is longer than {MAX_ANSWER_BYTES // 1024**2} MiB: ask for smaller pages"
        return _Attempt(None, why, final=True)
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return _Attempt(None, f"the certificate of {host} cannot be trusted", final=True)
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, httpcore.ConnectError | httpcore.ConnectTimeout | httpcore.ProxyError):
        return _Attempt(None, f"no connection to {host}")
    if isinstance(error, httpcore.TimeoutException):
        if time.monotonic() >= deadline:
            return _Attempt(None, f"no whole answer within {definition.timeout_seconds:g} seconds")
        return _Attempt(None, f"nothing was heard for {_SILENCE_SECONDS:g} seconds")
    return _Attempt(None, "the connection broke before the answer was complete")


def _advice(answer: httpx.Response | None) -> str:
    status = answer.status_code if answer is not None else 0
    if status in {401, 403}:
        return f"{NEXT}Renew the token or password of the feed, then start the sync again."
    if answer is not None and answer.is_redirect:
        return f"{NEXT}Mend url in the feed definition, then start the sync again."
    if answer is None or status in _LATER:
        return f"{NEXT}Start the sync again when the service answers."
    return f"{NEXT}Mend the feed definition, or ask the vendor, then start the sync again."
