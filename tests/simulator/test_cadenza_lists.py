from __future__ import annotations

from typing import Any

import pytest

from simulator import Config
from simulator.cadenza.practice import of_venue
from tests.simulator.desk import Desk, refused, venues

NUMBERED = [f"C{number:02}/USDT" for number in range(10)]


def paged(one: Any, limit: int, total: int, **parameters: Any) -> list[str]:
    """What a client that believes its first total reads."""
    seen: list[str] = []
    while len(seen) < total:
        page = one.symbols(limit=limit, offset=len(seen), **parameters)
        if not page:
            break
        seen += page
    return seen


@pytest.mark.parametrize(("case", "words"), [("upper", "ONLINE"), ("lower", "online")])
def test_d11_the_venue_list(desk: Any, case: str, words: str) -> None:
    rows = desk(status_case=case).get("/market/venue/list").json()["data"]
    assert len(rows) == 9
    assert rows[0] == {"venue": "BINANCE", "status": words}
    assert {row["status"].upper() for row in rows} == {"ONLINE", "OFFLINE", "MAINTENANCE"}


def test_the_practice_instruments(desk: Any) -> None:
    one = desk()
    names = [row["venue"] for row in one.get("/market/venue/list").json()["data"]]
    sizes = {name: len(one.symbols(venue=name)) for name in names}
    assert sizes == dict.fromkeys(names, 12) | {"BINANCE": 40}
    rows = [row for name in names for row in of_venue(name)]
    assert len({row["instrumentId"] for row in rows}) == len(rows) == 136
    assert all(row["instrumentId"] == f"{row['venue']}:{row['symbol']}" for row in rows)
    assert {row["instrumentType"] for row in rows} == {"SPOT", "PERPETUAL", "FUTURES", "OPTION"}
    assert {row["status"] for row in rows} == {"ACTIVE", "INACTIVE", "DISABLED", "DELISTED"}


def test_a_page_and_what_it_tells(desk: Any) -> None:
    one = desk(venues=venues(*NUMBERED))
    answer = one.rows(venue="OKX", limit=4, offset=4)
    assert [row["symbol"] for row in answer.json()["data"]] == NUMBERED[4:8]
    assert answer.json()["pagination"] == {
        "offset": 4, "limit": 4, "total": 10, "cursor": None, "hasNext": True,
    }  # fmt: skip
    last = one.rows(venue="OKX", limit=4, offset=8).json()
    assert (len(last["data"]), last["pagination"]["hasNext"]) == (2, False)
    assert one.symbols(venue="OKX", offset=10) == []


def test_without_a_venue_all_are_listed(desk: Any) -> None:
    answer = desk().rows(limit=1).json()
    assert answer["pagination"]["total"] == 136


@pytest.mark.parametrize(
    ("preset", "default", "most"), [("guide", 10, 100), ("reference", 50, 1000)]
)
def test_d2_n5_limits(start: Any, preset: Any, default: int, most: int) -> None:
    many = venues(*(f"C{number}/USDT" for number in range(1100)))
    with Desk(start(Config.preset(preset, cadenza={"venues": many}))) as one:
        assert len(one.symbols(venue="OKX")) == default
        assert len(one.symbols(venue="OKX", limit=5000)) == most
        one.sim.configure(cadenza={"large_limit": "refuse"})
        assert len(one.symbols(venue="OKX", limit=most)) == most
        told = refused(one.rows(venue="OKX", limit=most + 1))
        assert told == (400, -19004, f"limit must be between 1 and {most}")


@pytest.mark.parametrize("parameters", [{"limit": 0}, {"limit": "ten"}, {"offset": -1}])
def test_numbers_that_make_no_sense(desk: Any, parameters: Any) -> None:
    assert refused(desk().rows(venue="OKX", **parameters))[:2] == (400, -19004)


@pytest.mark.parametrize(
    ("reading", "commas", "repeated"), [("comma", 2, 1), ("repeated", 0, 2), ("either", 2, 2)]
)
def test_d3_symbols(desk: Any, reading: str, commas: int, repeated: int) -> None:
    one = desk(symbols_parameter=reading)
    assert len(one.symbols(venue="OKX", symbols="BTC/USDT,ETH/USDT")) == commas
    assert len(one.symbols(venue="OKX", symbols=["BTC/USDT", "ETH/USDT"])) == repeated
    assert one.symbols(venue="OKX", symbols="BTC/USDT") == ["BTC/USDT"]


