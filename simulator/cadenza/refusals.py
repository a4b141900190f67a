"""Refusals with Cadenza's error numbers, and their envelope (contract sections 3 and 9)."""

from __future__ import annotations

from typing import Any, Final

from simulator.cadenza.config import CadenzaConfig
from simulator.exchange import Answer, Refusal

LOGIN_REFUSED = 100001
REFRESH_REFUSED = 100003
FIVE_DIGITS: Final = {LOGIN_REFUSED: 26001, REFRESH_REFUSED: 26003}
TOO_MANY = 19007
"""No page gives a number for the service's own rate limit."""
BUSY = 22014

STATUS: Final = {
    18000: 500,
    18004: 502,
    18005: 401,
    18008: 400,
    18009: 502,
    18010: 503,
    18011: 429,
    18012: 503,
    18013: 503,
    18015: 504,
    18016: 501,
    18017: 404,
    18022: 401,
    19000: 500,
    19001: 400,
    19002: 401,
    19003: 404,
    19004: 400,
    19005: 400,
    19006: 503,
    TOO_MANY: 429,
    22000: 500,
    BUSY: 503,
    22015: 400,
    22016: 404,
    22017: 409,
    22018: 403,
    22019: 400,
    22020: 400,
    22021: 500,
    LOGIN_REFUSED: 401,
    REFRESH_REFUSED: 401,
}
"""HTTP status of each error number."""
MEANING: Final = {
    18000: "unknown connector error",
    18004: "exchange error",
    18005: "exchange credentials were refused",
    18009: "network error on the way to the exchange",
    18010: "the exchange's protection is active",
    18011: "rate limit of the exchange",
    18012: "exchange unavailable",
    18013: "exchange in maintenance",
    18015: "the exchange did not answer in time",
    18016: "not supported",
    18017: "symbol not found",
    18022: "exchange credentials are missing",
    BUSY: "lock not acquired",
}
_OF_STATUS: Final = {
    400: 19001,
    401: 19002,
    403: 22018,
    404: 19003,
    409: 22017,
    429: TOO_MANY,
    501: 18016,
    502: 18009,
    503: 19006,
    504: 18015,
}
_GATEWAY: Final = (502, 503, 504)
_UNAUTHORIZED = 401


class Refused(Refusal):
    """A refusal by error number; its status follows from the number."""

    def __init__(
        self,
        errno: int,
        message: str | None = None,
        *,
        headers: dict[str, str] | None = None,
        details: dict[str, Any] | None = None,
    ) -> None:
        text = message or MEANING.get(errno, f"error {errno}")
        super().__init__(STATUS.get(errno, 500), text, code=str(errno), headers=headers)
        self.errno = errno
        self.details = details or {}


def answer(refusal: Refusal, config: CadenzaConfig, headers: dict[str, str]) -> Answer:
    """The answer for a refusal; one of the fault plan may be the page of a proxy (N11)."""
    all_headers = {**headers, **refusal.headers}
    made_up = refusal.code == "fault" and refusal.status in _GATEWAY
    if made_up and config.gateway_body != "envelope":
        page = f"<html><body><h1>{refusal.status} Bad gateway</h1><hr>proxy</body></html>"
        raw = page.encode() if config.gateway_body == "html" else b""
        return Answer(refusal.status, raw=raw, media_type="text/html", headers=refusal.headers)
    errno = _number(refusal, config)
    details: dict[str, Any] = {"code": refusal.code, "request_id": headers.get("x-request-id")}
    if isinstance(refusal, Refused):
        details |= refusal.details
    value: dict[str, Any] = {"errno": errno, "error": refusal.message, "data": None}
    if config.success_key == "present":
        value["success"] = False
    value["details"] = details
    on_200 = config.errors_on_200 and refusal.status != _UNAUTHORIZED and refusal.code != "fault"
    return Answer(200 if on_200 else refusal.status, value, headers=all_headers)


def _number(refusal: Refusal, config: CadenzaConfig) -> int:
    if isinstance(refusal, Refused):
        errno = refusal.errno
    elif refusal.code == "invalid_json":
        errno = 19005
    else:
        errno = _OF_STATUS.get(refusal.status, 19000)
    if config.errno_digits == "five":
        errno = FIVE_DIGITS.get(errno, errno)
    return -errno if config.errno_sign == "negative" else errno
