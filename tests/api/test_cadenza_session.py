"""The session: one login, one refresh at a time, and the newest tokens kept."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from armillary.api.cadenza import Cadenza, CadenzaConnection, connect, shared
from armillary.api.cadenza.connection import environment_of
from armillary.clock import Clock
from armillary.errors import AccessDenied, ConfigurationError, TransientError
from tests.api.cadenza import account, enveloped, open_cadenza
from tests.api.clocks import JumpClock, TodaysClock
from tests.conftest import MakeSimulator

LOGIN = "POST /api/v3/auth/login"
REFRESH = "POST /api/v3/auth/token/refresh"


@pytest.fixture
def make_cadenza(make_simulator: MakeSimulator) -> Any:
    def start(**switches: Any) -> Any:
        return make_simulator(cadenza=switches)

    return start


def test_one_login_serves_everything(make_cadenza: Any) -> None:
    sim = make_cadenza()
    with open_cadenza(sim) as cadenza:
        cadenza.venues()
        cadenza.instruments("OKX")
        cadenza.sync("OKX")
    assert sim.cadenza.sessions == {"logins": 1, "refreshes": 0, "refused": 0}


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"expires_in": "absent", "expires_at": "seconds"},
        {"expires_in": "absent", "expires_at": "milliseconds"},
    ],
)
def test_c04_d01_a_token_is_renewed_before_it_ends(make_cadenza: Any, told: Any) -> None:
    """Five minutes before the hour is over, in either unit."""
    sim = make_cadenza(**told)
    clock = TodaysClock()
    with open_cadenza(sim, clock) as cadenza:
        cadenza.venues()
        clock.sleep(3200)
        cadenza.venues()
        assert sim.cadenza.refreshes == 0
        clock.sleep(150)
        cadenza.venues()
        assert sim.cadenza.refreshes == 1
        cadenza.venues()
        assert sim.cadenza.refreshes == 1
    assert sim.cadenza.logins == 1


def test_d01_without_a_life_a_refused_token_is_renewed(make_cadenza: Any) -> None:
    sim = make_cadenza(expires_in="absent", expires_at="absent")
    with open_cadenza(sim) as cadenza:
        cadenza.venues()
        sim.cadenza.expire_tokens()
        cadenza.venues()
    assert sim.cadenza.sessions == {"logins": 1, "refreshes": 1, "refused": 0}


def test_c02_c03_a_token_ends_under_50_venues_on_8_workers(make_cadenza: Any) -> None:
    """N2: the old refresh token dies at once: a second refresh would end the session."""
    names = [f"V{number:02}" for number in range(50)]
    sim = make_cadenza(venues=[{"name": name} for name in names], old_refresh_token="dies")
    with open_cadenza(sim, max_in_flight=8) as cadenza:
        cadenza.venues()
        sim.cadenza.expire_tokens(after_calls=20)
        with ThreadPoolExecutor(8) as workers:
            answers = list(workers.map(cadenza.sync, names))
    assert len(answers) == 50
    assert sim.cadenza.sessions == {"logins": 1, "refreshes": 1, "refused": 0}


def test_c02_a_refused_refresh_falls_back_to_one_login(make_cadenza: Any) -> None:
    sim = make_cadenza()
    with open_cadenza(sim) as cadenza:
        cadenza.venues()
        sim.cadenza.expire_tokens()
        sim.cadenza.expire_refresh_tokens()
        cadenza.venues()
    assert sim.cadenza.sessions == {"logins": 2, "refreshes": 0, "refused": 1}


def test_a_lost_refresh_is_not_repeated_with_the_same_token(make_cadenza: Any) -> None:
    """The answer was lost, so the old token may be dead: the password always works."""
    sim = make_cadenza(old_refresh_token="dies")
    with open_cadenza(sim) as cadenza:
        cadenza.venues()
        sim.cadenza.expire_tokens()
        sim.faults = [
            {"method": "POST", "path": "/api/v3/auth/token/refresh", "action": "drop_after"}
        ]
        cadenza.venues()
    assert sim.calls()[LOGIN] == 2


def test_a_token_refused_even_after_a_login_ends_it(make_cadenza: Any) -> None:
    sim = make_cadenza()
    refused = {"path": "/api/v3/market/venue/list", "action": "status", "status": 401}
    sim.faults = [{**refused, "times": None}]
    with open_cadenza(sim) as cadenza, pytest.raises(AccessDenied, match="does not accept who"):
        cadenza.venues()
    assert sim.calls()["GET /api/v3/market/venue/list"] == 3
    assert sim.cadenza.sessions == {"logins": 2, "refreshes": 1, "refused": 0}


def test_a_wrong_password_is_tried_once(make_cadenza: Any) -> None:
    """Section 11: never loop on a refused login; also not for other workers."""
    sim = make_cadenza()
    wrong = SecretStr("wr0ng-pass-word")
    with open_cadenza(sim, password=wrong) as cadenza:
        for _ in range(3):
            with pytest.raises(AccessDenied) as caught:
                cadenza.venues()
    assert sim.calls()[LOGIN] == 1
    told = str(caught.value)
    assert "refuses the login of trader@example.com" in told
    assert "Correct email or password of the Cadenza account." in told
    assert "wr0ng" not in told + repr(caught.value)


def with_login(
    handle: Callable[[httpx.Request], httpx.Response], clock: Clock | None = None
) -> Cadenza:
    """A client of a table of answers that has to log in."""
    connection = CadenzaConnection(
        "https://cadenza.test", email="a@b.test", password=SecretStr("practice")
    )
    return connect(connection, clock=clock or TodaysClock(), wire=httpx.MockTransport(handle))


def session_of(token: str, **told: Any) -> httpx.Response:
    return enveloped(data={"accessToken": token, "refreshToken": "again", **told})


@pytest.mark.parametrize("number", [-19002, 19002, -26001, -100003])
def test_d08_d15_a_token_that_is_refused_on_200_is_renewed(number: int) -> None:
    asked: list[str] = []

    def handle(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path.removeprefix("/api/v3/"))
        if "auth" in asked[-1]:
            return session_of("new" if "refresh" in asked[-1] else "old")
        if request.headers["authorization"] == "Bearer old":
            return enveloped(200, number, "Unauthorized")
        return enveloped(data=[{"venue": "V", "status": "ONLINE"}])

    with with_login(handle) as cadenza:
        assert len(cadenza.venues()) == 1
    listed = "market/venue/list"
    assert asked == ["auth/login", listed, "auth/token/refresh", listed]


@pytest.mark.parametrize(
    ("answer", "advice"),
    [
        (enveloped(200, -100001, "Invalid login"), "Correct email or password of the Cadenza"),
        (enveloped(404, -19003, "No such endpoint"), "Correct address of the Cadenza account"),
    ],
)
def test_a_refused_login_is_tried_once_however_it_is_refused(
    answer: httpx.Response, advice: str
) -> None:
    """D8, D15: the number tells; and at a wrong address no password helps."""
    with with_login(lambda _: answer) as cadenza:
        for _ in range(3):
            with pytest.raises(AccessDenied, match=advice):
                cadenza.venues()
        assert cadenza.meter.used == 1


def test_a_token_that_cannot_be_renewed_in_time_is_used_on() -> None:
    """The log-in alone is down: the token lasts minutes more, and not every request asks anew."""
    asked: list[str] = []
    down = False

    def handle(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path.removeprefix("/api/v3/"))
        if "auth" not in asked[-1]:
            return enveloped(data=[])
        return httpx.Response(503) if down else session_of("t", expiresIn=3600)

    clock = JumpClock()
    with with_login(handle, clock) as cadenza:
        cadenza.venues()
        clock.sleep(3350)
        down = True
        cadenza.venues()
        tried = len(asked)
        assert asked.count("auth/token/refresh") == asked.count("auth/login") - 1 == 4
        cadenza.venues()
        assert len(asked) == tried + 1
        clock.sleep(60)
        down = False
        cadenza.venues()
    assert asked[-2:] == ["auth/token/refresh", "market/venue/list"]


def test_n02_an_end_that_has_passed_by_this_clock_is_no_reason_to_renew() -> None:
    """D1: the clocks differ by more than the life of a token."""
    asked: list[str] = []

    def handle(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        return session_of("t", expiresAt=1703056235) if "auth" in asked[-1] else enveloped(data=[])

    with with_login(handle) as cadenza:
        cadenza.venues()
        cadenza.venues()
    assert [path for path in asked if "auth" in path] == ["/api/v3/auth/login"]


def test_a_login_waits_for_a_limit_and_an_outage(make_cadenza: Any) -> None:
    sim = make_cadenza()
    login = {"method": "POST", "path": "/api/v3/auth/login", "action": "status"}
    sim.faults = [
        {**login, "nth": 1, "status": 429, "retry_after": 30},
        {**login, "nth": 1, "status": 503},
    ]
    clock = JumpClock()
    with open_cadenza(sim, clock) as cadenza:
        cadenza.venues()
    assert clock.passed > 30
    sim.faults = [{**login, "status": 503, "times": None}]
    with open_cadenza(sim) as cadenza, pytest.raises(TransientError):
        cadenza.venues()


def test_a_token_alone_is_used_and_not_renewed(make_cadenza: Any) -> None:
    sim = make_cadenza()
    connection = CadenzaConnection(sim.cadenza_url, token=SecretStr(sim.cadenza.token()))
    with connect(connection, clock=JumpClock()) as cadenza:
        assert cadenza.venues()
        sim.cadenza.expire_tokens()
        with pytest.raises(AccessDenied, match="copy a new token"):
            cadenza.venues()
    assert LOGIN not in sim.calls()
    assert REFRESH not in sim.calls()


def test_threads_of_a_process_share_the_session(make_cadenza: Any) -> None:
    sim = make_cadenza()
    connection = account(sim)

    def list_venues(_: int) -> int:
        with shared(connection) as cadenza:
            return len(cadenza.venues())

    with shared(connection), ThreadPoolExecutor(4) as workers:
        assert len(set(workers.map(list_venues, range(12)))) == 1
    assert sim.cadenza.logins == 1


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({}, "no email with a password, and no token"),
        ({"email": "a@b.test"}, "no email with a password"),
        ({"token": SecretStr("two words")}, "has a blank"),
        ({"token": SecretStr("t"), "sync_timeout_seconds": 0}, "sync_timeout_seconds is 0"),
    ],
)
def test_what_cannot_work_is_refused_at_once(facts: Any, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        CadenzaConnection("https://cadenza.test", **facts)


@pytest.mark.parametrize(
    ("url", "environment"),
    [
        ("https://cadenza-api.algo724.com", "production"),
        ("https://cadenza-api-uat.algo724.com/api/v3/", "UAT"),
        (" https://CADENZA-api.algo724.com:443/ ", "production"),
        ("http://127.0.0.1:8700", "127.0.0.1:8700"),
    ],
)
def test_the_environment_is_named(url: str, environment: str) -> None:
    connection = CadenzaConnection(url, token=SecretStr("t"))
    assert connection.environment == environment
    assert connection.base_url.endswith("/api/v3")
    assert connection.base_url.count("/api/v3") == 1


def test_an_environment_is_named_before_the_address_is_checked() -> None:
    """The name of a flow run needs it."""
    assert environment_of("https://[cadenza") == "an unreadable address"


def test_c14_nothing_shows_a_secret(make_cadenza: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    sim = make_cadenza()
    secret = SecretStr(sim.cadenza.password)
    with open_cadenza(sim, password=secret) as cadenza:
        cadenza.venues()
        sim.cadenza.expire_tokens()
        sim.cadenza.expire_refresh_tokens()
        sim.faults = [{"path": "/api/v3/market/*", "action": "status", "status": 503, "times": 1}]
        cadenza.venues()
        shown = repr(cadenza) + caplog.text
        tokens = cadenza._session.secrets()
    assert len(tokens) == 3
    assert all(token not in shown for token in tokens)
