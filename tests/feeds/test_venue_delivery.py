"""A venue's list as a delivery: whole and of an open venue, or refused (contract N3, N8)."""

from __future__ import annotations

from typing import Any

import pytest

from armillary.errors import ArmillaryError, ConfigurationError, FeedRefused
from armillary.feeds.cadenza_definition import FIELDS
from armillary.feeds.venue_delivery import COLUMNS
from simulator import Simulator
from tests.conftest import MakeSimulator
from tests.feeds.venues import LATER, closed_during_the_list, delivered, listed, rows_of


def refusal(
    sim: Simulator, venue: str = "BINANCE", kind: type[ArmillaryError] = FeedRefused
) -> str:
    with pytest.raises(kind) as refused:
        delivered(sim, venue)
    return str(refused.value)


def test_a_list_as_text_under_every_known_name(sim: Simulator) -> None:
    listed(sim, "ETH/USDT", "BTC/USDT", pipSize="0.10", basePrecision=8, isIcebergAllowed=False)
    delivery = delivered(sim)
    assert delivery.source == f"Cadenza's list of BINANCE ({sim.url.removeprefix('http://')})"
    assert (delivery.file_format, delivery.encoding) == ("json", "utf-8")
    assert (delivery.live, delivery.warnings) == (True, ())
    rows = rows_of(delivery)
    assert list(rows) == ["BINANCE:BTC/USDT", "BINANCE:ETH/USDT"]
    bitcoin = rows["BINANCE:BTC/USDT"]
    assert [name for name in COLUMNS if name not in bitcoin] == []
    assert bitcoin["pipSize"] == "0.10"
    assert bitcoin["basePrecision"] == "8"
    assert bitcoin["isIcebergAllowed"] == "false"
    assert bitcoin["baseScale"] == ""
    assert bitcoin["orderFilters"] == {"maxOrders": 200}


def test_every_column_of_a_default_template_is_always_there() -> None:
    columns = {str(rule).strip("{}") for rule in FIELDS.values()}
    assert columns <= set(COLUMNS)


@pytest.mark.parametrize("text", ["0.10", "0.00000001", "90000000", "0.000010"])
def test_decimals_that_come_as_numbers_keep_their_digits(
    make_simulator: MakeSimulator, text: str
) -> None:
    sim = make_simulator(cadenza={"decimals": "numbers"})
    listed(sim, "BTC/USDT", pipSize=text)
    assert rows_of(delivered(sim))["BINANCE:BTC/USDT"]["pipSize"] == text


def test_d05_a_value_under_the_other_name_only_where_it_means_the_same(
    make_simulator: MakeSimulator,
) -> None:
    sim = make_simulator(cadenza={"instrument_fields": "docs"})
    listed(sim, "BTC/USDT:USDT", instrumentType="PERPETUAL", pipSize="0.10")
    [row] = rows_of(delivered(sim)).values()
    assert row["instrumentType"] == "PERPETUAL"
    assert row["pricePrecision"] == "1"
    assert [row[name] for name in ("quotePrecision", "pipSize", "externalSymbol")] == [""] * 3


def test_d05_d10_an_asset_class_is_no_kind(sim: Simulator) -> None:
    listed(sim, "AAPL/USD", instrumentType=None, securityType="stock")
    [row] = rows_of(delivered(sim)).values()
    assert (row["instrumentType"], row["securityType"]) == ("", "stock")


def test_n07_a_symbol_is_what_stands_behind_the_first_colon(sim: Simulator) -> None:
    listed(sim, "BTC/USDT:USDT-261225")
    sim.cadenza.set_rows(
        "BINANCE", [row | {"symbol": "", "venue": ""} for row in sim.cadenza.rows("BINANCE")]
    )
    [row] = rows_of(delivered(sim)).values()
    assert (row["venue"], row["symbol"]) == ("BINANCE", "BTC/USDT:USDT-261225")


