from __future__ import annotations

import socket
import time
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import pytest

from simulator import Simulator

Body = dict[str, Any]


def raw(sim: Simulator, method: str, path: str, body: bytes = b"") -> bytes:
    """Everything a bare socket receives until the server closes it; raises on a reset."""
    host, port = sim.url.removeprefix("http://").split(":")
    head = (
        f"{method} /v1/workspaces/demo{path} HTTP/1.1\r\nHost: x\r\n"
        f"Authorization: Bearer {sim.token}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(head.encode() + body)
        received = b""
        while chunk := connection.recv(4096):
            received += chunk
    return received


def test_status_with_headers_and_body(sim: Simulator, client: httpx.Client) -> None:
    sim.faults = [
        {"path": "/instruments", "action": "status", "status": 503, "times": 2},
        {"action": "status", "status": 418, "body": "no", "headers": {"X-Why": "tea"}},
    ]
    assert [client.get("/instruments").status_code for _ in range(2)] == [503, 503]
    third = client.get("/instruments")
    assert (third.status_code, third.text, third.headers["x-why"]) == (418, "no", "tea")
    assert client.get("/instruments").status_code == 200
    assert [entry["fault"] for entry in sim.log()] == ["status", "status", "status", None]


@pytest.mark.parametrize("value", ["7", 7, "-3", "soon", "86400"])
def test_a02_forms_of_retry_after(sim: Simulator, client: httpx.Client, value: Any) -> None:
    sim.faults = [{"action": "status", "status": 429, "retry_after": value}]
    assert client.get("").headers["retry-after"] == str(value)
    assert sim.log()[0]["retry_after"] == str(value)


def test_a02_retry_after_as_a_date(start: Any, connect: Any) -> None:
    sim = start(frozen_clock=True)
    sim.faults = [{"action": "status", "status": 429, "retry_after": "date:-60"}]
    value = connect(sim).get("").headers["retry-after"]
    assert parsedate_to_datetime(value).timestamp() == pytest.approx(sim.clock.now() - 60, abs=1)


def test_which_requests_a_rule_is_about(sim: Simulator, client: httpx.Client, bhp: Body) -> None:
    sim.faults = [
        {"method": "PATCH", "path": "/instruments/{id}", "nth": 2, "action": "status"},
        {"method": "GET", "path": "/instruments/b*", "after": 1, "times": 2, "action": "status"},
        {"method": "POST", "contains": "rio", "times": None, "action": "status", "status": 502},
        {"workspace": "other", "action": "status", "times": None},
    ]
    assert client.post("/instruments", json=bhp).status_code == 201
    patches = [client.patch("/instruments/bhp.xasx", json={}).status_code for _ in range(3)]
    assert patches == [200, 500, 200]
    reads = [client.get("/instruments/bhp.xasx").status_code for _ in range(4)]
    assert reads == [200, 500, 500, 200]
    rio = {**bhp, "identifier": "rio"}
    assert [client.post("/instruments", json=rio).status_code for _ in range(3)] == [502] * 3


def test_drop_before_does_no_work(sim: Simulator, client: httpx.Client, bhp: Body) -> None:
    sim.faults = [{"action": "drop_before"}]
    with pytest.raises(httpx.ReadError):
        client.post("/instruments", json=bhp)
    assert sim.state()["instruments"] == []
    assert sim.calls() == {"POST /instruments": 1}


def test_drop_after_does_the_work(sim: Simulator, client: httpx.Client, bhp: Body) -> None:
    sim.faults = [{"action": "drop_after"}]
    with pytest.raises(httpx.ReadError):
        client.post("/instruments", json=bhp)
    assert len(sim.state()["instruments"]) == 1
    assert client.post("/instruments", json=bhp).status_code == 409


def test_a_dropped_connection_is_really_gone(sim: Simulator) -> None:
    sim.faults = [
        {"action": "drop_before", "how": "reset"},
        {"action": "drop_before", "how": "close"},
    ]
    with pytest.raises(ConnectionResetError):
        raw(sim, "GET", "/instruments")
    assert raw(sim, "GET", "/instruments") == b""


def test_truncation_announces_the_whole(sim: Simulator) -> None:
    sim.faults = [{"action": "truncate", "bytes": 5}]
    head, _, body = raw(sim, "GET", "/instruments").partition(b"\r\n\r\n")
    assert body == b'{"dat'
    assert b"content-length: 56" in head


def test_a16_truncation_is_seen_by_a_client(sim: Simulator, client: httpx.Client) -> None:
    sim.faults = [{"action": "truncate", "bytes": 0}]
    with pytest.raises(httpx.RemoteProtocolError):
        client.get("/instruments")


def test_truncated_download(sim: Simulator, client: httpx.Client) -> None:
    sim.configure(job_polls=1)
    body = {"object_type": "instruments", "format": "csv"}
    job = client.post("/exports", json=body).json()["data"]
    url = client.get(f"/exports/{job['id']}").json()["data"]["download_url"]
    sim.faults = [{"path": "/downloads/*", "action": "truncate", "bytes": 20}]
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.get(url)
    assert httpx.get(url).status_code == 200


def test_a15_html_empty_and_wrong_content_type(
    sim: Simulator, client: httpx.Client, bhp: Body
) -> None:
    sim.faults = [{"action": "html"}, {"action": "empty"}, {"action": "wrong_content_type"}]
    page = client.get("/instruments")
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "Sign in" in page.text
    assert client.post("/instruments", json=bhp).content == b""
    wrong = client.get("/instruments")
    assert wrong.headers["content-type"] == "text/plain"
    assert wrong.json()["data"] == []


def test_work_before_a_bad_answer(sim: Simulator, client: httpx.Client, bhp: Body) -> None:
    sim.faults = [{"action": "status", "status": 502, "work": True}]
    assert client.post("/instruments", json=bhp).status_code == 502
    assert len(sim.state()["instruments"]) == 1


def test_a26_redirect(sim: Simulator, client: httpx.Client) -> None:
    sim.faults = [{"action": "redirect"}, {"action": "redirect", "status": 307, "location": "/x"}]
    assert client.get("/instruments").headers["location"].startswith("https://elsewhere")
    assert client.get("/instruments").status_code == 307


def test_delay_waits_and_then_works(sim: Simulator, client: httpx.Client, bhp: Body) -> None:
    sim.faults = [{"action": "delay", "seconds": 0.2}]
    started = time.monotonic()
    assert client.post("/instruments", json=bhp).status_code == 201
    assert time.monotonic() - started >= 0.2


def test_a13_blackhole_until_the_client_leaves(
    sim: Simulator, client: httpx.Client, bhp: Body
) -> None:
    sim.faults = [{"action": "blackhole", "work": True}]
    with pytest.raises(httpx.ReadTimeout):
        client.post("/instruments", json=bhp, timeout=0.1)
    assert client.post("/instruments", json=bhp).status_code == 409


def test_a13_blackhole_has_an_end(sim: Simulator, client: httpx.Client) -> None:
    sim.faults = [{"action": "blackhole", "seconds": 0.1}]
    with pytest.raises(httpx.ReadError):
        client.get("/instruments")


def test_a_held_request_does_not_hold_up_the_end(start: Any) -> None:
    sim = start()
    sim.faults = [{"action": "blackhole"}]
    host, port = sim.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        request = f"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {sim.token}\r\n\r\n"
        connection.sendall(request.replace("GET /", "GET /v1/workspaces/demo").encode())
        while not sim.log():
            time.sleep(0.01)
        started = time.monotonic()
        sim.stop()
        assert time.monotonic() - started < 2


def test_a14_slow_drip(sim: Simulator, client: httpx.Client) -> None:
    sim.faults = [{"action": "slow_drip", "bytes": 200}]
    started = time.monotonic()
    assert client.get("/instruments").json()["data"] == []
    assert time.monotonic() - started >= 56 / 200


def test_a29_expired_cursor_only_hits_a_cursor(
    sim: Simulator, client: httpx.Client, shares: Any
) -> None:
    sim.seed(shares(6))
    sim.configure(cursor_expired=410)
    sim.faults = [{"action": "expired_cursor", "times": None}]
    page = client.get("/instruments?limit=2").json()
    query = {"limit": 2, "after": page["meta"]["next_cursor"]}
    assert client.get("/instruments", params=query).status_code == 410
    assert client.post("/instruments/filter", json=query).status_code == 410
    assert client.post("/instruments/filter", json={}).status_code == 200


@pytest.fixture
def page(sim: Simulator, client: httpx.Client, shares: Any) -> Any:
    sim.seed(shares(12))

    def ask(action: str, after: str | None = None, **rule: Any) -> Body:
        sim.faults = [{"action": action, **rule}]
        query: Body = {"limit": 3} if after is None else {"limit": 3, "after": after}
        answer: Body = client.get("/instruments", params=query).json()
        return answer

    return ask


def ids(answer: Body) -> list[str]:
    return [row["identifier"] for row in answer["data"]]


def test_a28_early_last_page(page: Any) -> None:
    assert page("early_last_page")["meta"] == {"next_cursor": None, "has_more": False}


def test_a27_pages_that_never_end(page: Any) -> None:
    assert page("null_cursor_with_more")["meta"] == {"next_cursor": None, "has_more": True}
    first = page("repeat_page")
    second = page("repeat_page", first["meta"]["next_cursor"])
    assert ids(first) == ids(second) == ["s0", "s1", "s3"]
    assert first["meta"]["next_cursor"] != second["meta"]["next_cursor"]
    honest = page("delay")["meta"]["next_cursor"]
    stuck = page("same_cursor", honest)
    assert ids(stuck) == ["s4", "s6", "s7"]
    assert stuck["meta"]["next_cursor"] == honest


def test_a30_rows_twice_and_in_another_order(page: Any) -> None:
    assert ids(page("duplicate_rows")) == ["s0", "s1", "s3", "s0"]
    assert ids(page("reorder")) == ["s3", "s1", "s0"]


def test_page_faults_leave_other_answers_alone(sim: Simulator, client: httpx.Client) -> None:
    sim.faults = [{"action": "reorder"}]
    assert client.get("").json()["data"]["slug"] == "demo"


def test_a30_changes_between_pages(sim: Simulator, page: Any, bhp: Body) -> None:
    changes = [
        {"method": "POST", "path": "/instruments", "json": bhp},
        {"method": "PATCH", "path": "/instruments/s4", "json": {"name": "changed"}},
        {"method": "DELETE", "path": "/instruments/s6"},
    ]
    first = page("change_between_pages", changes=changes)
    second = page("delay", first["meta"]["next_cursor"])
    assert second["data"][0]["name"] == "changed"
    assert ids(second) == ["s4", "s7", "s9"]
    assert sim.calls() == {"GET /instruments": 2}, "changes are no calls"


def test_random_faults_repeat_with_the_seed(start: Any, connect: Any) -> None:
    def statuses(seed: int) -> list[int]:
        rates = {"status_500": 0.3, "status_429": 0.1, "path": "/instruments*"}
        client = connect(start(seed=seed, fault_rates=rates))
        assert client.get("").status_code == 200
        return [client.get("/instruments").status_code for _ in range(60)]

    first = statuses(5)
    assert first == statuses(5)
    assert first != statuses(6)
    assert {200, 429, 500} == set(first)


def test_faults_are_not_spent_on_refused_callers(sim: Simulator, client: httpx.Client) -> None:
    sim.faults = [{"action": "status"}]
    assert httpx.get(sim.workspace_url).status_code == 401
    assert client.get("").status_code == 500


def test_bad_rules_are_refused(sim: Simulator) -> None:
    with pytest.raises(ValueError, match="action"):
        sim.faults = [{"action": "explode"}]
    with pytest.raises(ValueError, match="colour"):
        sim.faults = [{"action": "status", "colour": 1}]
