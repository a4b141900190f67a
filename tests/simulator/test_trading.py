from __future__ import annotations

from typing import Any

import httpx
import pytest

from simulator import Simulator

Body = dict[str, Any]
ASX = {"name": "ASX", "identifier": "asx", "type_id": "exchange", "field_values": {"mic": "XASX"}}
LISTING = {
    "instrument_id": "bhp.xasx",
    "market_id": "asx",
    "local_code": "BHP",
    "currency": "AUD",
    "lot_size": 1,
}


@pytest.fixture
def traded(sim: Simulator, bhp: Body) -> Simulator:
    sim.seed_all({"instruments": [bhp], "markets": [ASX]})
    return sim


@pytest.fixture
def listing(traded: Simulator, client: httpx.Client) -> Body:
    answer = client.post("/market-listings", json=LISTING)
    assert answer.status_code == 201
    data: Body = answer.json()["data"]
    return data


def suspend(client: httpx.Client, listing: Body, start: str, end: str | None) -> httpx.Response:
    body = {"listing_id": listing["id"], "suspended_from": start, "suspended_until": end}
    return client.post("/market-listing-suspensions", json=body)


def test_markets_are_like_instruments(client: httpx.Client) -> None:
    assert client.post("/markets", json=ASX).status_code == 201
    assert client.post("/markets", json=ASX).status_code == 409
    patched = client.patch("/markets/asx", json={"field_values": {"country": "AU"}})
    assert patched.json()["data"]["extra_fields_snapshot"]["country"] == "AU"
    condition = {"field": "field.mic", "op": "eq", "value": "XASX"}
    found = client.post("/markets/filter", json={"filter": condition, "type_id": "exchange"})
    assert len(found.json()["data"]) == 1
    assert client.delete("/markets/asx").status_code == 204
    assert client.post("/markets/asx/restore").status_code == 200
    assert client.post("/markets/count", json={}).json()["data"]["count"] == 1


def test_listing_answers_references(listing: Body) -> None:
    assert listing["instrument"]["identifier"] == "bhp.xasx"
    assert listing["market"]["identifier"] == "asx"
    assert listing["lot_size"] == 1


def test_pair_of_instrument_and_market_is_unique(listing: Body, client: httpx.Client) -> None:
    assert client.post("/market-listings", json=LISTING).status_code == 409
    assert client.delete(f"/market-listings/{listing['id']}").status_code == 204
    assert client.post("/market-listings", json=LISTING).status_code == 201
    assert client.post(f"/market-listings/{listing['id']}/restore").status_code == 409


@pytest.mark.parametrize(
    "change",
    [
        {"instrument_id": "nobody"},
        {"market_id": "nowhere"},
        {"market_id": None},
        {"lot_size": "many"},
        {"currency": 5},
        {"colour": "red"},
    ],
)
def test_wrong_listings_are_422(traded: Simulator, client: httpx.Client, change: Body) -> None:
    assert client.post("/market-listings", json={**LISTING, **change}).status_code == 422


def test_listing_patch_filter_and_hard_delete(listing: Body, client: httpx.Client) -> None:
    path = f"/market-listings/{listing['id']}"
    assert client.patch(path, json={"local_code": "BHP2"}).json()["data"]["local_code"] == "BHP2"
    assert client.patch(path, json={"market_id": "asx"}).status_code == 422
    assert len(client.get("/market-listings?instrument_id=bhp.xasx").json()["data"]) == 1
    assert client.get("/market-listings?market_id=nowhere").json()["data"] == []
    assert client.get("/market-listings?q=bhp").status_code == 400
    condition = {"field": "market_id", "op": "eq", "value": "asx"}
    found = client.post(
        "/market-listings/filter", json={"filter": condition, "include": ["instrument", "market"]}
    )
    assert found.json()["included"].keys() == {"instrument", "market"}
    assert client.delete(path + "?hard=true").status_code == 422


def test_periods_of_a_listing_do_not_overlap(listing: Body, client: httpx.Client) -> None:
    first = suspend(client, listing, "2026-01-01T00:00:00Z", None)
    assert first.status_code == 201
    assert suspend(client, listing, "2026-02-01T00:00:00Z", None).status_code == 409
    path = f"/market-listing-suspensions/{first.json()['data']['id']}"
    lifted = client.patch(path, json={"suspended_until": "2026-01-05T00:00:00Z"})
    assert lifted.json()["data"]["suspended_until"] == "2026-01-05T00:00:00Z"
    assert suspend(client, listing, "2026-01-05T00:00:00Z", None).status_code == 201
    assert client.patch(path, json={"suspended_until": None}).status_code == 409
    assert client.patch(path, json={"suspended_until": "2025-01-01"}).status_code == 422
    assert client.patch(path, json={"suspended_until": "soon"}).status_code == 422


@pytest.mark.parametrize(("reading", "rows"), [("deleted", 0), ("archived", 1)])
def test_what_delete_does_to_suspensions(
    traded: Simulator, listing: Body, client: httpx.Client, reading: Any, rows: int
) -> None:
    traded.configure(delete_unlisted=reading)
    made = suspend(client, listing, "2026-01-01T00:00:00Z", None).json()["data"]
    assert client.delete(f"/market-listing-suspensions/{made['id']}").status_code == 204
    assert len(traded.state()["market_listing_suspensions"]) == rows
    assert suspend(client, listing, "2026-01-01T00:00:00Z", None).status_code == 201
    told = [row["event_type"] for row in client.get("/events").json()["data"]]
    assert "market_listing_suspension.deleted" in told


def test_calendar_days(traded: Simulator, client: httpx.Client) -> None:
    body = {"market_id": "asx", "date": "2026-01-26", "is_open": False, "description": "Day"}
    assert client.post("/market-calendars", json=body).status_code == 201
    assert client.post("/market-calendars", json=body).status_code == 409
    assert client.post("/market-calendars", json={**body, "date": "x"}).status_code == 422
    (day,) = client.get("/market-calendars?market_id=asx").json()["data"]
    assert day["is_open"] is False
    patched = client.patch(f"/market-calendars/{day['id']}", json={"is_open": "true"})
    assert patched.json()["data"]["is_open"] is True


def test_hard_delete_of_a_market_cascades(
    traded: Simulator, listing: Body, client: httpx.Client
) -> None:
    suspend(client, listing, "2026-01-01T00:00:00Z", None)
    client.post("/market-calendars", json={"market_id": "asx", "date": "2026-01-26"})
    assert client.delete("/markets/asx?hard=true").status_code == 204
    state = traded.state()
    left = {name: len(rows) for name, rows in state.items() if rows}
    assert left == {"instruments": 1}
    assert traded.store.quota.items_used == 1


def test_a39_archive_refused_while_listed(
    traded: Simulator, listing: Body, client: httpx.Client
) -> None:
    traded.configure(archive_with_listings="refused")
    assert client.delete("/instruments/bhp.xasx").status_code == 409
    client.delete(f"/market-listings/{listing['id']}")
    assert client.delete("/instruments/bhp.xasx").status_code == 204