@pytest.mark.parametrize(
    ("reading", "by_status", "by_long_name"),
    [("status", 1, 40), ("instrumentStatus", 40, 1), ("either", 1, 1)],
)
def test_d4_the_status_filter(desk: Any, reading: str, by_status: int, by_long_name: int) -> None:
    one = desk(status_parameter=reading)
    assert len(one.symbols(venue="BINANCE", status="INACTIVE")) == by_status
    assert len(one.symbols(venue="BINANCE", instrumentStatus="inactive")) == by_long_name


@pytest.mark.parametrize(("reading", "count"), [("all", 40), ("tradable", 38), ("active", 37)])
def test_n6_statuses_by_default(desk: Any, reading: str, count: int) -> None:
    one = desk(default_statuses=reading)
    assert len(one.symbols(venue="BINANCE")) == count
    assert len(one.symbols(venue="BINANCE", instrumentStatus="DELISTED")) == 1


@pytest.mark.parametrize(
    ("reading", "kind", "count"), [("kinds", "PERPETUAL", 6), ("classes", "CRYPTO", 12)]
)
def test_d10_the_filter_of_security_types(desk: Any, reading: str, kind: str, count: int) -> None:
    one = desk(security_type=reading)
    assert len(one.symbols(venue="OKX", securityType=kind)) == count
    assert one.symbols(venue="OKX", securityType="STOCK") == []


def test_d5_fields_of_the_client(desk: Any) -> None:
    row = desk().rows(venue="BINANCE", limit=1).json()["data"][0]
    assert row["instrumentId"] == "BINANCE:BTC/USDT"
    assert (row["externalSymbol"], row["instrumentType"]) == ("BTCUSDT", "SPOT")
    assert (row["pipSize"], row["lotSize"]) == ("0.01", "0.00001")
    assert row["baseScale"] is None
    assert "securityType" not in row


def test_d5_fields_of_the_page(desk: Any) -> None:
    row = desk(instrument_fields="docs").rows(venue="BINANCE", limit=1).json()["data"][0]
    assert row == {
        "instrumentId": "BINANCE:BTC/USDT",
        "venue": "BINANCE",
        "symbol": "BTC/USDT",
        "baseAsset": "BTC",
        "quoteAsset": "USDT",
        "status": "ACTIVE",
        "minQuantity": "0.00001",
        "maxQuantity": "9000",
        "minNotional": "5",
        "securityType": "SPOT",
        "pricePrecision": 2,
        "quantityPrecision": 5,
    }


def test_d5_both_sets_of_fields(desk: Any) -> None:
    row = desk(instrument_fields="both").rows(venue="BINANCE", limit=1).json()["data"][0]
    assert (row["pricePrecision"], row["quotePrecision"], row["pipSize"]) == (2, 8, "0.01")


def test_decimals_as_numbers_keep_their_digits(desk: Any) -> None:
    one = desk(decimals="numbers", venues=venues("A/B"))
    one.sim.cadenza.set_rows("OKX", [{"symbol": "A/B", "pipSize": "0.10", "lotSize": "about 1"}])
    text = one.rows(venue="OKX").text
    assert '"pipSize":0.10,' in text
    assert '"lotSize":"about 1"' in text


def test_unknown_keys_and_nulls(desk: Any) -> None:
    body = desk(unknown_keys="present", nulls="present").rows(venue="BINANCE", limit=1).json()
    [row] = body["data"]
    assert body["traceLevel"] == "basic"
    assert row["settlementRail"] == {"name": "T+0"}
    assert row["description"] is None
    assert row["orderTypes"][-1] is None


def test_d11_d14_spelling_and_success(desk: Any) -> None:
    body = desk(status_case="lower", success_key="absent").rows(venue="BINANCE", limit=1).json()
    assert body["data"][0]["status"] == "active"
    assert "success" not in body


@pytest.mark.parametrize(
    ("style", "keys"),
    [
        ("no_total", {"offset", "limit", "cursor", "hasNext"}),
        ("no_has_next", {"offset", "limit", "cursor", "total"}),
    ],
)
def test_n4_missing_keys(desk: Any, style: str, keys: set[str]) -> None:
    assert desk(pagination=style).rows(venue="OKX").json()["pagination"].keys() == keys


