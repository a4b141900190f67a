from __future__ import annotations

import base64
import json
from typing import Any

import httpx
import pytest

from simulator import Simulator
from tests.simulator.desk import EMAIL, PASSWORD, refused

USER = "/auth/user"


def test_a_login_gives_a_session(desk: Any) -> None:
    one = desk()
    answer = one.login()
    body = answer.json()
    assert (answer.status_code, body["success"], body["errno"], body["error"]) == (
        200,
        True,
        0,
        None,
    )
    session = body["data"]
    assert session.keys() == {
        "accessToken", "refreshToken", "tokenType", "expiresIn", "expiresAt", "user",
    }  # fmt: skip
    assert (session["tokenType"], session["expiresIn"]) == ("bearer", 3600)
    assert session["user"]["email"] == EMAIL
    one.carry(session["accessToken"])
    assert one.get(USER).json()["data"] == session["user"]


def test_an_access_token_is_a_jwt(desk: Any) -> None:
    session = desk().login().json()["data"]
    head, claims, signature = session["accessToken"].split(".")
    assert head.startswith("eyJhbGciOiJIUzI1NiIs")
    told = json.loads(base64.urlsafe_b64decode(claims + "=="))
    assert told["sub"] == session["user"]["id"]
    assert told["exp"] == session["expiresAt"]
    assert signature


@pytest.mark.parametrize(("digits", "errno"), [("six", -100001), ("five", -26001)])
def test_d8_a_wrong_password(desk: Any, digits: str, errno: int) -> None:
    one = desk(errno_digits=digits)
    assert refused(one.login("guess")) == (401, errno, "Invalid login credentials")
    stranger = one.post("/auth/login", {"email": "a@b.example", "password": PASSWORD})
    assert refused(stranger)[0] == 401
    assert one.sim.cadenza.sessions == {"logins": 0, "refreshes": 0, "refused": 2}


@pytest.mark.parametrize(
    "body",
    [{}, {"email": EMAIL}, {"email": EMAIL, "password": 1}, [], {"email": "", "password": ""}],
)
def test_bad_bodies_of_a_login(desk: Any, body: Any) -> None:
    assert refused(desk().post("/auth/login", body))[:2] == (400, -19004)


def test_what_is_no_json(desk: Any) -> None:
    answer = desk().http.post("/api/v3/auth/login", content=b"{")
    assert refused(answer)[:2] == (400, -19005)


@pytest.mark.parametrize(("unit", "factor"), [("seconds", 1), ("milliseconds", 1000)])
def test_d1_units_of_expires_at(desk: Any, unit: str, factor: int) -> None:
    one = desk(expires_at=unit, expires_in="absent")
    session = one.login().json()["data"]
    assert "expiresIn" not in session
    assert session["expiresAt"] / factor == pytest.approx(one.sim.clock.now() + 3600, abs=60)


def test_d1_no_expires_at(desk: Any) -> None:
    assert "expiresAt" not in desk(expires_at="absent").login().json()["data"]


def test_tokens_live_by_the_simulators_clock(desk: Any) -> None:
    one = desk(access_seconds=60, refresh_seconds=600)
    session = one.login().json()["data"]
    one.carry(session["accessToken"])
    one.sim.advance(59)
    assert one.get(USER).status_code == 200
    one.sim.advance(1)
    told = refused(one.get(USER))
    assert told == (401, -19002, "Unauthorized: the access token has expired")
    renewed = one.refresh(session["refreshToken"]).json()["data"]
    one.carry(renewed["accessToken"])
    assert one.get(USER).status_code == 200
    one.sim.advance(600)
    assert refused(one.refresh(renewed["refreshToken"]))[:2] == (401, -100003)


@pytest.mark.parametrize("header", [None, "Bearer nonsense", "Basic abc"])
def test_no_valid_token(desk: Any, header: str | None) -> None:
    one = desk()
    del one.http.headers["Authorization"]
    headers = {"Authorization": header} if header else {}
    answer = one.http.get("/api/v3/market/venue/list", headers=headers)
    assert refused(answer) == (401, -19002, "Unauthorized: a valid access token is needed")


@pytest.mark.parametrize(("reading", "status"), [("dies", 401), ("lives", 200)])
def test_n2_a_refresh_token_used_twice(desk: Any, reading: str, status: int) -> None:
    one = desk(old_refresh_token=reading, errno_digits="five")
    token = one.login().json()["data"]["refreshToken"]
    assert one.refresh(token).json()["data"]["refreshToken"] != token
    again = one.refresh(token)
    assert again.status_code == status
    if status == 401:
        assert refused(again)[1:] == (-26003, "Invalid refresh token")