def test_d11_delisted_is_left_out_and_unknown_is_kept(make_simulator: MakeSimulator) -> None:
    sim = make_simulator(cadenza={"status_case": "lower"})
    statuses = ["ACTIVE", "INACTIVE", "DISABLED", "DELISTED", "HALTED", "HALTED", ""]
    rows = [
        sim.cadenza.instrument("BINANCE", f"C{number}/USDT", status=status)
        for number, status in enumerate(statuses)
    ]
    sim.cadenza.set_rows("BINANCE", rows)
    delivery = delivered(sim)
    kept = [row["status"] for row in rows_of(delivery).values()]
    assert kept == ["ACTIVE", "INACTIVE", "DISABLED", "HALTED", "HALTED", ""]
    assert delivery.warnings == (
        "1 instrument is DELISTED in Cadenza, which counts as missing from the feed.",
        "Statuses that are not known here, kept as they are: none at all (1), HALTED (2).",
    )


def test_what_cadenza_tells_beyond_the_documents_is_there_too(
    make_simulator: MakeSimulator,
) -> None:
    sim = make_simulator(cadenza={"unknown_keys": "present", "nulls": "present"})
    listed(sim, "BTC/USDT", description="Bitcoin")
    [row] = rows_of(delivered(sim)).values()
    assert row["settlementRail"] == {"name": "T+0"}
    assert (row["description"], row["maxNotional"]) == ("", "")


@pytest.mark.parametrize("status", ["MAINTENANCE", "OFFLINE"])
@pytest.mark.parametrize("maintenance_list", ["kept", "empty"])
def test_n08_a_venue_that_is_not_online(
    make_simulator: MakeSimulator, status: str, maintenance_list: str
) -> None:
    sim = make_simulator(cadenza={"maintenance_list": maintenance_list})
    sim.cadenza.set_status("BINANCE", status)
    assert refusal(sim, "binance") == (
        f"Venue BINANCE is {status} in Cadenza, not ONLINE: its list may be empty or short for "
        f"that reason alone, so it proves nothing. {LATER}when the venue is ONLINE again."
    )
    assert not any("instrument/list" in call for call in sim.calls())


def test_n08_a_venue_that_closes_while_its_list_is_read(sim: Simulator) -> None:
    sim.faults = [closed_during_the_list("BINANCE")]
    assert refusal(sim).startswith(
        "Venue BINANCE is MAINTENANCE in Cadenza since its list was read, not ONLINE: "
    )


def test_an_empty_list_of_an_open_venue(sim: Simulator) -> None:
    sim.cadenza.set_rows("BINANCE", [])
    assert refusal(sim) == (
        "Cadenza's list of BINANCE is empty although the venue is ONLINE: far more often a fault "
        f"than a fact. {LATER}when Cadenza lists instruments; refresh the venue, or ask its "
        "support."
    )


def test_a_list_of_nothing_but_delisted(sim: Simulator) -> None:
    listed(sim, "BTC/USDT", "ETH/USDT", status="DELISTED")
    assert "has 2 instruments, and every one is DELISTED" in refusal(sim)


def test_n03_a_list_that_moves_while_it_is_read(make_simulator: MakeSimulator) -> None:
    sim = make_simulator(cadenza={"page_shift": -1, "list_limit_max": 5})
    said = refusal(sim)
    assert said.startswith(
        "Cadenza's list of BINANCE cannot be trusted to be whole. The list was read 3 times: rows "
        "moved while it was read"
    )
    assert said.endswith(
        "An instrument that was not read may be there all the same, so nothing is archived on such "
        f"a list. {LATER}when the list is at rest."
    )


def test_d09_a_venue_that_is_not_there(sim: Simulator) -> None:
    said = refusal(sim, "BINANCEE", ConfigurationError)
    assert "has no venue BINANCEE. Did you mean BINANCE?" in said
    assert "Its venues: BINANCE, BITFINEX, " in said
    assert said.endswith(
        "Mend the venue in the feed definition, then start again. Nothing was written."
    )


@pytest.mark.parametrize(
    "reading",
    [
        {"order": "newest_first"},
        {"order": "shuffled"},
        {"pagination": "absent"},
        {"page_shift": 1, "page_shift_readings": 2, "list_limit_max": 10},
        {"decimals": "numbers"},
        {"status_case": "lower"},
    ],
    ids=str,
)
def test_the_same_list_is_the_same_content(
    make_simulator: MakeSimulator, reading: dict[str, Any]
) -> None:
    plain = delivered(make_simulator())
    assert delivered(make_simulator(cadenza=reading)).content == plain.content
