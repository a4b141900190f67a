from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from simulator import Config, Simulator
from simulator.exchange import Refusal
from tests.simulator.desk import venues

Steer = Callable[..., httpx.Response]


@pytest.fixture
def steer(sim: Simulator) -> Steer:
    def post(do: str, **rest: Any) -> httpx.Response:
        return httpx.post(f"{sim.url}/_simulator/cadenza", json={"do": do, **rest})

    return post


def test_everything_can_be_steered_over_http(sim: Simulator, steer: Steer) -> None:
    assert steer("set_status", venue="BYBIT_UAT", status="ONLINE").json() == {"result": None}
    steer("list_on_exchange", venue="BYBIT_UAT", rows=[{"symbol": "A/B"}, {"symbol": "C/D"}])
    steer("change_on_exchange", venue="BYBIT_UAT", symbol="A/B", pipSize="7")
    steer("delist_on_exchange", venue="BYBIT_UAT", symbols=["C/D"])
    [row] = steer("exchange_rows", venue="BYBIT_UAT").json()["result"]
    assert (row["instrumentId"], row["pipSize"]) == ("BYBIT_UAT:A/B", "7")
    steer("set_rows", venue="BYBIT_UAT", rows=[{"symbol": "E/F"}, {"symbol": "G/H"}])
    steer("add_rows", venue="BYBIT_UAT", rows=[{"symbol": "I/J"}], first=True)
    steer("add_rows", venue="BYBIT_UAT", rows=[{"symbol": "K/L"}])
    steer("remove_rows", venue="BYBIT_UAT", symbols=["E/F"])
    rows = steer("rows", venue="BYBIT_UAT").json()["result"]
    assert [row["symbol"] for row in rows] == ["I/J", "G/H", "K/L"]
    steer("busy", venue="OKX", times=4)
    assert sim.cadenza.busy_times == {"OKX": 4}
    assert steer("script_sync", venue="OKX", errno=18013).status_code == 200
    assert steer("clear_scripts").status_code == 200
    assert sim.cadenza.busy_times == {}
    assert steer("expire_tokens", after_calls=3).status_code == 200
    assert steer("expire_refresh_tokens").status_code == 200
    assert sim.calls() == {}


def test_what_cannot_be_steered(sim: Simulator, steer: Steer) -> None:
    unknown = steer("token")
    assert unknown.status_code == 422
    assert unknown.json()["message"].startswith("do is one of: set_status, list_on_exchange")
    assert steer("rows", venue="NOWHERE").json() == {"message": "No venue 'NOWHERE'"}
    gone = steer("delist_on_exchange", venue="OKX", symbols=["NO/NE"])
    assert (gone.status_code, gone.json()["message"]) == (404, "OKX has no 'NO/NE'")
    assert steer("set_status", venue="OKX").status_code == 422
    assert steer("script_sync", venue="OKX", colour=1).status_code == 422
    assert httpx.post(f"{sim.url}/_simulator/cadenza", json={}).status_code == 422
    with pytest.raises(Refusal, match="No venue"):
        sim.cadenza.rows("NOWHERE")


def test_the_state_over_http(sim: Simulator) -> None:
    told = httpx.get(f"{sim.url}/_simulator/cadenza").json()
    assert told["venues"][0] == {
        "venue": "BINANCE", "status": "ONLINE", "exchange": 40, "copy": 40,
    }  # fmt: skip
    assert told["syncs"] == []
    assert told["sessions"] == {"logins": 0, "refreshes": 0, "refused": 0}
    headers = {"Authorization": f"Bearer {sim.cadenza.token()}"}
    address = f"{sim.cadenza_url}/api/v3/market/instrument/sync"
    httpx.post(address, headers=headers, json={"venue": "OKX", "symbols": ["BTC/USDT"]})
    [record] = httpx.get(f"{sim.url}/_simulator/cadenza").json()["syncs"]
    assert (record["venue"], record["symbols"], record["synced"]) == ("OKX", ["BTC/USDT"], 1)


def test_rows_that_are_given_out_are_copies(sim: Simulator) -> None:
    row = sim.cadenza.rows("OKX")[0]
    row["status"] = "DELISTED"
    row["orderTypes"].clear()
    assert sim.cadenza.rows("OKX")[0]["status"] == "ACTIVE"
    assert sim.cadenza.exchange_rows("OKX")[0]["orderTypes"]


def test_simulators_do_not_share_what_changes(start: Any) -> None:
    one, two = start(), start()
    one.cadenza.change_on_exchange("OKX", "BTC/USDT", pipSize="9")
    one.cadenza.delist_on_exchange("OKX", ["ETH/USDT"])
    assert two.cadenza.exchange_rows("OKX")[0]["pipSize"] == "0.01"
    assert len(two.cadenza.exchange_rows("OKX")) == 12


def test_switches_while_it_runs(start: Any) -> None:
    sim = start(cadenza={"order": "newest_first", "venues": venues("A/B")})
    sim.configure(cadenza={"decimals": "numbers"}, count_body="bare")
    assert (sim.cadenza.config.order, sim.cadenza.config.decimals) == ("newest_first", "numbers")
    assert [venue.name for venue in sim.cadenza.config.venues] == ["OKX"]
    assert sim.config.count_body == "bare"
    sim.configure(count_body="count")
    assert sim.cadenza.config.decimals == "numbers"
    with pytest.raises(ValidationError, match="colour"):
        sim.configure(cadenza={"colour": "red"})


def test_presets_of_both(tmp_path: Any) -> None:
    path = tmp_path / "simulator.yaml"
    path.write_text("preset: guide\ncadenza: {sync_answer: empty}\n")
    config = Config.load(path)
    assert config.page_limit_max == 500
    assert (config.cadenza.instrument_fields, config.cadenza.sync_answer) == ("docs", "empty")
    assert Config.preset("hostile").cadenza.list_limit_max == 7
    assert Config.preset("reference").cadenza.model_dump() == Config().cadenza.model_dump()


def test_the_instrument_helper_makes_whole_rows(sim: Simulator) -> None:
    row = sim.cadenza.instrument("OKX", "BTC/USDT:USDT", instrumentType="PERPETUAL", pipSize="1")
    assert row["instrumentId"] == "OKX:BTC/USDT:USDT"
    assert (row["baseAsset"], row["quoteAsset"]) == ("BTC", "USDT")
    assert (row["instrumentType"], row["pipSize"]) == ("PERPETUAL", "1")
    required = {
        "instrumentId", "venue", "symbol", "externalSymbol", "instrumentType", "status",
        "baseAsset", "quoteAsset", "basePrecision", "quotePrecision", "baseMaxSignificant",
        "quoteMaxSignificant", "baseScale", "quoteScale", "lotSize", "pipSize", "minQuantity",
        "maxQuantity", "minNotional", "orderTypes", "timeInForceOptions",
    }  # fmt: skip
    assert required <= row.keys()
