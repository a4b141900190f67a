from __future__ import annotations

import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.simulator.desk import refused, venues

COUNTS = {"venue": "OKX", "synced": 3, "added": 1, "updated": 2}


def copied(one: Any, venue: str = "OKX") -> dict[str, str]:
    """Symbols and statuses of Cadenza's copy."""
    return {row["symbol"]: row["status"] for row in one.sim.cadenza.rows(venue)}


@pytest.fixture
def changed(desk: Any) -> Any:
    """An OKX that lists a new one, changed another, and lacks a third."""

    def begin(**switches: Any) -> Any:
        one = desk(venues=venues("A/USDT", "B/USDT", "C/USDT"), **switches)
        one.sim.cadenza.list_on_exchange("OKX", [{"symbol": "D/USDT"}])
        one.sim.cadenza.change_on_exchange("OKX", "A/USDT", pipSize="0.5")
        one.sim.cadenza.delist_on_exchange("OKX", ["C/USDT"])
        return one

    return begin


def test_the_vendors_sample_call(desk: Any) -> None:
    """The call of the documentation page, as written there."""
    one = desk(sync_answer="counts")
    token = one.login().json()["data"]["accessToken"]
    address = f"{one.sim.cadenza_url}/api/v3/market/instrument/sync"
    headers = {"Authorization": f"Bearer {token}"}
    answer = httpx.post(address, headers=headers, json={"venue": "BINANCE"})
    assert answer.json()["data"]["synced"] == 40
    some = {"venue": "BINANCE", "symbols": ["BTC/USDT", "ETH/USDT"]}
    assert httpx.post(address, headers=headers, json=some).json() == {
        "data": {"venue": "BINANCE", "synced": 2, "added": 0, "updated": 2},
        "success": True,
        "errno": 0,
        "error": None,
    }


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_vendors_sample_call_with_curl(desk: Any) -> None:
    one = desk()
    address = f"{one.sim.cadenza_url}/api/v3/market/instrument/sync"
    command = ["curl", "-s", "-X", "POST", address]
    command += ["-H", f"Authorization: Bearer {one.sim.cadenza.token()}"]
    command += ["-H", "Content-Type: application/json", "-d", '{"venue": "BINANCE"}']
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert '"synced":40' in done.stdout


def test_a_sync_brings_the_copy_up_to_date(changed: Any) -> None:
    one = changed(sync_answer="counts")
    assert copied(one) == dict.fromkeys(["A/USDT", "B/USDT", "C/USDT"], "ACTIVE")
    assert one.sync("OKX").json()["data"] == COUNTS
    assert copied(one) == {
        "A/USDT": "ACTIVE", "B/USDT": "ACTIVE", "C/USDT": "DELISTED", "D/USDT": "ACTIVE",
    }  # fmt: skip
    assert one.sim.cadenza.rows("OKX")[0]["pipSize"] == "0.5"
    one.sim.cadenza.list_on_exchange("OKX", [{"symbol": "C/USDT"}])
    one.sync("OKX")
    assert copied(one)["C/USDT"] == "ACTIVE"


def test_vanished_ones_may_be_kept(changed: Any) -> None:
    one = changed(vanished="kept")
    one.sync("OKX")
    assert copied(one)["C/USDT"] == "ACTIVE"


def test_a_sync_of_some_symbols_leaves_the_others(changed: Any) -> None:
    one = changed()
    data = one.sync("OKX", ["D/USDT", "B/USDT", "D/USDT"]).json()["data"]
    assert (data["synced"], data["added"], data["updated"]) == (2, 1, 1)
    assert copied(one)["C/USDT"] == "ACTIVE"
    assert one.sim.cadenza.rows("OKX")[0]["pipSize"] != "0.5"
    one.sync("OKX", ["C/USDT"])
    assert copied(one)["C/USDT"] == "DELISTED"


