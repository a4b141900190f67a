"""Comparing against instruments: what is read of both services, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from armillary.errors import AccessDenied, ConfigurationError, FeedRefused, PagesLeadNowhere
from simulator import Simulator
from tests.conftest import MakeSimulator
from tests.venues.compare import compared, kinds, listed, mirrored

ALL_KINDS = {
    "missing_in_ptolemy": ["BINANCE:NEW/USDT"],
    "missing_in_cadenza": ["BINANCE:GONE/USDT"],
    "delisted_but_live": ["BINANCE:LUNA/USDT"],
    "live_but_archived": ["BINANCE:BACK/USDT"],
    "differing": ["BINANCE:ETH/USDT", "BINANCE:ETH/USDT"],
}

BACK = "5a1e0000-0000-4000-8000-000000000001"

NO_DELISTED = (
    "Cadenza lists no DELISTED instrument. If it keeps them out of the list (contract N6), what it "
    "delisted is told as missing in Cadenza."
)


def every_kind(sim: Simulator) -> None:
    """One instrument of each kind of finding, and others that are the same on both sides."""
    listed(sim, "BTC/USDT", "ETH/USDT", "LUNA/USDT", "BACK/USDT", "GONE/USDT", "SOL/USDT")
    held = mirrored(sim.cadenza.rows("BINANCE"), tick_size="0.1")
    held[1]["field_values"] |= {"tick_size": "0.01", "lot_size": "1.00"}
    held[3]["archived"] = True
    elsewhere = mirrored([sim.cadenza.instrument("OKX", "BTC/USDT")])
    nobodys = mirrored([sim.cadenza.instrument("binance", "BTC/USDT")])
    share = {"identifier": "bhp", "name": "BHP", "type_id": "equity"}
    sim.seed([*held, *elsewhere, *nobodys, share])
    listed(
        sim,
        *("BTC/USDT", "ETH/USDT", "BACK/USDT", "NEW/USDT"),
        LUNA_USDT="DELISTED",
        SOL_USDT="INACTIVE",
        OLD_USDT="DELISTED",
    )


@pytest.mark.parametrize("preset", ["guide", "reference", "hostile"])
def test_every_kind_of_finding(make_simulator: MakeSimulator, preset: str) -> None:
    sim = make_simulator(preset)
    every_kind(sim)
    before = sim.digest()
    found = compared(sim)
    wanted = dict(ALL_KINDS)
    if preset == "guide":  # its list has no sizes (D5)
        del wanted["differing"]
        assert "Cadenza tells no tick size of some instruments that are in both (3)" in str(
            found.notes
        )
    assert kinds(found) == wanted
    if found.differing:
        told = [(entry.field, entry.cadenza, entry.ptolemy) for entry in found.differing]
        stored = "1" if preset == "hostile" else "1.00"
        assert told == [("tick_size", "0.10", "0.01"), ("lot_size", "0.001", stored)]
    assert sim.digest() == before
    reads = ("GET /", "POST /auth", "POST /instruments/filter", "POST /instruments/count")
    assert [call for call in sim.calls() if not call.startswith(reads)] == [
        call for call in sim.calls() if call.endswith("/auth/login")
    ]


def test_what_was_synced_is_the_same(sim: Simulator) -> None:
    sim.seed(mirrored(sim.cadenza.rows("BINANCE")))
    found = compared(sim, "binance")
    assert (kinds(found), found.notes, dict(found.unknown_statuses)) == ({}, (), {})


@pytest.mark.parametrize(
    "cadenza",
    [
        {"status_case": "lower"},
        {"decimals": "numbers"},
        {"unknown_keys": "present", "nulls": "present"},
        {"instrument_fields": "both"},
        {"list_limit_max": 2, "pagination": "absent"},
        {"order": "newest_first", "pagination": "no_total"},
        {"page_shift": 1, "page_shift_readings": 1, "list_limit_max": 3},
        {"errors_on_200": True, "success_key": "absent"},
    ],
    ids=",".join,
)
def test_every_reading_of_cadenza_gives_the_same(
    make_simulator: MakeSimulator, cadenza: dict[str, Any]
) -> None:
    """D2, D5, D11, D14, D15, N3, N4."""
    sim = make_simulator(cadenza=cadenza)
    every_kind(sim)
    found = compared(sim)
    assert {name: sorted(entries) for name, entries in kinds(found).items()} == ALL_KINDS


@pytest.mark.parametrize(
    "switches",
    [
        {"filter_archived": "all"},
        {"archived_both_filter": "key"},
        {"archived_both_filter": "impossible"},
        {"references": "embedded", "single_object": "bare"},
        {"references": "embedded", "reference_identifier": "absent"},
        {"number_text": "normalised", "missing_value": "absent"},
        {"eq_case": "insensitive", "text_ordering": "refused"},
        {"default_order": "identifier", "page_limit_max": 2, "large_limit": "clamp"},
        {"count_body": "bare"},
    ],
    ids=",".join,
)
def test_every_reading_of_ptolemy_gives_the_same(
    make_simulator: MakeSimulator, switches: dict[str, Any]
) -> None:
    """D1, D2, D3, D15, N6, N7, N8, N10, N11 of Ptolemy's contract."""
    sim = make_simulator(**switches)
    every_kind(sim)
    found = compared(sim)
    assert {name: sorted(entries) for name, entries in kinds(found).items()} == ALL_KINDS


def test_n06_delisted_ones_may_not_be_listed(make_simulator: MakeSimulator) -> None:
    """N6: then nothing tells a delisted instrument from one that never was."""
    sim = make_simulator(cadenza={"default_statuses": "tradable"})
    every_kind(sim)
    found = compared(sim)
    assert sorted(kinds(found)["missing_in_cadenza"]) == ["BINANCE:GONE/USDT", "BINANCE:LUNA/USDT"]
    assert "delisted_but_live" not in kinds(found)
    assert found.notes == (NO_DELISTED,)


