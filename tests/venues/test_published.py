"""What a publish comes to, and how it is told, by its two halves."""

from __future__ import annotations

import json
from typing import Any

import pytest

from armillary.errors import ConfigurationError
from armillary.feeds.cadenza_definition import CadenzaDefinition
from armillary.sync.outcome import Calls, State, SyncResult
from armillary.venues.outcome import VenueOutcome, VenueState
from armillary.venues.published import (
    Published,
    final_state,
    headline,
    refresh_lines,
    refreshed_symbols,
    summary,
    why_no_sync,
)
from armillary.venues.source import check_source, identifiers_of

NOTHING = dict.fromkeys(("restore", "create", "update", "archive"), 0)


def synced(state: State = State.COMPLETED, **changed: Any) -> SyncResult:
    facts: dict[str, Any] = {
        "state": state,
        "mode": "apply",
        "feed": "cadenza-binance",
        "workspace": "demo",
        "planned": NOTHING | {"create": 3},
        "unchanged": 0,
        "applied": NOTHING | {"create": 3},
        "rejected": 0,
        "rejected_rows": 0,
        "withheld": NOTHING,
        "held": 0,
        "not_attempted": 0,
        "unknown": 0,
        "calls": Calls(forecast=9, used=9, remaining=None, deliveries=None, guide=9),
        "digest": "d" * 64,
        "run_id": "run-1",
        "record": "/runs/run-1",
    }
    return SyncResult(**(facts | changed))


def refreshed(state: VenueState = VenueState.COMPLETED, **changed: Any) -> VenueOutcome:
    facts: dict[str, Any] = {"synced": 412, "added": 3, "updated": 9, "seconds": 12.34, "tries": 1}
    return VenueOutcome("BINANCE", state, **(facts | changed))


def published(**changed: Any) -> Published:
    facts: dict[str, Any] = {
        "state": State.COMPLETED,
        "mode": "apply",
        "environment": "UAT",
        "venue": "BINANCE",
        "workspace": "demo",
        "run_id": "run-1",
        "refresh": refreshed(),
        "sync": synced(),
        "cadenza_calls": 5,
    }
    return Published(**(facts | changed))


@pytest.mark.parametrize("state", list(State))
def test_the_state_is_that_of_the_sync_after_a_refresh_that_is_done(state: State) -> None:
    assert final_state(refreshed(), synced(state)) is state
    assert final_state(None, synced(state)) is state, "a plan has no refresh"


@pytest.mark.parametrize("state", [s for s in VenueState if s is not VenueState.COMPLETED])
def test_without_a_refresh_that_is_done_there_is_no_sync(state: VenueState) -> None:
    outcome = refreshed(state, error="It said no.")
    wanted = State.ALREADY_RUNNING if state is VenueState.ALREADY_RUNNING else State.FAILED
    assert final_state(outcome, None) is wanted
    assert "It said no. Nothing was synced: Ptolemy stays as it was." in why_no_sync(outcome)


def test_why_there_is_no_sync_is_told_by_what_is_known() -> None:
    assert why_no_sync(None) == why_no_sync(refreshed()) == ""
    assert why_no_sync(refreshed(VenueState.FAILED)).startswith("Cadenza did not refresh BINANCE.")
    assert why_no_sync(refreshed(VenueState.UNKNOWN)).startswith(
        "It is not known whether Cadenza has refreshed BINANCE."
    )


def test_refused_symbols_are_no_success_and_do_not_keep_the_others() -> None:
    asked = ("BTC/USDT", "NO/SUCH")
    outcome = refreshed(symbols=asked, rejected_symbols={"NO/SUCH": "symbol not found"})
    assert why_no_sync(outcome) == ""
    assert refreshed_symbols(outcome) == ("BTC/USDT",)
    assert final_state(outcome, synced()) is State.COMPLETED_WITH_REJECTS
    assert final_state(outcome, synced(State.WITHHELD)) is State.WITHHELD
    told = list(refresh_lines(published(refresh=outcome)))
    assert "NO/SUCH was refused, so it is not published: symbol not found" in told