def test_a_venue_that_was_never_copied(desk: Any) -> None:
    one = desk(venues=[{"name": "OKX", "copied": False}])
    assert one.symbols(venue="OKX") == []
    assert one.sync("OKX").json()["data"]["added"] == 12
    assert len(one.symbols(venue="OKX")) == 12


@pytest.mark.parametrize(
    ("reading", "data"),
    [
        ("counts", COUNTS),
        ("total", {"total": 3}),
        ("both", {**COUNTS, "total": 3}),
        ("empty", {}),
    ],
)
def test_d7_answers(changed: Any, reading: str, data: Any) -> None:
    assert changed(sync_answer=reading).sync("OKX").json()["data"] == data


@pytest.mark.parametrize(
    ("reading", "statuses"),
    [
        ("optional", (200, 200, 200)),
        ("list_required", (400, 200, 200)),
        ("listed", (400, 400, 200)),
    ],
)
def test_d6_symbols_of_a_sync(desk: Any, reading: str, statuses: tuple[int, ...]) -> None:
    one = desk(sync_symbols=reading)
    answers = [one.sync("OKX", symbols) for symbols in (None, [], ["BTC/USDT"])]
    assert tuple(answer.status_code for answer in answers) == statuses
    done = [record.symbols for record in one.sim.cadenza.syncs]
    assert done == [None, None, ("BTC/USDT",)][-len(done) :]


@pytest.mark.parametrize(
    "body", [{}, [], {"venue": 1}, {"venue": ""}, {"venue": "OKX", "symbols": "BTC/USDT"},
             {"venue": "OKX", "symbols": [1]}, {"venue": "OKX", "force": True}],
)  # fmt: skip
def test_bad_bodies_of_a_sync(desk: Any, body: Any) -> None:
    one = desk()
    assert refused(one.post("/market/instrument/sync", body))[:2] == (400, -19004)
    assert one.sim.cadenza.syncs == []


def test_c05_an_unknown_venue(desk: Any) -> None:
    told = refused(desk().sync("BINANCEE"))
    assert told == (400, -22015, "Invalid venue specified: BINANCEE")


@pytest.mark.parametrize(("venue", "errno"), [("BITFINEX", -18013), ("WINTERMUTE", -18012)])
def test_a_venue_that_is_not_online(desk: Any, venue: str, errno: int) -> None:
    one = desk()
    assert refused(one.sync(venue))[:2] == (503, errno)
    one.sim.cadenza.set_status(venue, "ONLINE")
    assert one.sync(venue).status_code == 200


@pytest.mark.parametrize(
    ("reading", "told"),
    [
        (404, (404, -18017, "Symbol not found: NO/NE")),
        (400, (400, -22015, "Symbol not found: NO/NE")),
    ],
)
def test_c12_symbols_the_exchange_has_not(desk: Any, reading: int, told: Any) -> None:
    one = desk(unknown_symbols=reading)
    assert refused(one.sync("OKX", ["BTC/USDT", "NO/NE"])) == told
    one.sim.configure(cadenza={"unknown_symbols": "skipped"})
    assert one.sync("OKX", ["BTC/USDT", "NO/NE"]).json()["data"]["synced"] == 1


def test_n7_case_of_symbols_in_a_sync(desk: Any) -> None:
    one = desk()
    assert one.sync("OKX", ["btc/usdt"]).status_code == 404
    one.sim.configure(cadenza={"symbol_case": "insensitive"})
    assert one.sync("OKX", ["btc/usdt", "BTC/USDT"]).json()["data"]["synced"] == 1


@pytest.mark.parametrize(("role", "status"), [("viewer", 403), ("trader", 403), ("admin", 200)])
def test_n9_the_role_a_sync_needs(desk: Any, role: str, status: int) -> None:
    one = desk(role, sync_role="admin")
    answer = one.sync("OKX")
    assert answer.status_code == status
    if status == 403:
        assert refused(answer)[1:] == (-22018, "Insufficient permissions")
        assert answer.json()["details"]["required"] == ["admin"]
        assert answer.json()["details"]["provided"] == [role]


