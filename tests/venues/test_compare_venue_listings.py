"""Comparing against listings: how they are matched, and what of them can be read."""

from __future__ import annotations

from typing import Any

import pytest

from armillary.errors import ConfigurationError
from simulator import Simulator
from tests.conftest import MakeSimulator
from tests.venues.compare import compared_listings, kinds, listed

NO_TICK_SIZE = "A listing holds no tick size: only lot sizes were compared."
BTC, ETH = "BINANCE:BTC/USDT", "BINANCE:ETH/USDT"


def seed_listings(sim: Simulator, *rows: dict[str, Any], market: str = "binance") -> None:
    """Markets, and listings of ``{"code", "instrument", …}``; each instrument is made as well."""
    facts = [
        {
            "instrument_id": row["instrument"],
            "market_id": market,
            "local_code": row["code"],
            "lot_size": row.get("lot_size", "0.001"),
            "archived": row.get("archived", False),
            "id": f"5a1e0000-0000-4000-8000-{number:012}",
        }
        for number, row in enumerate(rows)
    ]
    names = dict.fromkeys(row["instrument"] for row in rows)
    sim.seed_all(
        {
            "instruments": [
                {"identifier": name, "name": name, "type_id": "equity"} for name in names
            ],
            "markets": [
                {"identifier": name, "name": name, "type_id": "exchange"}
                for name in dict.fromkeys([market, "okx"])
            ],
            "market_listings": facts,
        }
    )


@pytest.mark.parametrize("preset", ["guide", "reference", "hostile"])
def test_listings_by_code_or_by_their_instrument(
    make_simulator: MakeSimulator, preset: str
) -> None:
    sim = make_simulator(preset)
    listed(sim, "BTC/USDT", "ETH/USDT", "SOL/USDT", "XRP/USDT", "NEW/USDT", LUNA_USDT="DELISTED")
    seed_listings(
        sim,
        {"code": "BTC/USDT", "instrument": "bitcoin"},
        {"code": "ETH/USDT", "instrument": "ether", "lot_size": 1},
        {"code": "SOLANA", "instrument": "BINANCE:SOL/USDT"},
        {"code": "LUNA/USDT", "instrument": "luna"},
        {"code": "XRP/USDT", "instrument": "ripple", "archived": True},
        {"code": "GONE", "instrument": "gone"},
    )
    found = compared_listings(sim)
    wanted = {
        "missing_in_ptolemy": ["BINANCE:NEW/USDT"],
        "missing_in_cadenza": ["gone"],
        "delisted_but_live": ["BINANCE:LUNA/USDT"],
        "live_but_archived": ["BINANCE:XRP/USDT"],
        "differing": [ETH],
    }
    if preset == "guide":  # its list has no sizes (D5)
        del wanted["differing"]
    assert kinds(found) == wanted
    assert [entry.record for entry in found.missing_in_cadenza] == ["GONE"]
    assert NO_TICK_SIZE in found.notes
    if found.differing:
        [entry] = found.differing
        assert (entry.field, entry.cadenza, entry.ptolemy) == ("lot_size", "0.001", "1")


def test_an_external_symbol_is_enough_and_costs_no_look_up(make_simulator: MakeSimulator) -> None:
    sim = make_simulator(references="plain")
    listed(sim, "BTC/USDT", "ETH/USDT", OLD_USDT="DELISTED")
    seed_listings(
        sim,
        {"code": "BTCUSDT", "instrument": "bitcoin"},
        {"code": " ETH/USDT ", "instrument": "ether", "lot_size": "0.00100"},
    )
    assert kinds(compared_listings(sim)) == {}
    assert "GET /instruments" not in sim.calls()


@pytest.mark.parametrize(
    ("switches", "words"),
    [
        ({"ids_lookup": "ignored"}, "Ptolemy did not tell the identifiers of 2 instruments: "),
        ({"ids_lookup": "refused"}, "Ptolemy did not tell the identifiers of 2 instruments: "),
        ({"ids_lookup": "unknown_is_404"}, ""),
        ({"references": "embedded"}, ""),
        ({"references": "embedded", "reference_identifier": "absent"}, ""),
        ({"archived_both_filter": "impossible", "count_body": "count"}, ""),
    ],
)
def test_n09_identifiers_that_cannot_be_looked_up(
    make_simulator: MakeSimulator, switches: dict[str, str], words: str
) -> None:
    """D2, D6, N9 of Ptolemy's contract: a listing may name its instrument by UUID alone."""
    sim = make_simulator(**{"references": "plain", **switches})
    sim.seed(
        [{"identifier": f"i{number}", "name": "x", "type_id": "equity"} for number in range(9)]
    )
    listed(sim, "BTC/USDT", "ETH/USDT", OLD_USDT="DELISTED")
    seed_listings(
        sim,
        {"code": "XBT", "instrument": BTC},
        {"code": "ETHER", "instrument": ETH, "archived": True},
    )
    found = compared_listings(sim)
    if not words:
        assert kinds(found) == {"live_but_archived": [ETH]}
        assert found.notes == (NO_TICK_SIZE,)
        return
    assert kinds(found) == {"missing_in_ptolemy": [BTC, ETH], "missing_in_cadenza": ["XBT"]}
    assert found.notes[0] == f"{words}their listings were matched by local code alone."