def test_the_report_has_both_halves() -> None:
    text = summary(published(symbols=("BTC/USDT",), notes=("took btc/usdt as BTC/USDT.",)))
    assert text.startswith("# BINANCE into demo: Completed\n\n**Done: every planned change is")
    assert "Cadenza UAT, workspace `demo`, mode `apply`, run `run-1`. Only BTC/USDT." in text
    assert "- completed: 412 synced, 3 added, 9 updated (12.3 s)" in text
    assert "- took btc/usdt as BTC/USDT." in text
    assert "### cadenza-binance: Completed" in text
    assert "| create | 3 | 3 | 0 |" in text
    assert text.endswith("Requests to Cadenza: 5.")
    assert text.index("## Refresh in Cadenza") < text.index("## Sync into Ptolemy")


def test_the_report_of_a_plan_says_that_nothing_was_refreshed() -> None:
    plan = published(mode="plan", state=State.PLANNED, refresh=None, sync=synced(State.PLANNED))
    assert "Not made: a plan writes nothing anywhere" in summary(plan)
    assert headline(plan) == "Planned only: nothing was written."


def test_the_report_of_a_refresh_that_failed() -> None:
    outcome = refreshed(
        VenueState.FAILED,
        synced=None,
        added=None,
        updated=None,
        tries=4,
        error="The exchange does not answer.",
        request_id="req-7",
    )
    failed = published(state=State.FAILED, refresh=outcome, sync=None, stopped=why_no_sync(outcome))
    text = summary(failed)
    assert "**Nothing was synced.**" in text
    assert "- failed (12.3 s, 4 tries)\n- The exchange does not answer. (request req-7)" in text
    assert "Not made: Cadenza did not refresh BINANCE. The exchange does not answer. " in text
    assert failed.exit_code == 1


def test_the_sync_of_another_run_is_told_as_such() -> None:
    held = published(state=State.ALREADY_RUNNING, sync=None, stopped="Run x holds the lease.")
    assert headline(held) == "Nothing was synced: another run is at work."
    assert held.exit_code == 0


def test_the_result_is_plain_json() -> None:
    told = json.loads(json.dumps(published().as_dict()))
    assert (told["state"], told["venue"], told["environment"]) == ("Completed", "BINANCE", "UAT")
    assert told["refresh"]["state"] == "completed"
    assert told["refresh"]["synced"] == 412
    assert told["sync"]["applied"]["create"] == 3


def asked(definition: CadenzaDefinition, **changed: Any) -> None:
    facts: dict[str, Any] = {"venue": "BINANCE", "reads": "UAT", "refreshes": "UAT", "symbols": ()}
    facts |= changed
    check_source(definition, facts.pop("venue"), **facts)


def test_a_feed_of_that_venue_and_that_cadenza_is_fine() -> None:
    asked(CadenzaDefinition(venue="BINANCE"))
    asked(CadenzaDefinition(venue="BINANCE"), venue="Binance", symbols=("BTC/USDT",))
    asked(CadenzaDefinition(venue="BINANCE", identifier="{symbol}.b"))


@pytest.mark.parametrize(
    ("definition", "changed", "words"),
    [
        ({"venue": "OKX"}, {}, "Feed cadenza-okx is of venue OKX, and the run is to publish BINAN"),
        ({}, {"reads": "production"}, "reads Cadenza production, and the run refreshes Cadenza UA"),
        (
            {"identifier": "{symbol}.binance"},
            {"symbols": ("BTC/USDT",)},
            "which instruments the symbols are cannot be told. Leave the symbols out",
        ),
    ],
)
def test_a_feed_that_does_not_bring_what_is_refreshed_is_refused(
    definition: dict[str, Any], changed: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConfigurationError, match="Nothing was done") as told:
        asked(CadenzaDefinition(**({"venue": "BINANCE"} | definition)), **changed)
    assert words in str(told.value)


def test_symbols_become_identifiers() -> None:
    plain = CadenzaDefinition(venue="BINANCE")
    lower = CadenzaDefinition(venue="BINANCE", identifier_case="lower")
    assert identifiers_of(plain, "BINANCE", ()) is None
    assert identifiers_of(plain, "BINANCE", ["BTC/USDT", "BTC/USDT:USDT"]) == [
        "BINANCE:BTC/USDT",
        "BINANCE:BTC/USDT:USDT",
    ]
    assert identifiers_of(lower, "BINANCE", ["BTC/USDT"]) == ["binance:btc/usdt"]
