"""What Cadenza's answers mean: the one table of statuses and numbers (contract 9, D8, D14, D15)."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from armillary.api.cadenza import SyncAnswer
from armillary.api.cadenza.dialect import EXCHANGE_CREDENTIALS, HTTP_STATUS
from armillary.errors import (
    AccessDenied,
    AnswerLost,
    ApiError,
    ConfigurationError,
    Conflict,
    NotFound,
    RateLimited,
    RequestRejected,
    TransientError,
    UnexpectedAnswer,
    VenueBusy,
)
from tests.api.cadenza import TOKEN, body_of, enveloped, scripted

NUMBERS = sorted(
    number
    for number, status in HTTP_STATUS.items()
    if status != 401 or number in EXCHANGE_CREDENTIALS
)
"""Without that of a refused token, which is renewed: test_cadenza_session.py."""

HTML = httpx.Response(502, html="<html>Bad gateway</html>")


def failed_sync(answer: httpx.Response) -> ApiError:
    with (
        scripted(lambda _: answer) as cadenza,
        pytest.raises(ApiError) as caught,
    ):
        cadenza.sync("BINANCE", ["BTC/USDT"])
    assert cadenza.meter.used == 1, "the client never repeats a sync"
    return caught.value


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (enveloped(400, -22015, "Invalid argument"), RequestRejected, "Cadenza refuses"),
        (enveloped(404, -18017, "Symbol not found"), NotFound, "Cadenza knows no such thing"),
        (enveloped(409, -22017, "Exists"), Conflict, "contradicts"),
        (enveloped(501, -18016, "Not supported"), RequestRejected, "does not offer this"),
        (enveloped(403, -22018, "No"), AccessDenied, "the account may not do this"),
        (enveloped(401, -19002, "Unauthorized"), AccessDenied, "does not accept who is asking"),
        (enveloped(401, -18005, "Keys"), RequestRejected, "refuses Cadenza's credentials"),
        (enveloped(503, -22014, "Lock"), VenueBusy, "another refresh of this venue"),
        (enveloped(503, -18013, "Maintenance"), TransientError, "the exchange failed"),
        (enveloped(502, -18009, "Network"), TransientError, "the exchange failed"),
        (enveloped(429, -18011, "Slow down"), TransientError, "the exchange limits"),
        (enveloped(504, -18015, "Timeout"), AnswerLost, "no answer came in time"),
        (HTML, AnswerLost, "Cadenza or the exchange failed"),
        (httpx.Response(502, json={"error": "Bad gateway"}), AnswerLost, "the exchange failed"),
        (httpx.Response(504, text=""), AnswerLost, "no answer came in time"),
        (httpx.Response(200, html="<html>Sign in</html>"), AnswerLost, "cannot be read"),
        (enveloped(418, 0), UnexpectedAnswer, "knows no such answer"),
        (httpx.Response(302, headers={"location": "https://x.test/"}), UnexpectedAnswer, "x.test"),
    ],
)
def test_each_failure_has_one_class(
    answer: httpx.Response, kind: type[ApiError], words: str
) -> None:
    """By the status; the number refines what one status can mean."""
    error = failed_sync(answer)
    assert type(error) is kind
    assert words in str(error)


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("sign", [-1, 1])
def test_c01_a_failure_on_200_is_that_failure(number: int, sign: int) -> None:
    """D8, D15: numbers of either sign, and what they mean, whatever the status says."""
    status = HTTP_STATUS[number]
    error = failed_sync(enveloped(200, sign * number, "No", details={"request_id": "req-7"}))
    expected = failed_sync(enveloped(status, -number, "No"))
    assert type(error) is type(expected)
    assert error.status == status
    assert "it answered 200 with a failure" in str(error)
    assert f"No (errno {number})" in str(error)
    assert error.request_id == "req-7"


def test_c01_success_false_without_a_number_is_a_failure() -> None:
    """D14, D15."""
    error = failed_sync(httpx.Response(200, json={"success": False, "error": "Nope"}))
    assert isinstance(error, UnexpectedAnswer)
    assert "Nope" in str(error)


def test_c01_success_without_data_is_a_failure() -> None:
    error = failed_sync(enveloped(200, data=None))
    assert isinstance(error, UnexpectedAnswer)
    assert "it says success and holds no data" in str(error)


def test_a_request_id_is_kept_from_the_details_or_the_headers() -> None:
    assert failed_sync(enveloped(404, -1, details={"request_id": "r-1"})).request_id == "r-1"
    with_header = httpx.Response(404, json={}, headers={"x-request-id": "r-2"})
    assert failed_sync(with_header).request_id == "r-2"


def test_retry_after_is_kept_for_who_waits() -> None:
    answer = enveloped(503, -22014)
    answer.headers["retry-after"] = "7"
    error = failed_sync(answer)
    assert isinstance(error, VenueBusy)
    assert error.wait_seconds == 7


def test_a_limit_of_the_account_is_waited_out() -> None:
    """N1: a 429 that is not of the exchange."""
    limited = httpx.Response(429, headers={"retry-after": "3"})
    answers = iter([limited, enveloped(data={"synced": 1})])
    with scripted(lambda _: next(answers)) as cadenza:
        assert cadenza.sync("BINANCE").synced == 1
    limited = httpx.Response(429, headers={"retry-after": "900"})
    with (
        scripted(lambda _: limited) as cadenza,
        pytest.raises(RateLimited, match="told to wait 900 seconds"),
    ):
        cadenza.sync("BINANCE")


def test_remaining_0_of_a_burst_limit_is_no_empty_quota() -> None:
    """N1: no header is documented; Ptolemy's quota is not Cadenza's."""
    limited = httpx.Response(429, headers={"retry-after": "1", "x-ratelimit-remaining": "0"})
    answers = iter([limited, enveloped(data={"synced": 1})])
    with scripted(lambda _: next(answers)) as cadenza:
        assert cadenza.sync("BINANCE").synced == 1


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"venue": "BINANCE", "synced": 5, "added": 1, "updated": 4}, SyncAnswer(5, 1, 4)),
        ({"total": 5}, SyncAnswer(5, None, None)),
        ({"synced": "5", "added": " 0 "}, SyncAnswer(5, 0, None)),
        ({}, SyncAnswer(None, None, None)),
    ],
)
def test_d07_counts_are_optional(data: dict[str, Any], expected: SyncAnswer) -> None:
    with scripted(lambda _: enveloped(data=data)) as cadenza:
        assert cadenza.sync("BINANCE") == expected


@pytest.mark.parametrize("told", [-3, "many", 1.5, True, [1]])
def test_c13_a_count_that_is_none_is_flagged(told: Any) -> None:
    with scripted(lambda _: enveloped(data={"synced": told})) as cadenza:
        answer = cadenza.sync("BINANCE")
    assert answer.synced is None
    assert answer.notes == (f"Cadenza told synced as {told}, which is no count.",)


def test_c10_another_venue_than_asked_is_a_failure() -> None:
    error = failed_sync(enveloped(data={"venue": "OKX", "synced": 5}))
    assert isinstance(error, UnexpectedAnswer)
    assert "BINANCE was asked for and OKX refreshed" in str(error)


def test_c11_an_empty_list_of_symbols_is_refused() -> None:
    with scripted(lambda _: enveloped(data={})) as cadenza:
        with pytest.raises(ConfigurationError, match="could mean none or all"):
            cadenza.sync("BINANCE", [])
        assert cadenza.meter.used == 0


def test_c14_no_error_shows_the_token() -> None:
    echo = httpx.Response(400, json={"errno": -1, "error": f"bad token {TOKEN}"})
    error = failed_sync(echo)
    assert TOKEN not in str(error) + repr(error) + error.body_start + error.detail
    assert "**********" in error.detail


@pytest.mark.parametrize(
    ("takes", "bodies"),
    [
        (lambda body: True, [{}]),
        (lambda body: "symbols" in body, [{}, {"symbols": []}]),
    ],
)
def test_d06_the_way_to_ask_for_all_is_learned(takes: Any, bodies: list[Any]) -> None:
    sent: list[Any] = []

    def handle(request: httpx.Request) -> httpx.Response:
        body = body_of(request)
        sent.append({key: value for key, value in body.items() if key != "venue"})
        return enveloped(data={"synced": 1}) if takes(body) else enveloped(400, -22015, "symbols")

    with scripted(handle) as cadenza:
        cadenza.sync("BINANCE")
        cadenza.sync("OKX")
    assert sent == [*bodies, bodies[-1]]


def test_d06_at_last_every_symbol_is_named() -> None:
    def handle(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            rows = [{"venue": "OKX", "symbol": symbol} for symbol in ("B/C", "A/C")]
            return enveloped(data=rows, pagination={"total": 2})
        symbols = body_of(request).get("symbols")
        if not symbols:
            return enveloped(400, -22015, "symbols are required")
        assert symbols == ["A/C", "B/C"]
        return enveloped(data={"synced": 2})

    with scripted(handle) as cadenza:
        answer = cadenza.sync("OKX")
    assert answer.synced == 2
    assert "the 2 it knew were refreshed, new ones were not" in answer.notes[0]


def test_d06_of_every_symbol_those_that_are_gone_are_not_named_and_a_bad_one_is_told() -> None:
    def handle(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            statuses = {"A/C": "ACTIVE", "B/C": "delisted"}
            rows = [{"venue": "OKX", "symbol": name, "status": statuses[name]} for name in statuses]
            return enveloped(data=rows, pagination={"total": 2})
        symbols = body_of(request).get("symbols")
        if not symbols:
            return enveloped(400, -22015, "symbols are required")
        return enveloped(404, -18017, f"Symbol not found in {symbols}")

    with scripted(handle) as cadenza, pytest.raises(NotFound, match=r"not found in \['A/C'\]"):
        cadenza.sync("OKX")


def test_a_bad_venue_is_the_first_refusal() -> None:
    """D6 is tried, and when nothing helps the first answer is told."""

    def handle(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return enveloped(data=[])
        return enveloped(400, -22015, f"refused {body_of(request)}")

    with scripted(handle) as cadenza, pytest.raises(RequestRejected) as caught:
        cadenza.sync("NOPE")
    assert "refused {'venue': 'NOPE'}" in str(caught.value)


@pytest.mark.parametrize(
    ("status", "told", "up"),
    [(200, "healthy", True), (200, "DEGRADED", True), (503, "unhealthy", False)],
)
def test_d12_d13_health_is_read_on_200_and_503(status: int, told: str, up: bool) -> None:
    body = {"status": told, "version": "3.0.1", "checks": {"redis": {"status": "healthy"}}}
    with scripted(lambda _: httpx.Response(status, json=body)) as cadenza:
        health = cadenza.health()
    assert (health.status, health.up) == (told.lower(), up)
    assert health.checks == {"redis": "healthy"}


def test_health_needs_no_token() -> None:
    def handle(request: httpx.Request) -> httpx.Response:
        assert "authorization" not in request.headers
        return httpx.Response(200, json={"status": "healthy"})

    with scripted(handle) as cadenza:
        assert cadenza.health().up