def test_one_code_of_two_instruments_is_settled_by_their_identifiers(
    make_simulator: MakeSimulator,
) -> None:
    sim = make_simulator(references="plain")
    perpetual = "BINANCE:BTC/USDT:USDT"
    listed(sim, "BTC/USDT", "BTC/USDT:USDT", OLD_USDT="DELISTED")
    rows = sim.cadenza.rows("BINANCE")
    sim.cadenza.set_rows("BINANCE", [row | {"externalSymbol": "BTCUSDT"} for row in rows[:2]])
    seed_listings(sim, {"code": "BTCUSDT", "instrument": perpetual})
    assert kinds(compared_listings(sim)) == {"missing_in_ptolemy": [BTC]}
    sim.configure(ids_lookup="refused")
    [unclear] = compared_listings(sim).unclear
    assert (unclear.identifier, unclear.record) == (f"{BTC}, {perpetual}", "BTCUSDT")


def test_two_listings_with_one_code_are_settled_by_their_identifiers(
    make_simulator: MakeSimulator,
) -> None:
    sim = make_simulator(references="plain")
    listed(sim, "BTC/USDT", OLD_USDT="DELISTED")
    seed_listings(
        sim,
        {"code": "BTCUSDT", "instrument": "somebody's"},
        {"code": "BTCUSDT", "instrument": BTC},
    )
    assert kinds(compared_listings(sim)) == {"missing_in_cadenza": ["somebody's"]}


def suspension(number: int, begins: str, ends: str | None) -> dict[str, Any]:
    listing = f"5a1e0000-0000-4000-8000-{number:012}"
    return {"listing_id": listing, "suspended_from": begins, "suspended_until": ends}


def three_suspended(sim: Simulator) -> None:
    """Of five listings the first two are suspended now (2026-11-20)."""
    symbols = ["A/USDT", "B/USDT", "C/USDT", "D/USDT", "E/USDT"]
    listed(sim, *symbols[:4], E_USDT="INACTIVE")
    seed_listings(sim, *({"code": symbol, "instrument": symbol} for symbol in symbols))
    rows = [
        suspension(0, "2026-11-01T00:00:00Z", None),
        suspension(1, "2026-11-19T00:00:00Z", "2026-11-21T00:00:00Z"),
        suspension(2, "2026-11-01T00:00:00Z", "2026-11-02T00:00:00Z"),
        suspension(3, "2026-12-01T00:00:00Z", None),
        suspension(4, "2026-11-01T00:00:00Z", None),
    ]
    sim.seed_all({"market_listing_suspensions": rows})


@pytest.mark.parametrize("preset", ["reference", "hostile"])
def test_a_listing_that_is_suspended_here_and_trades_there(
    make_simulator: MakeSimulator, preset: str
) -> None:
    sim = make_simulator(preset)
    three_suspended(sim)
    found = compared_listings(sim)
    assert sorted(kinds(found)["suspended_but_trading"]) == ["BINANCE:A/USDT", "BINANCE:B/USDT"]


@pytest.mark.parametrize("status", [403, 404, 422])
def test_suspensions_that_cannot_be_read_are_a_note(sim: Simulator, status: int) -> None:
    three_suspended(sim)
    path = "/market-listing-suspensions/filter"
    sim.faults = [{"path": path, "action": "status", "status": status, "times": None}]
    found = compared_listings(sim)
    assert kinds(found) == {}
    assert "Suspensions could not be read, so none was compared." in found.notes


def test_listings_of_another_market_do_not_count(sim: Simulator) -> None:
    listed(sim, "BTC/USDT", OLD_USDT="DELISTED")
    seed_listings(sim, {"code": "BTC/USDT", "instrument": "bitcoin"})
    assert kinds(compared_listings(sim, "okx")) == {"missing_in_ptolemy": [BTC]}
    with pytest.raises(ConfigurationError) as wrong:
        compared_listings(sim, "binanse")
    assert str(wrong.value) == (
        "Workspace 'demo' has no market 'binanse'. Name the market whose listings are the "
        "venue's, or compare against instruments."
    )
