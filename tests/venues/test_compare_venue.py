"""Cadenza's instruments against Ptolemy's records: what is told, and what is not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from armillary.feeds.venue_delivery import as_columns
from armillary.venues.reconcile import reconcile
from armillary.venues.reconciled import (
    Differing,
    Findings,
    Found,
    VenueComparison,
    count_rows,
    finding_rows,
    headline,
    summary,
)
from armillary.venues.sides import CadenzaInstrument, CadenzaSide, PtolemyRecord, PtolemySide

SIZES = {"pipSize": "0.01", "lotSize": "0.001"}


def listed(symbol: str, status: str = "ACTIVE", **changed: Any) -> CadenzaInstrument:
    row = {
        "instrumentId": f"BINANCE:{symbol}",
        "venue": "BINANCE",
        "symbol": symbol,
        "externalSymbol": symbol.partition(":")[0].replace("/", ""),
        "status": status,
        **SIZES,
    }
    return CadenzaInstrument.of(as_columns(row | changed, "BINANCE"))


def held(
    symbol: str,
    *,
    archived: bool = False,
    tick_size: str = "0.01",
    lot_size: str = "0.001",
    identifier: str | None = None,
    code: str = "",
    suspended: bool = False,
) -> PtolemyRecord:
    name = f"BINANCE:{symbol}" if identifier is None else identifier
    return PtolemyRecord(
        id=f"id-{code or name}",
        identifier=name,
        local_code=code,
        archived=archived,
        sizes={"tick_size": tick_size, "lot_size": lot_size},
        suspended=suspended,
    )


def listing(code: str, symbol: str = "", **changed: Any) -> PtolemyRecord:
    return held(symbol, code=code, identifier=f"BINANCE:{symbol}" if symbol else "", **changed)


def compared(
    instruments: list[CadenzaInstrument], records: list[PtolemyRecord], **ptolemy: Any
) -> Findings:
    return reconcile(
        CadenzaSide("BINANCE", instruments), PtolemySide("demo", tuple(records), **ptolemy)
    )


def kinds(found: Findings) -> dict[str, list[str]]:
    """Identifiers by kind of finding, of the kinds that were found."""
    return {
        name: [entry.identifier for entry in getattr(found, name)]
        for name, count in found.counts.items()
        if count
    }


def test_what_is_the_same_on_both_sides_is_no_finding() -> None:
    symbols = [f"C{number}/USDT" for number in range(5)]
    found = compared([listed(symbol) for symbol in symbols], [held(symbol) for symbol in symbols])
    assert found == Findings()


def test_each_side_lacks_something() -> None:
    found = compared(
        [listed("BTC/USDT"), listed("ETH/USDT"), listed("SOL/USDT", "INACTIVE")],
        [held("BTC/USDT"), held("XRP/USDT")],
    )
    assert found.missing_in_ptolemy == (
        Found("BINANCE:ETH/USDT", "ACTIVE"),
        Found("BINANCE:SOL/USDT", "INACTIVE"),
    )
    assert found.missing_in_cadenza == (
        Found("BINANCE:XRP/USDT", "", "BINANCE:XRP/USDT", "id-BINANCE:XRP/USDT"),
    )


@pytest.mark.parametrize(
    ("status", "archived", "kind"),
    [
        ("ACTIVE", False, ""),
        ("ACTIVE", True, "live_but_archived"),
        ("INACTIVE", False, ""),
        ("DISABLED", True, "live_but_archived"),
        ("DELISTED", False, "delisted_but_live"),
        ("DELISTED", True, ""),
        ("HALTED", False, ""),
        ("HALTED", True, ""),
    ],
)
def test_what_is_live_on_one_side_alone(status: str, archived: bool, kind: str) -> None:
    """D11: an unknown status is neither active nor removed."""
    found = compared([listed("BTC/USDT", status)], [held("BTC/USDT", archived=archived)])
    assert kinds(found) == ({kind: ["BINANCE:BTC/USDT"]} if kind else {})


@pytest.mark.parametrize("status", ["DELISTED", "HALTED", ""])
def test_only_what_is_surely_listed_is_missing_in_ptolemy(status: str) -> None:
    found = compared([listed("BTC/USDT", status)], [])
    assert kinds(found) == {}


def test_an_archived_record_of_what_cadenza_has_no_more_is_as_it_should_be() -> None:
    assert (
        kinds(compared([listed("BTC/USDT")], [held("BTC/USDT"), held("X/Y", archived=True)])) == {}
    )


def test_statuses_nobody_knows_are_counted_and_told() -> None:
    """D11: compared in upper case, and an unknown one reported."""
    found = compared(
        [
            listed("A/B", "active"),
            listed("C/D", "Halted"),
            listed("E/F", "HALTED"),
            listed("G/H", ""),
        ],
        [held("A/B"), held("C/D")],
    )
    assert found.unknown_statuses == {"HALTED": 2, "(blank)": 1}
    assert found.notes == (
        "Cadenza has instruments with a status nobody knows (HALTED 2, (blank) 1), the first is "
        "BINANCE:C/D: they count neither as live nor as delisted.",
    )


@pytest.mark.parametrize(
    ("there", "here", "differs"),
    [
        ("0.10", "0.1", False),
        ("0.10", "0.01", True),
        ("1", "1.000", False),
        ("1E-8", "0.00000001", False),
        ("0.1", "", True),
        ("", "0.1", False),
        ("many", "many", False),
        ("many", "1", True),
        ("NaN", "NaN", False),
        ("100000000000000000000000000001", "100000000000000000000000000000", True),
    ],
)
def test_sizes_are_compared_as_decimals(there: str, here: str, differs: bool) -> None:
    """Contract section 6: decimals are text, ``0.10`` is ``0.1``."""
    found = compared([listed("BTC/USDT", pipSize=there)], [held("BTC/USDT", tick_size=here)])
    name = "BINANCE:BTC/USDT"
    wanted = (Differing(name, "tick_size", there, here, name, f"id-{name}"),)
    assert found.differing == (wanted if differs else ())


def test_both_sizes_are_compared_and_both_values_shown() -> None:
    found = compared(
        [listed("BTC/USDT", pipSize="0.010", lotSize="1")],
        [held("BTC/USDT", tick_size="0.1", lot_size="2.0")],
    )
    told = [(entry.field, entry.cadenza, entry.ptolemy) for entry in found.differing]
    assert told == [("tick_size", "0.010", "0.1"), ("lot_size", "1", "2.0")]


@pytest.mark.parametrize(("status", "archived"), [("DELISTED", False), ("ACTIVE", True)])
def test_sizes_of_what_is_not_live_on_both_sides_say_nothing(status: str, archived: bool) -> None:
    found = compared(
        [listed("BTC/USDT", status, pipSize="5")], [held("BTC/USDT", archived=archived)]
    )
    assert found.differing == ()


def test_d05_a_size_that_cadenza_does_not_tell_is_a_note() -> None:
    """D5: the docs page has neither ``pipSize`` nor ``lotSize``."""
    silent = listed("BTC/USDT", pipSize=None, lotSize="")
    found = compared([silent, listed("ETH/USDT")], [held("BTC/USDT"), held("ETH/USDT")])
    assert found.differing == ()
    assert found.notes == (
        "Cadenza tells no tick size of some instruments that are in both (1): theirs was not "
        "compared.",
        "Cadenza tells no lot size of some instruments that are in both (1): theirs was not "
        "compared.",
    )


def test_a_size_that_ptolemy_has_no_place_for_is_not_compared() -> None:
    found = compared(
        [listed("BTC/USDT", pipSize="7", lotSize="7")],
        [held("BTC/USDT")],
        sizes=frozenset({"lot_size"}),
    )
    assert [entry.field for entry in found.differing] == ["lot_size"]


def test_n07_names_that_differ_in_case_alone_are_one_and_that_is_told() -> None:
    """N7: case rules of ``instrumentId`` are unknown; Ptolemy's N3: so are its own."""
    found = compared([listed("BTC/USDT")], [held("btc/usdt", identifier="binance:btc/usdt")])
    assert kinds(found) == {}
    assert found.notes == (
        "Taken for the same although upper and lower case differ: 1. The first is "
        "BINANCE:BTC/USDT in Cadenza and binance:btc/usdt in Ptolemy.",
    )


