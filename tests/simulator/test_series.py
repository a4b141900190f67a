from __future__ import annotations

from typing import Any

import httpx
import pytest

from simulator import Simulator

Body = dict[str, Any]
POINT = {
    "instrument_id": "bhp.xasx",
    "type_id": "close-price",
    "timestamp": "2026-04-15T00:00:00Z",
    "value": "45.10",
}
BAR_ITEMS = [{"field_key": key, "value": "1.50"} for key in ("open", "high", "low", "close")]
BAR = {
    "instrument_id": "bhp.xasx",
    "type_id": "ohlcv-daily",
    "timestamp": "2026-04-15T00:00:00Z",
    "items": BAR_ITEMS,
}


@pytest.fixture(autouse=True)
def filled(sim: Simulator, bhp: Body) -> Simulator:
    sim.seed([bhp])
    return sim


def test_scalar_values(sim: Simulator, client: httpx.Client) -> None:
    made = client.post("/time-series-values", json=POINT)
    assert made.status_code == 201
    data = made.json()["data"]
    assert data["value"] == "45.10"
    assert data["timestamp"] == "2026-04-15T00:00:00Z"
    assert client.post("/time-series-values", json=POINT).status_code == 409
    path = f"/time-series-values/{data['id']}"
    assert client.patch(path, json={"value": 46}).json()["data"]["value"] == "46"
    assert client.patch(path, json={"timestamp": "2026-01-01"}).status_code == 422
    assert client.delete(path + "?hard=true").status_code == 422
    assert client.delete(path).status_code == 204
    assert client.post("/time-series-values", json=POINT).status_code == 201
    assert client.post(f"{path}/restore").status_code == 409


@pytest.mark.parametrize(
    "change",
    [
        {"value": "x"},
        {"value": None},
        {"timestamp": "soon"},
        {"type_id": "ohlcv-daily"},
        {"type_id": "volume"},
        {"instrument_id": "nobody"},
        {"note": 1},
    ],
)
def test_wrong_scalar_values_are_422(client: httpx.Client, change: Body) -> None:
    assert client.post("/time-series-values", json={**POINT, **change}).status_code == 422


@pytest.mark.parametrize(
    ("reading", "of_string", "of_number"),
    [("either", 201, 201), ("string", 201, 422), ("number", 422, 201)],
)
def test_d16_json_type_of_a_value(
    sim: Simulator, client: httpx.Client, reading: Any, of_string: int, of_number: int
) -> None:
    sim.configure(series_value=reading)
    assert client.post("/time-series-values", json=POINT).status_code == of_string
    later = {**POINT, "timestamp": "2026-04-16T00:00:00Z", "value": 45.1}
    assert client.post("/time-series-values", json=later).status_code == of_number


def test_values_are_filtered(client: httpx.Client) -> None:
    for day in range(1, 6):
        client.post("/time-series-values", json={**POINT, "timestamp": f"2026-04-0{day}T00:00:00Z"})
    condition = {"field": "timestamp", "op": "gte", "value": "2026-04-03T00:00:00Z"}
    body = {"filter": condition, "instrument_id": "bhp.xasx", "type_id": "close-price"}
    found = client.post("/time-series-values/filter", json=body).json()["data"]
    assert [row["timestamp"][:10] for row in found] == ["2026-04-03", "2026-04-04", "2026-04-05"]
    query: Body = {"instrument_id": "bhp.xasx", "type_id": "close-price", "limit": 2}
    assert len(client.get("/time-series-values", params=query).json()["data"]) == 2


def test_archiving_an_instrument_keeps_its_series(client: httpx.Client) -> None:
    client.post("/time-series-values", json=POINT)
    client.delete("/instruments/bhp.xasx")
    assert len(client.get("/time-series-values").json()["data"]) == 1


def test_composite_values_need_every_required_item(client: httpx.Client) -> None:
    without = {**BAR, "items": BAR_ITEMS[1:]}
    assert client.post("/composite-time-series-values", json=without).status_code == 422
    twice = {**BAR, "items": [*BAR_ITEMS, BAR_ITEMS[0]]}
    assert client.post("/composite-time-series-values", json=twice).status_code == 422
    strange = {**BAR, "items": [*BAR_ITEMS, {"field_key": "vwap", "value": "1"}]}
    assert client.post("/composite-time-series-values", json=strange).status_code == 422
    scalar = {**BAR, "type_id": "close-price"}
    assert client.post("/composite-time-series-values", json=scalar).status_code == 422


def test_composite_values_and_their_items(client: httpx.Client) -> None:
    made = client.post("/composite-time-series-values", json=BAR).json()["data"]
    assert made["items"] == BAR_ITEMS
    path = f"/composite-time-series-values/{made['id']}"
    patch = {"items": [{"field_key": "volume", "value": 9}, {"field_key": "open", "value": "2"}]}
    patched = client.patch(path, json=patch).json()["data"]
    assert [item["value"] for item in patched["items"]] == ["2", "1.50", "1.50", "1.50", "9"]
    listed = "/composite-time-series-value-items"
    items = client.get(listed).json()["data"]
    assert {item["field_key"]: item["value"] for item in items}["volume"] == "9"
    assert client.get(f"{listed}/{items[0]['id']}").json()["data"] == items[0]
    assert client.post(listed, json={}).status_code == 405
    client.delete(path)
    assert client.get(listed).json()["data"] == []
    client.post(f"{path}/restore")
    assert len(client.get(listed).json()["data"]) == 5


def test_series_fields(client: httpx.Client) -> None:
    fields = client.get("/time-series-type-fields?type_id=ohlcv-daily").json()["data"]
    assert [(row["field_key"], row["is_required"]) for row in fields] == [
        ("open", True),
        ("high", True),
        ("low", True),
        ("close", True),
        ("volume", False),
    ]