def test_n4_nulls_and_no_pagination(desk: Any) -> None:
    one = desk(pagination="nulls")
    assert set(one.rows(venue="OKX").json()["pagination"].values()) == {None}
    one.sim.configure(cadenza={"pagination": "absent"})
    assert "pagination" not in one.rows(venue="OKX").json()


def test_n5_an_unknown_venue(desk: Any) -> None:
    one = desk()
    assert one.rows(venue="NOWHERE").json()["data"] == []
    one.sim.configure(cadenza={"unknown_venue": 400})
    told = refused(one.rows(venue="NOWHERE"))
    assert told == (400, -22015, "Invalid venue specified: NOWHERE")


@pytest.mark.parametrize(("reading", "count"), [("sensitive", 0), ("insensitive", 1)])
def test_n7_case_of_symbols(desk: Any, reading: str, count: int) -> None:
    assert len(desk(symbol_case=reading).symbols(venue="OKX", symbols="btc/usdt")) == count


@pytest.mark.parametrize(("reading", "count"), [("kept", 12), ("empty", 0)])
def test_n8_the_list_of_a_venue_in_maintenance(desk: Any, reading: str, count: int) -> None:
    one = desk(maintenance_list=reading)
    answer = one.rows(venue="BITFINEX")
    assert answer.status_code == 200
    assert len(answer.json()["data"]) == answer.json()["pagination"]["total"] == count
    assert len(one.symbols(venue="OKX")) == 12


def test_n3_orders(desk: Any) -> None:
    one = desk(venues=venues(*NUMBERED))
    assert one.symbols(venue="OKX") == NUMBERED
    one.sim.configure(cadenza={"order": "newest_first"})
    assert one.symbols(venue="OKX") == NUMBERED[::-1]
    one.sim.configure(cadenza={"order": "shuffled"})
    first, second = one.symbols(venue="OKX"), one.symbols(venue="OKX")
    assert first != second
    assert sorted(first) == sorted(second) == NUMBERED


def test_n3_rows_that_come_in_front_double_others(desk: Any) -> None:
    one = desk(venues=venues(*NUMBERED), page_shift=1)
    assert one.symbols(venue="OKX", limit=4) == NUMBERED[:4]
    assert one.symbols(venue="OKX", limit=4, offset=4) == NUMBERED[3:7]
    third = one.rows(venue="OKX", limit=4, offset=8).json()
    assert third["pagination"]["total"] == 12
    assert [row["symbol"] for row in third["data"]] == NUMBERED[6:10]


def test_n3_rows_that_go_in_front_hide_others(desk: Any) -> None:
    one = desk(venues=venues(*NUMBERED), page_shift=-1)
    assert paged(one, 4, 10, venue="OKX") == NUMBERED[:4] + NUMBERED[5:9]
    assert one.rows(venue="OKX", limit=4, offset=4).json()["pagination"]["total"] == 9
    assert one.symbols(venue="OKX") == NUMBERED


@pytest.mark.parametrize("shift", [1, -1])
def test_n3_a_total_that_does_not_show_the_shift(desk: Any, shift: int) -> None:
    one = desk(venues=venues(*NUMBERED), page_shift=shift, page_shift_total="stays")
    totals = [
        one.rows(venue="OKX", limit=4, offset=offset).json()["pagination"]["total"]
        for offset in (0, 4, 8)
    ]
    assert totals == [10, 10, 10]
    seen = paged(one, 4, 10, venue="OKX")
    assert len(seen) == 10
    assert set(NUMBERED) - set(seen)


def test_n3_a_shift_that_ends(desk: Any) -> None:
    one = desk(venues=venues(*NUMBERED), page_shift=2, page_shift_readings=1)
    assert paged(one, 5, 10, venue="OKX") == NUMBERED[:5] + NUMBERED[3:8]
    assert paged(one, 5, 10, venue="OKX") == NUMBERED


def test_rows_of_another_venue_and_odd_values_can_be_listed(desk: Any) -> None:
    one = desk(venues=venues("A/B"))
    row = {"symbol": "X/Y", "venue": "ELSEWHERE", "status": "PAUSED", "instrumentType": None}
    one.sim.cadenza.add_rows("OKX", [row], first=True)
    [foreign, own] = one.rows(venue="OKX").json()["data"]
    assert (foreign["instrumentId"], foreign["status"]) == ("ELSEWHERE:X/Y", "PAUSED")
    assert foreign["instrumentType"] is None
    assert own["venue"] == "OKX"