@pytest.mark.parametrize(("reading", "status"), [("keeps", 200), ("ends_first", 401)])
def test_n2_a_second_login(desk: Any, reading: str, status: int) -> None:
    one = desk(second_login=reading)
    first = one.login().json()["data"]
    one.login()
    one.carry(first["accessToken"])
    assert one.get(USER).status_code == status
    assert one.refresh(first["refreshToken"]).status_code == status


def test_a_logout_ends_its_own_session_alone(desk: Any) -> None:
    one = desk()
    first, second = (one.login().json()["data"] for _ in range(2))
    one.carry(first["accessToken"])
    assert one.post("/auth/logout").json()["data"] == "Logged out"
    assert one.get(USER).status_code == 401
    assert one.refresh(first["refreshToken"]).status_code == 401
    one.carry(second["accessToken"])
    assert one.get(USER).status_code == 200


def test_c02_tokens_that_expire_when_told(desk: Any) -> None:
    one = desk()
    session = one.login().json()["data"]
    one.carry(session["accessToken"])
    one.sim.cadenza.expire_tokens(after_calls=3)
    assert [one.get(USER).status_code for _ in range(5)] == [200, 200, 200, 401, 401]
    one.carry(one.refresh(session["refreshToken"]).json()["data"]["accessToken"])
    assert [one.get(USER).status_code for _ in range(5)] == [200] * 5
    one.sim.cadenza.expire_tokens()
    assert one.get(USER).status_code == 401
    assert one.sim.cadenza.sessions == {"logins": 1, "refreshes": 1, "refused": 0}


def test_refresh_tokens_that_expire_when_told(desk: Any) -> None:
    one = desk()
    token = one.login().json()["data"]["refreshToken"]
    one.sim.cadenza.expire_refresh_tokens()
    assert one.refresh(token).status_code == 401


def test_c14_neither_log_nor_counts_hold_a_secret(desk: Any) -> None:
    one = desk()
    session = one.login().json()["data"]
    one.refresh(session["refreshToken"])
    one.get("/market/venue/list")
    told = str(one.sim.log()) + httpx.get(f"{one.sim.url}/_simulator/calls").text
    told += httpx.post(f"{one.sim.url}/_simulator/config", json={}).text
    assert f"cadenza:{EMAIL}" in told
    for secret in (PASSWORD, session["accessToken"], session["refreshToken"]):
        assert secret not in told
    assert [entry["body_sha256"] for entry in one.sim.log()] == ["", "", ""]


def test_n1_the_rate_limit_of_an_account(desk: Any) -> None:
    one = desk(burst_per_second=0.5, burst_size=2)
    answers = [one.get(USER) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[2].headers["retry-after"] == "2"
    assert refused(answers[2])[2] == "Too many requests"
    one.sim.configure(cadenza={"retry_after": "none"})
    assert "retry-after" not in one.get(USER).headers
    one.sim.advance(2)
    assert one.get(USER).status_code == 200


@pytest.mark.parametrize(
    ("health", "status"), [("healthy", 200), ("degraded", 200), ("unhealthy", 503)]
)
def test_d12_d13_health_needs_no_token_and_has_no_envelope(
    start: Any, health: str, status: int
) -> None:
    sim: Simulator = start(cadenza={"health": health})
    answer = httpx.get(f"{sim.cadenza_url}/api/v3/health")
    body = answer.json()
    assert answer.status_code == status
    assert body.keys() == {"status", "timestamp", "isoDateTime", "version", "checks"}
    assert body["status"] == health
    assert body["checks"].keys() == {"database", "temporal", "redis"}
    assert body["timestamp"] / 1000 == pytest.approx(sim.clock.now(), abs=60)


def test_d13_unhealthy_with_200(desk: Any) -> None:
    answer = desk(health="unhealthy", unhealthy_status=200).get("/health")
    assert (answer.status_code, answer.json()["status"]) == (200, "unhealthy")


def test_the_root_tells_the_version(desk: Any) -> None:
    assert desk().get("").json()["data"]["version"] == "3.0.1"


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/nothing"), ("DELETE", "/market/venue/list"), ("GET", "/auth/login")],
)
def test_what_is_not_there(desk: Any, method: str, path: str) -> None:
    answer = desk().http.request(method, f"/api/v3{path}")
    assert refused(answer) == (404, -19003, f"No endpoint {method} /api/v3{path}")