def test_n07_the_exact_name_comes_first() -> None:
    found = compared(
        [listed("BTC/USDT"), listed("btc/usdt", pipSize="9")],
        [held("btc/usdt", tick_size="9.0"), held("BTC/USDT")],
    )
    assert found == Findings()


def test_the_active_record_counts_where_an_archived_one_has_the_same_name() -> None:
    again = held("BTC/USDT", archived=True, tick_size="7")
    assert compared([listed("BTC/USDT")], [again, held("BTC/USDT"), again]) == Findings()
    both_archived = compared([listed("BTC/USDT")], [again, again])
    assert kinds(both_archived) == {"live_but_archived": ["BINANCE:BTC/USDT"]}


@pytest.mark.parametrize("code", ["BTC/USDT", "BTCUSDT", "btcusdt", "XBT"])
def test_a_listing_is_found_by_symbol_external_symbol_or_its_instrument(code: str) -> None:
    found = compared([listed("BTC/USDT")], [listing(code, "BTC/USDT" if code == "XBT" else "")])
    assert kinds(found) == {}


def test_spot_and_perpetual_share_an_external_symbol() -> None:
    spot, perpetual = listed("BTC/USDT"), listed("BTC/USDT:USDT", pipSize="0.1")
    assert spot.external_symbol == perpetual.external_symbol == "BTCUSDT"
    by_identifier = compared(
        [spot, perpetual],
        [listing("BTCUSDT", "BTC/USDT:USDT", tick_size="0.1"), listing("BTCUSDT", "BTC/USDT")],
    )
    assert by_identifier == Findings()
    one_is_missing = compared([spot, perpetual], [listing("BTCUSDT", "BTC/USDT")])
    assert kinds(one_is_missing) == {"missing_in_ptolemy": ["BINANCE:BTC/USDT:USDT"]}
    unknown = compared([spot, perpetual], [listing("BTCUSDT")])
    assert unknown.unclear == (
        Found("BINANCE:BTC/USDT, BINANCE:BTC/USDT:USDT", "ACTIVE", "BTCUSDT", "id-BTCUSDT"),
    )
    assert list(kinds(unknown)) == ["unclear"]