def test_n10_a_sync_holds_its_venue_alone(desk: Any) -> None:
    one = desk(sync_seconds=600)
    assert one.sync("OKX").status_code == 200
    told = refused(one.sync("OKX", ["BTC/USDT"]))
    assert told == (503, -22014, "Another sync of OKX holds the lock")
    assert one.sync("BYBIT").status_code == 200
    one.sim.advance(600)
    assert one.sync("OKX").status_code == 200
    outcomes = [(record.venue, record.outcome, record.errno) for record in one.sim.cadenza.syncs]
    assert outcomes == [
        ("OKX", "done", 0),
        ("OKX", "busy", 22014),
        ("BYBIT", "done", 0),
        ("OKX", "done", 0),
    ]
    first = one.sim.cadenza.syncs[0]
    assert first.ended - first.started == pytest.approx(600)
    assert (first.symbols, first.synced) == (None, 12)


def test_n10_an_answer_that_takes_its_time(desk: Any) -> None:
    one = desk(sync_pause_seconds=300)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(one.sync, "OKX")
        while not one.sim.cadenza.syncs:
            assert not first.done()
        assert one.sync("OKX").status_code == 503
        assert one.sync("NOWHERE").status_code == 400
        assert not first.done()
        one.sim.stop()
        assert first.result().status_code == 200


def test_a_venue_that_is_busy_when_told(desk: Any) -> None:
    one = desk()
    one.sim.cadenza.busy("OKX", 2)
    assert [one.sync("OKX").status_code for _ in range(3)] == [503, 503, 200]
    assert one.sim.cadenza.busy_times == {"OKX": 0}


@pytest.mark.parametrize(
    ("errno", "status"),
    [(18005, 401), (18009, 502), (18011, 429), (18016, 501), (22017, 409), (7, 500)],
)
def test_scripted_refusals(desk: Any, errno: int, status: int) -> None:
    one = desk()
    one.sim.cadenza.script_sync("OKX", errno=errno, times=2, retry_after=30)
    answers = [one.sync("OKX") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [status, status, 200]
    assert refused(answers[0])[1] == -errno
    assert answers[0].headers["retry-after"] == "30"
    assert one.sync("BYBIT").status_code == 200


def test_c09_c10_c13_scripted_answers(desk: Any) -> None:
    one = desk()
    for data in ({"synced": 0}, {"venue": "BYBIT"}, {"synced": "12", "added": -1, "total": None}):
        one.sim.cadenza.script_sync("OKX", data=data)
        told = one.sync("OKX").json()["data"]
        assert told == {"venue": "OKX", "synced": 12, "added": 0, "updated": 12, "total": 12} | data
    assert one.sync("OKX").json()["data"]["synced"] == 12


def test_scripts_about_one_symbol(desk: Any) -> None:
    one = desk()
    one.sim.cadenza.script_sync("OKX", errno=18008, times=None, symbol="ETH/USDT")
    assert one.sync("OKX").status_code == 200
    assert one.sync("OKX", ["BTC/USDT"]).status_code == 200
    assert one.sync("OKX", ["BTC/USDT", "ETH/USDT"]).status_code == 400
    one.sim.cadenza.clear_scripts()
    assert one.sync("OKX", ["ETH/USDT"]).status_code == 200
    assert one.sim.cadenza.syncs[2].outcome == "refused"


def test_c01_d15_refusals_with_status_200(desk: Any) -> None:
    one = desk(errors_on_200=True)
    answer = one.sync("NOWHERE")
    assert refused(answer)[:2] == (200, -22015)
    assert answer.json()["success"] is False
    one.carry("nonsense")
    assert one.sync("OKX").status_code == 401


def test_d8_d14_positive_numbers_and_no_success(desk: Any) -> None:
    answer = desk(errno_sign="positive", success_key="absent").sync("NOWHERE")
    assert refused(answer)[1] == 22015
    assert "success" not in answer.json()
