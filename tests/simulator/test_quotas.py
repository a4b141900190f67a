from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import pytest

from simulator import Simulator

Body = dict[str, Any]


def left(answer: httpx.Response) -> int:
    return int(answer.headers["x-ratelimit-remaining"])


def test_every_answer_costs_one_call_whatever_its_status(
    sim: Simulator, client: httpx.Client
) -> None:
    first = left(client.get(""))
    answers = [
        client.get("/instruments/nobody"),
        client.post("/instruments", json={}),
        client.get("/nothing"),
        client.put("/instruments/x"),
        client.get("/instruments"),
    ]
    assert [left(answer) for answer in answers] == [first - n for n in range(1, 6)]
    httpx.get(sim.workspace_url)
    assert left(client.get("")) == first - 6


def test_exhausted_calls_answer_429_without_retry_after(start: Any, connect: Any) -> None:
    client = connect(start(api_calls=2))
    assert [left(client.get("")) for _ in range(2)] == [1, 0]
    refused = client.get("")
    assert refused.status_code == 429
    assert left(refused) == 0
    assert "retry-after" not in refused.headers


def test_overage_lets_calls_and_items_through(start: Any, connect: Any, bhp: Body) -> None:
    client = connect(start(api_calls=1, items=0, overage=True))
    assert client.post("/instruments", json=bhp).status_code == 201
    assert client.get("/instruments").status_code == 200


def test_item_quota_refuses_creates_only(start: Any, connect: Any, bhp: Body) -> None:
    sim = start(items=1)
    client = connect(sim)
    assert client.post("/instruments", json=bhp).status_code == 201
    other = {**bhp, "identifier": "rio"}
    assert client.post("/instruments", json=other).status_code == 403
    assert client.patch("/instruments/bhp.xasx", json={"name": "B"}).status_code == 200
    client.delete("/instruments/bhp.xasx")
    assert client.post("/instruments", json=other).status_code == 403, "archived ones count"
    client.delete("/instruments/bhp.xasx?hard=true")
    assert client.post("/instruments", json=other).status_code == 201


def test_plan_tells_the_usage(start: Any, connect: Any, bhp: Body) -> None:
    sim = start(api_calls=100, items=5)
    sim.seed([bhp])
    plan = connect(sim).get("/plan").json()["data"]
    assert plan["api_calls"] == {"used": 1, "limit": 100, "remaining": 99}
    assert plan["database_items"] == {"used": 1, "limit": 5}


@pytest.mark.parametrize("form", ["seconds", "date", "none"])
def test_burst_limit_and_the_forms_of_retry_after(start: Any, connect: Any, form: Any) -> None:
    sim = start(burst_per_second=0.1, burst_size=2, retry_after=form, frozen_clock=True)
    client = connect(sim)
    assert [client.get("").status_code for _ in range(3)] == [200, 200, 429]
    refused = client.get("")
    value = refused.headers.get("retry-after")
    if form == "seconds":
        assert value == "10"
    elif form == "date":
        wait = parsedate_to_datetime(value) - datetime.fromtimestamp(sim.clock.now(), UTC)
        assert 9 <= wait.total_seconds() <= 11
    else:
        assert value is None
    assert connect(sim, "viewer").get("").status_code == 200, "the bucket is one token's"
    sim.advance(10)
    assert client.get("").status_code == 200


@pytest.mark.parametrize(
    ("cause", "statuses"),
    [("both", [200, 429, 429]), ("quota", [200, 200, 429]), ("burst", [200, 429, 429])],
)
def test_d19_causes_of_429(start: Any, connect: Any, cause: Any, statuses: list[int]) -> None:
    keys = {"api_calls": 2, "burst_per_second": 0.001, "burst_size": 1, "frozen_clock": True}
    client = connect(start(rate_429=cause, **keys))
    answers = [client.get("") for _ in range(3)]
    assert [answer.status_code for answer in answers] == statuses
    if cause == "burst":
        assert "retry-after" in answers[2].headers


@pytest.mark.parametrize(("reading", "value"), [("absent", None), ("garbage", "plenty")])
def test_a36_remaining_header(start: Any, connect: Any, reading: Any, value: str | None) -> None:
    answer = connect(start(remaining_header=reading)).get("")
    assert answer.headers.get("x-ratelimit-remaining") == value


@pytest.mark.parametrize(("reading", "items"), [("one", 1), ("parts", 5)])
def test_d9_billing_of_composite_values(
    start: Any, connect: Any, bhp: Body, reading: Any, items: int
) -> None:
    sim = start(item_billing=reading)
    sim.seed([bhp])
    body = {
        "instrument_id": "bhp.xasx",
        "type_id": "ohlcv-daily",
        "timestamp": "2026-01-05T00:00:00Z",
        "items": [{"field_key": key, "value": "1"} for key in ("open", "high", "low", "close")],
    }
    assert connect(sim).post("/composite-time-series-values", json=body).status_code == 201
    assert sim.store.quota.items_used == 1 + items


def test_a38_webhook_deliveries_cost_calls(start: Any, connect: Any, bhp: Body) -> None:
    webhooks = [
        {"subscriptions": ["instrument.created"]},
        {"subscriptions": ["*"]},
        {"subscriptions": ["*"], "active": False},
        {"subscriptions": ["instrument.archived"]},
    ]
    sim = start(api_calls=100, workspaces=[{"slug": "demo", "webhooks": webhooks}])
    client = connect(sim)
    assert left(client.post("/instruments", json=bhp)) == 99, "told before the deliveries"
    assert left(client.get("")) == 96
    client.delete("/instruments/bhp.xasx")
    assert left(client.get("")) == 92
    assert sim.calls()["POST /instruments"] == 1
