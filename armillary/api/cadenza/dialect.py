"""What Cadenza's answers mean: the HTTP status first, then the envelope (contract 9, D8, D15)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import httpx
import msgspec

from armillary.api import envelope
from armillary.api.dialect import Judgement, Verdict
from armillary.errors import (
    AccessDenied,
    ApiError,
    Conflict,
    NotFound,
    RequestRejected,
    TransientError,
    UnexpectedAnswer,
    VenueBusy,
)

BUSY = 22014
EXCHANGE_RATE_LIMIT = 18011
EXCHANGE_CREDENTIALS = frozenset({18005, 18022})
PERMISSION_DENIED = 22018

HTTP_STATUS: Mapping[int, int] = {
    18000: 500, 18004: 502, 18005: 401, 18008: 400, 18009: 502, 18010: 503, 18011: 429, 18012: 503,
    18013: 503, 18015: 504, 18016: 501, 18017: 404, 18022: 401, 19000: 500, 19001: 400, 19002: 401,
    19003: 404, 19004: 400, 19005: 400, 19006: 503, 22000: 500, 22014: 503, 22015: 400, 22016: 404,
    22017: 409, 22018: 403, 100001: 401, 100003: 401,
}  # fmt: skip
"""The status that belongs to an error number (contract section 9, D8); used where none was sent."""

AUTHENTICATION = range(26000, 27000)
"""All numbers of that domain (contract section 9)."""

ASK_AGAIN = "Start the run again later; asking twice ends in the same state."
_OTHERS_GO_ON = "The other venues go on without it."
_Final = tuple[type[ApiError], str, str]

_EXCHANGE_REFUSES: _Final = (
    RequestRejected,
    "the exchange refuses Cadenza's credentials.",
    "Have the exchange's API key renewed in Cadenza for this venue. The account itself works.",
)

_FINAL: Mapping[int, _Final] = {
    400: (RequestRejected, "Cadenza refuses the request.", "Check the venue and the symbols."),
    401: (
        AccessDenied,
        "Cadenza does not accept who is asking.",
        "Check email and password of the Cadenza account, or copy a new token; then start the run "
        "again.",
    ),
    403: (
        AccessDenied,
        "the account may not do this.",
        "Have an administrator of Cadenza give it the permission, then start the run again.",
    ),
    404: (NotFound, "Cadenza knows no such thing.", "Check the venue and the symbols."),
    409: (Conflict, "it contradicts what Cadenza holds.", _OTHERS_GO_ON),
    413: (RequestRejected, "the request is too large.", "Give fewer symbols."),
    422: (RequestRejected, "Cadenza refuses the values.", "Check the venue and the symbols."),
    501: (RequestRejected, "Cadenza does not offer this for the venue.", _OTHERS_GO_ON),
}
_UNDOCUMENTED: _Final = (
    UnexpectedAnswer,
    "the contract knows no such answer.",
    "Nothing is guessed: report the request and its answer to Cadenza's support.",
)
_ENVELOPE = ("success", "errno")
"""What Cadenza says of every failure; a proxy may say ``error`` as well (contract N11)."""


class CadenzaDialect:
    """Tolerant of every reading of the contract; a failure is one whatever the status says."""

    tells_quota = False
    lost_advice: str | None = (
        "Cadenza may be carrying it out still. Wait some minutes, then ask again: that ends in the "
        "same state."
    )

    def judge(self, response: httpx.Response, *, may_be_empty: bool) -> Judgement:
        """By status; a success also by ``errno`` and ``success`` (contract D14, D15)."""
        status = response.status_code
        if not 200 <= status < 300:  # noqa: PLR2004 - the class of successes
            return _failure(status, _envelope(response))
        try:
            body = envelope.decode(response, may_be_empty=may_be_empty)
        except envelope.UnreadableAnswer as error:
            return Judgement(Verdict.AGAIN, message=f"the answer cannot be read: {error}.")
        number = _errno(body)
        if isinstance(body, dict) and (number or body.get("success") is False):
            meant = _status_of(number)
            told = _failure(meant, body)
            message = f"it answered {status} with a failure: {told.message}"
            return replace(told, message=message, status=meant or None)
        return Judgement(Verdict.DONE, body)

    def request_id(self, response: httpx.Response) -> str | None:
        """``details.request_id``, else from the headers."""
        details = (_envelope(response) or {}).get("details")
        told = details.get("request_id") if isinstance(details, dict) else None
        return told if isinstance(told, str) and told else envelope.request_id(response.headers)

    def words(self, response: httpx.Response, secrets: tuple[str, ...]) -> str:
        """The envelope's ``error`` with its number."""
        body = _envelope(response)
        if body is None:
            return envelope.error_words(response, *secrets)
        said = body.get("error")
        text = said if isinstance(said, str) else ""
        number = _errno(body)
        told = f"{text} (errno {number})" if number else text
        return envelope.redact(told.strip(), *secrets)[:500]


def _status_of(number: int) -> int:
    """The status a number belongs to; 0 for none that is known."""
    unauthorized = httpx.codes.UNAUTHORIZED.value if number in AUTHENTICATION else 0
    return HTTP_STATUS.get(number, unauthorized)


def _failure(status: int, body: dict[str, Any] | None) -> Judgement:
    """What a failure means; ``body`` is None where no envelope came: then a proxy answered."""
    number = _errno(body)
    if status == httpx.codes.UNAUTHORIZED and number in EXCHANGE_CREDENTIALS:
        kind, message, advice = _EXCHANGE_REFUSES
    elif status in _FINAL:
        kind, message, advice = _FINAL[status]
    else:
        passing = _passing(status, number, from_proxy=body is None)
        if passing is not None:
            return passing
        kind, message, advice = _UNDOCUMENTED
    return Judgement(Verdict.FINAL, kind=kind, message=message, advice=advice)


def _passing(status: int, number: int, *, from_proxy: bool) -> Judgement | None:
    """A failure that may pass by itself; None for any other."""
    if number == BUSY:
        message = "another refresh of this venue is under way."
        return Judgement(Verdict.AGAIN, kind=VenueBusy, message=message, refused=True)
    if status == httpx.codes.TOO_MANY_REQUESTS:
        if number != EXCHANGE_RATE_LIMIT:
            return Judgement(Verdict.LIMITED)
        return _again("the exchange limits how often Cadenza may ask it.", refused=True)
    if status in (httpx.codes.REQUEST_TIMEOUT, httpx.codes.GATEWAY_TIMEOUT):
        # Work may go on behind the gateway (contract N10, reliability C08).
        return _again("no answer came in time.", refused=False)
    if status >= 500:  # noqa: PLR2004 - the class of server errors
        return _again("Cadenza or the exchange failed.", refused=not from_proxy)
    return None


def _again(message: str, *, refused: bool) -> Judgement:
    return Judgement(
        Verdict.AGAIN, kind=TransientError, message=message, advice=ASK_AGAIN, refused=refused
    )


def _envelope(response: httpx.Response) -> dict[str, Any] | None:
    try:
        body = msgspec.json.decode(response.content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return body if isinstance(body, dict) and any(key in body for key in _ENVELOPE) else None


def _errno(body: Any) -> int:
    """The error number without its sign (contract D8); 0 for none."""
    number = body.get("errno") if isinstance(body, dict) else None
    if isinstance(number, str):
        number = envelope.whole(number.removeprefix("-"))
    return abs(number) if isinstance(number, int) and not isinstance(number, bool) else 0