def test_two_listings_with_one_code_are_not_told_apart() -> None:
    found = compared([listed("BTC/USDT")], [listing("BTCUSDT"), listing("BTCUSDT")])
    assert list(kinds(found)) == ["unclear"]
    assert len(found.unclear) == 2


def test_a_symbol_that_is_used_again_means_the_instrument_that_is_live() -> None:
    old = listed("LUNA/OLD", "DELISTED", externalSymbol="LUNAUSDT", pipSize="9")
    found = compared([old, listed("LUNA/USDT")], [listing("LUNAUSDT")])
    assert found == Findings()


def test_a_listing_that_is_suspended_while_the_venue_trades() -> None:
    found = compared(
        [listed("BTC/USDT"), listed("ETH/USDT", "INACTIVE")],
        [listing("BTCUSDT", suspended=True), listing("ETHUSDT", suspended=True)],
    )
    assert kinds(found) == {"suspended_but_trading": ["BINANCE:BTC/USDT"]}


def test_a_large_venue_that_has_nothing_in_common_with_ptolemy() -> None:
    found = compared(
        [listed(f"C{number}/USDT") for number in range(2_000)],
        [listing(f"X{number}") for number in range(2_000)],
    )
    assert {name: count for name, count in found.counts.items() if count} == {
        "missing_in_ptolemy": 2_000,
        "missing_in_cadenza": 2_000,
    }


def result_of(findings: Findings, **changed: Any) -> VenueComparison:
    facts: dict[str, Any] = {
        "environment": "UAT",
        "venue": "BINANCE",
        "workspace": "demo",
        "against": "instruments",
        "of": "venue-instrument",
        "cadenza_instruments": 1_200,
        "ptolemy_records": 1_201,
        "findings": findings,
        "calls": {"cadenza": 14, "ptolemy": 9},
        "run_id": "run-1",
    }
    return VenueComparison(**(facts | changed))