def shifting(sim: Simulator) -> None:
    sim.configure(cadenza={"page_shift": 1, "list_limit_max": 3})


def away(sim: Simulator) -> None:
    sim.configure(cadenza={"maintenance_list": "empty"})
    sim.cadenza.set_status("BINANCE", "MAINTENANCE")


def emptied(sim: Simulator) -> None:
    sim.cadenza.set_rows("BINANCE", [])


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (shifting, "The list was read 3 times: rows moved while it was read"),
        (away, "Venue BINANCE is MAINTENANCE in Cadenza, not ONLINE"),
        (emptied, "Cadenza's list of BINANCE is empty although the venue is ONLINE"),
    ],
)
def test_n08_a_list_that_proves_nothing_is_not_compared(
    sim: Simulator, harm: Any, words: str
) -> None:
    """N3, N4, N8: all that such a list lacks would count as missing."""
    every_kind(sim)
    harm(sim)
    with pytest.raises(FeedRefused) as refused:
        compared(sim)
    assert words in str(refused.value)
    assert str(refused.value).endswith(
        "Nothing was compared. Compare again when the venue is ONLINE and its list at rest."
    )


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"venue": "BINANSE"}, "has no venue BINANSE. Did you mean BINANCE"),
        ({"venue": " "}, "No venue is named. Nothing was compared. Name one, for example BINANCE."),
        (
            {"instrument_type": "fund"},
            "Instrument type 'fund' does not exist in workspace 'demo'. Name the type",
        ),
        (
            {"instrument_type": "equity"},
            "Instrument type 'equity' has no field 'venue', so that nothing tells which of its "
            "instruments are of BINANCE. Name the type that a CadenzaFeed writes, or compare "
            "against listings.",
        ),
    ],
)
def test_what_was_named_wrongly_is_told(sim: Simulator, asked: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigurationError) as wrong:
        compared(sim, **asked)
    assert words in str(wrong.value)


def test_a_type_without_a_size_is_compared_by_the_other(make_simulator: MakeSimulator) -> None:
    fields = [{"field_key": key} for key in ("venue", "symbol", "lot_size")]
    types = [{"identifier": "pair", "fields": fields}]
    sim = make_simulator(workspaces=[{"instrument_types": types}])
    listed(sim, "BTC/USDT", OLD_USDT="DELISTED")
    [row] = mirrored(sim.cadenza.rows("BINANCE"))
    del row["field_values"]["tick_size"]
    row["field_values"]["lot_size"] = "0.0010"
    sim.seed([row | {"type_id": "pair"}])
    found = compared(sim, instrument_type="pair")
    assert kinds(found) == {}
    assert found.notes == ("Type pair has no field tick_size, so that it was not compared.",)


def test_n07_a_workspace_that_does_not_count_proves_nothing(make_simulator: MakeSimulator) -> None:
    """N7 of Ptolemy's contract: no count, no proof; the comparison stands and says so."""
    sim = make_simulator(count_body="refused")
    every_kind(sim)
    found = compared(sim)
    assert kinds(found) == ALL_KINDS
    assert found.notes == (
        "Ptolemy does not tell how many instruments there are, so nothing proves that all of them "
        "were read.",
    )


def broken_off(times: int | None) -> dict[str, Any]:
    return {"path": "/instruments/filter", "action": "early_last_page", "times": times, "after": 1}


def test_a_reading_of_ptolemy_that_breaks_off_is_done_again(make_simulator: MakeSimulator) -> None:
    sim = make_simulator(page_limit_max=2, large_limit="clamp", faults=[broken_off(1)])
    every_kind(sim)
    assert kinds(compared(sim)) == ALL_KINDS


def test_a_reading_of_ptolemy_that_is_never_whole_is_not_compared(
    make_simulator: MakeSimulator,
) -> None:
    sim = make_simulator(page_limit_max=2, large_limit="clamp", faults=[broken_off(None)])
    every_kind(sim)
    with pytest.raises(PagesLeadNowhere) as nowhere:
        compared(sim)
    assert str(nowhere.value) == (
        "POST /instruments/filter: 2 instruments were read, 2 of them active, but the workspace "
        "counts 5 before and 5 after. Nothing was compared. Compare again when no sync is under "
        "way."
    )


@pytest.mark.parametrize(
    ("method", "path", "kind"),
    [
        ("DELETE", "BINANCE%3ABTC%2FUSDT", "live_but_archived"),
        ("POST", f"{BACK}/restore", ""),
    ],
)
def test_what_moves_between_the_passes_is_read_again(
    sim: Simulator, method: str, path: str, kind: str
) -> None:
    """Archived behind the first pass, or restored behind it: the count tells that it moved."""
    listed(sim, "BTC/USDT", "BACK/USDT", OLD_USDT="DELISTED")
    active, archived = mirrored(sim.cadenza.rows("BINANCE"))
    sim.seed([active, archived | {"archived": True, "id": BACK}])
    change = {"method": method, "path": f"/instruments/{path}"}
    sim.faults = [
        {"path": "/instruments/filter", "action": "change_between_pages", "changes": [change]}
    ]
    found = kinds(compared(sim))
    wanted = ["BINANCE:BTC/USDT", "BINANCE:BACK/USDT"]
    assert found == ({kind: wanted} if kind else {})


def test_a_token_that_is_refused_ends_it(sim: Simulator) -> None:
    sim.revoke()
    with pytest.raises(AccessDenied, match="401"):
        compared(sim)
