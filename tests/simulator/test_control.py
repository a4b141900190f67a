from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from simulator import Config, Simulator
from simulator.serve import build

Body = dict[str, Any]


@pytest.fixture
def control(sim: Simulator) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{sim.url}/_simulator") as client:
        yield client


def test_digest_ignores_uuids_times_and_order(start: Any, shares: Any) -> None:
    one, two = start(seed=1), start(seed=2)
    one.seed(shares(5))
    two.seed(shares(5)[::-1])
    assert one.digest() == two.digest()
    assert one.state() == two.state()
    two.seed([{"name": "n", "identifier": "more", "type_id": "bond"}])
    assert one.digest() != two.digest()


def test_digest_sees_every_part(sim: Simulator, client: httpx.Client, bhp: Body) -> None:
    seen = {sim.digest()}
    client.post("/instruments", json=bhp)
    seen.add(sim.digest())
    for change in ({"name": "x"}, {"field_values": {"isin": "y"}}, {"extras": {"z": 1.5}}):
        client.patch("/instruments/bhp.xasx", json=change)
        seen.add(sim.digest())
    client.delete("/instruments/bhp.xasx")
    seen.add(sim.digest())
    assert len(seen) == 6


def test_digest_is_canonical(sim: Simulator, client: httpx.Client, bhp: Body) -> None:
    client.post("/instruments", json=bhp)
    before = sim.digest()
    client.patch("/instruments/bhp.xasx", json={"field_values": {"lot_size": "1.1000"}})
    assert sim.digest() == before


def test_state_and_digest_over_http(
    sim: Simulator, control: httpx.Client, client: httpx.Client, bhp: Body
) -> None:
    client.post("/instruments", json=bhp)
    assert control.get("state").json() == sim.state()
    assert control.get("digest", params={"workspace": "demo"}).json() == {"digest": sim.digest()}
    assert control.get("digest", params={"workspace": "x"}).status_code == 404


def test_calls_by_method_template_and_token(
    sim: Simulator, control: httpx.Client, client: httpx.Client, connect: Any
) -> None:
    client.get("/instruments/a")
    client.get("/instruments/b")
    client.get("/nothing")
    connect(sim, "viewer").post("/instruments/filter", json={})
    httpx.get(sim.workspace_url)
    counts = control.get("calls").json()
    assert counts["total"] == 5
    assert counts["calls"] == {
        "GET /": 1,
        "GET /instruments/{id}": 2,
        "GET unknown": 1,
        "POST /instruments/filter": 1,
    }
    assert {name: one["total"] for name, one in counts["by_token"].items()} == {
        "-": 1,
        "demo:member": 3,
        "demo:viewer": 1,
    }
    control.post("reset-calls")
    assert sim.calls() == {}


def test_the_log_never_holds_a_token(
    sim: Simulator, control: httpx.Client, client: httpx.Client
) -> None:
    client.post("/instruments", json={"a": 1})
    (entry,) = control.get("log", params={"limit": 5}).json()["log"]
    assert entry["status"] == 422
    assert entry["path"] == "/instruments"
    assert "authorization" in entry["header_names"]
    assert len(entry["body_sha256"]) == 16
    assert sim.token not in str(entry)


def test_faults_and_configuration_over_http(control: httpx.Client, client: httpx.Client) -> None:
    rule = {"path": "/instruments", "action": "status", "status": 503}
    assert control.put("faults", json=[rule]).json() == {"rules": 1}
    assert client.get("/instruments").status_code == 503
    rates = {"faults": [], "fault_rates": {"status_500": 1}}
    control.put("faults", json=rates)
    assert client.get("/instruments").status_code == 500
    control.put("faults", json={"faults": [], "fault_rates": {}})
    answer = control.post("config", json={"count_body": "bare"})
    assert answer.json()["count_body"] == "bare"
    assert client.post("/instruments/count", json={}).json() == 0
    assert control.post("config", json={"colour": 1}).status_code == 422
    assert control.put("faults", json=[{"action": "x"}]).status_code == 422


def test_configuring_does_not_restart_the_fault_plan(sim: Simulator, client: httpx.Client) -> None:
    sim.faults = [{"nth": 2, "action": "status"}]
    assert client.get("").status_code == 200
    sim.configure(count_body="bare")
    assert client.get("").status_code == 500
    assert client.get("").status_code == 200


def test_seed_over_http(sim: Simulator, control: httpx.Client, shares: Any) -> None:
    market = {"name": "A", "identifier": "a", "type_id": "exchange"}
    body = {"instruments": shares(3), "markets": [market]}
    assert control.post("seed", json=body).json() == {"added": {"instruments": 3, "markets": 1}}
    assert [row["archived"] for row in sim.state()["instruments"]].count(True) == 1
    assert control.post("seed", json={"cats": []}).status_code == 422
    wrong = {"instruments": [{"name": "n", "colour": 1}]}
    assert control.post("seed", json=wrong).status_code == 422
    assert sim.calls() == {}


def test_advance_and_revoke_over_http(
    sim: Simulator, control: httpx.Client, client: httpx.Client
) -> None:
    before = sim.clock.now()
    assert control.post("advance", json={"seconds": 100}).json()["now"] >= before + 100
    assert control.post("revoke", json={"token": "demo:member"}).status_code == 200
    assert client.get("").status_code == 401
    assert control.post("revoke", json={"token": "nobody"}).status_code == 404


def test_unknown_control_paths_name_the_known_ones(control: httpx.Client) -> None:
    answer = control.get("nothing")
    assert answer.status_code == 404
    assert "PUT faults" in answer.json()["message"]


@pytest.mark.parametrize(("address", "status"), [("127.0.0.1", 200), ("10.0.0.8", 403)])
def test_the_control_path_is_for_this_machine_alone(address: str, status: int) -> None:
    server, _ = build(Config())
    sent: list[Body] = []

    async def receive() -> Body:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Body) -> None:
        sent.append(message)

    scope = {
        "method": "GET",
        "raw_path": b"/_simulator/calls",
        "query_string": b"",
        "headers": [],
        "client": (address, 1),
    }
    asyncio.run(server(scope, receive, send))
    assert sent[0]["status"] == status