FINDINGS = Findings(
    missing_in_ptolemy=(Found("BINANCE:A/B", "ACTIVE"), Found("BINANCE:C|D", "INACTIVE")),
    missing_in_cadenza=(Found("BINANCE:E/F", "", "BINANCE:E/F", "id-1"),),
    differing=(
        Differing("BINANCE:G/H", "tick_size", "0.10", "0.2", "BINANCE:G/H", "id-2"),
        Differing("BINANCE:G/H", "lot_size", "1", "", "BINANCE:G/H", "id-2"),
    ),
    notes=("Something to know.",),
)


def test_the_answer_in_one_line() -> None:
    assert headline(result_of(Findings())) == (
        "BINANCE in UAT (1,200 instruments) and the instruments of type venue-instrument in "
        "workspace demo (1,201) agree."
    )
    assert headline(result_of(FINDINGS, against="listings", of="binance")) == (
        "BINANCE in UAT (1,200 instruments) and the listings of market binance in workspace demo "
        "(1,201): 2 missing in Ptolemy, 1 missing in Cadenza, 2 sizes that differ."
    )


def test_the_summary_tells_everything() -> None:
    told = summary(result_of(FINDINGS), 100)
    assert told.startswith("# BINANCE in UAT and workspace demo\n\n**BINANCE in UAT (1,200")
    assert "Nothing was written on either side." in told
    assert "| missing in Ptolemy | 2 |" in told
    assert "| delisted there, live here | 0 |" in told
    assert "| missing in Ptolemy | BINANCE:C\\|D | INACTIVE |  |" in told
    assert "| differing tick_size | BINANCE:G/H | 0.10 | 0.2 |" in told
    assert "| differing lot_size | BINANCE:G/H | 1 | ∅ |" in told
    assert "Note: Something to know." in told
    assert told.endswith("API calls: 14 to Cadenza and 9 to Ptolemy. Run `run-1`.")
    assert "## What was found" not in summary(result_of(Findings()), 100)


def test_a_long_table_says_how_much_it_left_out() -> None:
    found = tuple(Found(f"BINANCE:C{number}/USDT", "ACTIVE") for number in range(130))
    result = result_of(Findings(missing_in_ptolemy=found))
    rows = finding_rows(result, 100)
    assert len(rows) == 101
    assert rows[-1] == {
        "finding": "… and 30 more",
        "identifier": "",
        "in Cadenza": "",
        "in Ptolemy": "",
    }
    assert finding_rows(result, 130)[-1]["identifier"] == "BINANCE:C129/USDT"
    assert finding_rows(result_of(Findings()), 100) == []
    assert count_rows(result)[0] == {"finding": "missing in Ptolemy", "count": "130"}


def test_the_keys_for_scripts() -> None:
    told = json.loads(json.dumps(result_of(FINDINGS).as_dict()))
    assert list(told) == [
        *("state", "environment", "venue", "workspace", "against", "of", "cadenza_instruments"),
        *("ptolemy_records", "calls", "run_id", "counts", "missing_in_ptolemy"),
        *("missing_in_cadenza", "delisted_but_live", "live_but_archived"),
        *("suspended_but_trading", "unclear", "differing", "unknown_statuses", "notes"),
    ]
    assert told["state"] == "Completed"
    assert told["counts"]["missing_in_ptolemy"] == 2
    assert told["missing_in_ptolemy"][0]["identifier"] == "BINANCE:A/B"
    assert told["differing"][1] == {
        "identifier": "BINANCE:G/H",
        "field": "lot_size",
        "cadenza": "1",
        "ptolemy": "",
        "record": "BINANCE:G/H",
        "id": "id-2",
    }


def test_a_comparison_that_found_something_is_no_failure() -> None:
    assert (result_of(FINDINGS).exit_code, result_of(FINDINGS).same) == (0, False)
    assert result_of(Findings(unknown_statuses={"HALTED": 1})).same
