from __future__ import annotations

from typing import Any

import httpx
import pytest

Body = dict[str, Any]


def told(client: httpx.Client) -> list[str]:
    return [row["event_type"] for row in client.get("/events?limit=200").json()["data"]]


def test_the_life_of_an_instrument(client: httpx.Client, bhp: Body) -> None:
    client.post("/instruments", json=bhp)
    client.patch("/instruments/bhp.xasx", json={"name": "B"})
    client.delete("/instruments/bhp.xasx")
    client.post("/instruments/bhp.xasx/restore")
    client.delete("/instruments/bhp.xasx?hard=true")
    actions = ("created", "updated", "archived", "restored", "deleted")
    assert told(client) == [f"instrument.{action}" for action in actions]
    event = client.get("/events").json()["data"][1]
    assert event["actor"] == {"type": "robot", "name": "demo:member"}
    assert event["resource_identifier"] == "bhp.xasx"
    assert event["changes"] == ["name"]
    assert client.get(f"/events/{event['id']}").json()["data"] == event
    node = {"field": "event_type", "op": "eq", "value": "instrument.updated"}
    assert client.post("/events/count", json={"filter": node}).json()["data"]["count"] == 1
    since = {"field": "created_at", "op": "gte", "value": event["created_at"]}
    found = client.post("/events/filter", json={"filter": since}).json()["data"]
    assert len(found) == 4


def test_refused_writes_are_no_events(client: httpx.Client, bhp: Body) -> None:
    client.post("/instruments", json={**bhp, "name": None})
    client.delete("/instruments/nobody")
    assert told(client) == []


@pytest.mark.parametrize(
    ("reading", "extra"), [("documented", []), ("complete", ["market.deleted"])]
)
def test_d18_events_nobody_documents(
    start: Any, connect: Any, reading: Any, extra: list[str]
) -> None:
    client = connect(start(market_events=reading))
    client.post("/markets", json={"name": "A", "identifier": "a", "type_id": "exchange"})
    client.delete("/markets/a?hard=true")
    assert told(client) == ["market.created", *extra]


def test_old_events_are_forgotten(start: Any, connect: Any, bhp: Body) -> None:
    sim = start(events_kept=10)
    sim.seed([bhp])
    client = connect(sim)
    for number in range(25):
        client.patch("/instruments/bhp.xasx", json={"name": f"n{number}"})
    assert 10 <= len(told(client)) <= 11


def test_webhooks_are_read_only_and_show_no_secret(start: Any, connect: Any) -> None:
    webhooks = [{"label": "ops", "subscriptions": ["instrument.created", "*"]}]
    sim = start(workspaces=[{"slug": "demo", "webhooks": webhooks}])
    client = connect(sim)
    (hook,) = client.get("/webhooks").json()["data"]
    assert hook.keys() == {"id", "url", "label", "active", "created_at", "archived_at"}
    assert client.get(f"/webhooks/{hook['id']}").json()["data"] == hook
    subscriptions = client.get(f"/webhooks/{hook['id']}/subscriptions").json()["data"]
    assert [row["event_type"] for row in subscriptions] == ["instrument.created", "*"]
    assert client.post("/webhooks", json={}).status_code == 403
    assert client.patch(f"/webhooks/{hook['id']}", json={}).status_code == 403
    assert connect(sim, "admin").delete(f"/webhooks/{hook['id']}").status_code == 405
