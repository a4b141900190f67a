"""The state by policy, and the result as scripts read it."""

from __future__ import annotations

import json

import pytest

from armillary.venues.outcome import (
    EXIT_CODES,
    FAILED_STATES,
    HEADLINES,
    State,
    VenueFailed,
    VenueOutcome,
    VenuesResult,
    VenueState,
    failed_message,
    final_state,
)

DONE, FAILED, UNKNOWN = VenueState.COMPLETED, VenueState.FAILED, VenueState.UNKNOWN
HELD, SKIPPED, LEFT = VenueState.ALREADY_RUNNING, VenueState.SKIPPED, VenueState.NOT_ATTEMPTED


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ([DONE, DONE], State.COMPLETED),
        ([DONE, SKIPPED], State.COMPLETED),
        ([DONE, HELD], State.COMPLETED),
        ([HELD, HELD], State.ALREADY_RUNNING),
        ([HELD, SKIPPED], State.ALREADY_RUNNING),
        ([DONE, FAILED], State.PARTIAL),
        ([DONE, UNKNOWN], State.PARTIAL),
        ([DONE, LEFT], State.PARTIAL),
        ([FAILED, UNKNOWN], State.FAILED),
        ([FAILED, HELD], State.FAILED),
        ([FAILED, SKIPPED], State.FAILED),
        ([LEFT], State.FAILED),
    ],
)
def test_the_state_by_policy(states: list[VenueState], expected: State) -> None:
    outcomes = [VenueOutcome(f"V{number}", state) for number, state in enumerate(states)]
    assert final_state(outcomes) is expected


def test_a_refused_symbol_makes_a_run_partial() -> None:
    refused = {"FOO/USDT": "unknown symbol"}
    assert final_state([VenueOutcome("V", DONE, rejected_symbols=refused)]) is State.PARTIAL


def test_every_state_has_an_exit_code_and_words() -> None:
    assert set(EXIT_CODES) == set(HEADLINES) == set(State)
    assert {state for state, code in EXIT_CODES.items() if code} == FAILED_STATES


def result(*venues: VenueOutcome, stopped: str = "") -> VenuesResult:
    return VenuesResult(
        state=final_state(venues),
        environment="UAT",
        venues=venues,
        calls=7,
        seconds=1.5,
        run_id="run-1",
        stopped=stopped,
    )


def test_the_result_is_plain_json() -> None:
    made = result(VenueOutcome("OKX", DONE, 10, 1, 2), VenueOutcome("B2C2", FAILED, error="no."))
    told = json.loads(json.dumps(made.as_dict()))
    assert (told["state"], told["environment"], made.exit_code) == ("Partial", "UAT", 1)
    assert told["venues"][0] | {"venue": "OKX"} == told["venues"][0]
    keys = ("venue", "state", "synced", "added", "updated", "error")
    assert [told["venues"][0][key] for key in keys] == ["OKX", "completed", 10, 1, 2, ""]
    assert told["venues"][1]["error"] == "no."


def test_the_message_names_what_failed_and_how_many_did_not() -> None:
    made = result(
        VenueOutcome("OKX", DONE),
        VenueOutcome("B2C2", FAILED, error="refused."),
        VenueOutcome("MOCK", DONE, rejected_symbols={"FOO/USDT": "unknown"}),
        VenueOutcome("IBKR", LEFT, error="the account may not do this."),
        stopped="the account may not do this.",
    )
    assert failed_message(made) == (
        "Venues in UAT: 2 completed, 1 failed, 1 not attempted. The run stopped: the account may "
        "not do this. B2C2: refused. MOCK: some symbols were refused, the others are refreshed. "
        "FOO/USDT: unknown"
    )


def test_a_failed_venue_tells_its_reason() -> None:
    error = VenueFailed(VenueOutcome("B2C2", FAILED, error="Cadenza refuses the request."))
    assert repr(error) == "VenueFailed: B2C2: Cadenza refuses the request."
