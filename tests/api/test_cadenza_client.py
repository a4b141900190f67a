"""The client against the simulated Cadenza, with its documents read one way and the other."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from simulator import Simulator
from tests.api.cadenza import enveloped, open_cadenza, scripted
from tests.conftest import MakeSimulator

LIST = "GET /api/v3/market/instrument/list"
STATUSES = ("ACTIVE", "INACTIVE", "DISABLED", "DELISTED")


def with_statuses(sim: Simulator, count: int) -> list[str]:
    """BINANCE has so many instruments of every status; which of them are not gone."""
    rows = [
        sim.cadenza.instrument("BINANCE", f"{status[:3]}{number}/USD", status=status)
        for status in STATUSES
        for number in range(count)
    ]
    sim.cadenza.set_rows("BINANCE", rows)
    return sorted(row["instrumentId"] for row in rows if row["status"] != "DELISTED")


@pytest.mark.parametrize("status_parameter", ["status", "instrumentStatus", "either"])
@pytest.mark.parametrize("default_statuses", ["all", "tradable", "active"])
@pytest.mark.parametrize("count", [1, 120])
def test_d04_n06_a_default_filter_hides_nothing_that_is_not_gone(
    make_simulator: MakeSimulator, status_parameter: str, default_statuses: str, count: int
) -> None:
    """An instrument that is INACTIVE today must not look as if it had vanished."""
    sim = make_simulator(
        cadenza={"status_parameter": status_parameter, "default_statuses": default_statuses}
    )
    expected = with_statuses(sim, count)
    with open_cadenza(sim) as cadenza:
        found = cadenza.instruments("BINANCE")
    kept = sorted(row["instrumentId"] for row in found.rows if row["status"] != "DELISTED")
    assert found.complete
    assert kept == expected


def test_a_list_without_hidden_rows_takes_two_more_requests(sim: Simulator) -> None:
    with open_cadenza(sim) as cadenza:
        cadenza.instruments("BINANCE")
    assert sim.calls()[LIST] == 3


def test_hidden_rows_that_cannot_be_read_whole_make_the_list_incomplete(
    make_simulator: MakeSimulator,
) -> None:
    sim = make_simulator(cadenza={"default_statuses": "active", "page_shift": 1})
    with_statuses(sim, 60)
    rows = [
        sim.cadenza.instrument("BINANCE", f"OFF{number}/USD", status="INACTIVE")
        for number in range(150)
    ]
    sim.cadenza.set_rows("BINANCE", rows)
    with open_cadenza(sim) as cadenza:
        found = cadenza.instruments("BINANCE")
    assert not found.complete
    assert "rows moved while it was read" in found.why_incomplete


@pytest.mark.parametrize("known", ["status", "instrumentStatus"])
def test_d04_a_filter_whose_other_name_is_refused_hides_nothing_either(known: str) -> None:
    """A strict server refuses a parameter it does not know: that is no word about its rows."""
    held = {"ACTIVE": "A/USD", "INACTIVE": "B/USD"}

    def handle(request: httpx.Request) -> httpx.Response:
        asked = request.url.params
        other = "status" if known == "instrumentStatus" else "instrumentStatus"
        if other in asked or asked.get(known) == "DISABLED":
            return enveloped(400, -22015, "unknown parameter")
        status = asked.get(known, "ACTIVE")
        row = {"venue": "V", "symbol": held[status], "status": status}
        return enveloped(data=[row], pagination={"total": 1})

    with scripted(handle) as cadenza:
        found = cadenza.instruments("V")
    assert found.complete
    assert [row["instrumentId"] for row in found.rows] == ["V:A/USD", "V:B/USD"]


@pytest.mark.parametrize("preset", ["guide", "reference", "hostile"])
def test_every_preset_is_read_alike(make_simulator: MakeSimulator, preset: str) -> None:
    sim = make_simulator(preset, fault_rates={})
    with open_cadenza(sim) as cadenza:
        names = [venue.name for venue in cadenza.venues()]
        found = cadenza.instruments("BINANCE")
        cadenza.sync("OKX")
        cadenza.sync("OKX", ["BTC/USDT"])
    assert "BINANCE" in names
    assert found.complete
    assert len(found.rows) == len(sim.cadenza.rows("BINANCE"))


@pytest.mark.parametrize(
    ("status", "online"), [("online", True), ("MAINTENANCE", False), (None, False)]
)
def test_d11_a_venue_is_online_in_any_spelling(sim: Simulator, status: Any, online: bool) -> None:
    body = (
        f'{{"data": [{{"venue": " V ", "status": {"null" if status is None else repr(status)}}}]}}'
    )
    sim.faults = [
        {
            "path": "/api/v3/market/venue/list",
            "action": "status",
            "status": 200,
            "body": body.replace("'", '"'),
        }
    ]
    with open_cadenza(sim) as cadenza:
        [venue] = cadenza.venues()
    assert (venue.name, venue.online) == ("V", online)


def test_the_vendors_sample_call_works_against_the_simulator(sim: Simulator) -> None:
    """As the documentation of the sync shows it, with the token of a session."""
    answer = httpx.post(
        f"{sim.cadenza_url}/api/v3/market/instrument/sync",
        headers={"Authorization": f"Bearer {sim.cadenza.token()}"},
        json={"venue": "BINANCE"},
    )
    result = answer.json()["data"]
    assert f"Synced {result['synced']} instruments" == "Synced 40 instruments"
