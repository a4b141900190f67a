"""One venue over several attempts: how long it waits, how often it asks, and when it stops."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest

from armillary.api.cadenza import SyncAnswer
from armillary.errors import (
    AccessDenied,
    AnswerLost,
    ApiError,
    LeaseLost,
    NotFound,
    RateLimited,
    RequestRejected,
    TransientError,
    UnexpectedAnswer,
    VenueBusy,
)
from armillary.venues.asking import MOST_ATTEMPTS, Asking
from armillary.venues.outcome import VenueState
from armillary.venues.patience import Halt, Patience
from tests.api.clocks import JumpClock
from tests.venues.scripted import Answer, Script, done, failed, outcome_of

BUSY = failed(VenueBusy, "another refresh of this venue is under way.", status=503)
LOST = failed(AnswerLost, "no answer came within 1800 seconds.", status=504)
DOWN = failed(
    TransientError,
    "Cadenza or the exchange failed.",
    status=503,
    request_id="req-9",
    detail="maintenance (errno 18013)",
)


class Bench:
    def __init__(self, symbols: Sequence[str], *answers: Answer) -> None:
        self.clock, self.halt = JumpClock(), Halt()
        self.script = Script(self.clock, *answers)
        self.asking = Asking("BINANCE", symbols, halt=self.halt, clock=self.clock)
        self.outcome = outcome_of(self.asking, self.script)


def test_one_answer_is_enough() -> None:
    bench = Bench((), done())
    outcome = bench.outcome
    assert outcome.state is VenueState.COMPLETED
    assert (outcome.synced, outcome.added, outcome.updated) == (412, 3, 9)
    assert (outcome.tries, outcome.seconds, outcome.error) == (1, 0.0, "")
    assert bench.script.asked == [(0.0, None)]


def test_symbols_are_sent_as_they_are() -> None:
    bench = Bench(("BTC/USDT", "ETH/USDT"), done(2, 0, 2))
    assert bench.script.asked == [(0.0, ["BTC/USDT", "ETH/USDT"])]
    assert bench.outcome.symbols == ("BTC/USDT", "ETH/USDT")


def test_c08_a_busy_venue_is_waited_for_at_growing_intervals() -> None:
    bench = Bench((), *[BUSY] * 6, done())
    assert bench.script.times == [0, 5, 15, 35, 75, 135, 195]
    assert bench.outcome.state is VenueState.COMPLETED
    assert bench.outcome.notes == ("Another refresh of it was waited for, 195 seconds.",)


def test_c08_a_busy_venue_is_not_waited_for_for_ever() -> None:
    bench = Bench((), BUSY)
    outcome = bench.outcome
    assert outcome.state is VenueState.FAILED
    assert bench.script.times[-1] == 900
    assert outcome.tries < MOST_ATTEMPTS
    assert outcome.seconds == 900
    assert outcome.error.startswith(
        "Another refresh of the venue is under way and did not end within 900 seconds. The last "
        "time: POST /market/instrument/sync 503: another refresh of this venue is under way."
    )


def test_a_busy_answer_that_asks_for_longer_is_given_longer() -> None:
    asks = failed(VenueBusy, "another refresh is under way.", status=503, wait_seconds=40.0)
    assert Bench((), asks, done()).script.times == [0, 40]


def test_a_passing_fault_is_tried_four_times() -> None:
    bench = Bench((), DOWN)
    outcome = bench.outcome
    assert bench.script.times == [0, 2, 6, 14]
    assert (outcome.state, outcome.tries) == (VenueState.FAILED, 4)
    assert outcome.request_id == "req-9"
    assert outcome.error == (
        "4 tries failed. The last time: POST /market/instrument/sync 503 (request req-9): Cadenza "
        "or the exchange failed. It said: maintenance (errno 18013)"
    )


def test_a_passing_fault_passes() -> None:
    bench = Bench((), DOWN, DOWN, DOWN, done())
    assert (bench.outcome.state, bench.outcome.tries) == (VenueState.COMPLETED, 4)


def test_an_exchange_that_throttles_says_how_long_to_wait() -> None:
    asks = failed(TransientError, "the exchange limits.", status=429, wait_seconds=37.0)
    assert Bench((), asks, done()).script.times == [0, 37]


def test_a_wait_of_hours_ends_the_venue() -> None:
    asks = failed(TransientError, "the exchange limits.", status=429, wait_seconds=7200.0)
    bench = Bench((), asks, done())
    assert (bench.outcome.state, bench.outcome.tries) == (VenueState.FAILED, 1)
    assert "It asks to wait 7,200 seconds: longer than a run waits." in bench.outcome.error


def test_c07_a_lost_answer_is_asked_once_more_after_a_pause() -> None:
    bench = Bench((), LOST, done())
    assert bench.script.times == [0, 60]
    assert bench.outcome.state is VenueState.COMPLETED
    assert bench.outcome.notes == (
        "The first answer was lost; it was asked once more after 60 seconds.",
    )


def test_c08_a_gateway_that_asks_for_a_longer_pause_gets_it() -> None:
    """A02: but never more than a run waits."""
    lost = failed(AnswerLost, "the gateway failed.", status=503, wait_seconds=120.0)
    bench = Bench((), lost, done())
    assert bench.script.times == [0, 120]
    assert "it was asked once more after 120 seconds." in bench.outcome.notes[0]
    lost = failed(AnswerLost, "the gateway failed.", status=503, wait_seconds=7200.0)
    assert Bench((), lost, done()).script.times == [0, 300]


def test_c07_two_lost_answers_leave_it_unknown() -> None:
    bench = Bench((), LOST)
    assert bench.script.times == [0, 60]
    assert bench.outcome.state is VenueState.UNKNOWN
    assert bench.outcome.error == (
        "It was asked twice, and both times no answer came. The last time: POST "
        "/market/instrument/sync 504: no answer came within 1800 seconds. It may have been "
        "carried out nevertheless: refreshing it again does no harm."
    )


def test_c08_busy_after_a_lost_answer_means_that_it_still_runs() -> None:
    bench = Bench((), LOST, BUSY, BUSY, done())
    assert bench.script.times == [0, 60, 65, 75]
    assert bench.outcome.state is VenueState.COMPLETED


@pytest.mark.parametrize("then", [BUSY, DOWN, failed(AccessDenied, "revoked.", status=401)])
def test_after_a_lost_answer_nothing_is_certain(then: ApiError) -> None:
    bench = Bench((), LOST, then)
    assert bench.outcome.state is VenueState.UNKNOWN
    assert "may have been carried out" in bench.outcome.error


@pytest.mark.parametrize(
    "error",
    [
        failed(AccessDenied, "the account may not do this.", status=403),
        RateLimited("Too many.", retry_after_seconds=9000, method="POST", path="/sync"),
    ],
)
def test_c06_what_is_refused_to_the_account_stops_every_venue(error: ApiError) -> None:
    bench = Bench((), error)
    assert (bench.outcome.state, bench.outcome.tries) == (VenueState.FAILED, 1)
    assert bench.halt.why == str(error)
    other = Asking("OKX", halt=bench.halt, clock=bench.clock)
    untouched = Script(bench.clock, done())
    outcome = outcome_of(other, untouched)
    assert (outcome.state, outcome.tries) == (VenueState.NOT_ATTEMPTED, 0)
    assert outcome.error == str(error)
    assert untouched.asked == []


def test_a_venue_that_waits_does_not_go_on_waiting_when_the_run_stops() -> None:
    clock, halt = JumpClock(), Halt()
    asking = Asking("BINANCE", halt=halt, clock=clock)
    with pytest.raises(AnswerLost):
        asking.ask(Script(clock, LOST))
    halt.stop("the run was cancelled")
    asking.wait()
    outcome = asking.ask(Script(clock, done()))
    assert clock.passed == 0
    assert (outcome.state, outcome.tries) == (VenueState.UNKNOWN, 1)
    assert "before it could be asked again: the run was cancelled" in outcome.error


def test_c05_a_venue_that_is_refused_is_not_asked_again() -> None:
    refused = failed(RequestRejected, "Cadenza refuses the request.", status=400)
    bench = Bench((), refused)
    assert (bench.outcome.state, bench.outcome.tries) == (VenueState.FAILED, 1)
    assert bench.halt.why == ""
    assert "Cadenza refuses the request." in bench.outcome.error


def test_c10_an_answer_about_another_venue_is_a_failure() -> None:
    wrong = failed(UnexpectedAnswer, "BINANCE was asked for and OKX refreshed.")
    bench = Bench((), wrong)
    assert (bench.outcome.state, bench.outcome.tries) == (VenueState.FAILED, 1)
    assert "OKX refreshed" in bench.outcome.error


def refusing(*bad: str) -> Answer:
    def answer(symbols: Sequence[str] | None) -> SyncAnswer | ApiError:
        found = [symbol for symbol in symbols or () if symbol in bad]
        if found:
            detail = f"unknown symbol {found[0]} (errno 18017)"
            return failed(NotFound, "Cadenza knows no such thing.", status=404, detail=detail)
        return done(len(symbols or ()), 0, len(symbols or ()))

    return answer


def test_c12_one_bad_symbol_is_isolated_and_the_others_are_refreshed() -> None:
    symbols = [f"A{number}/USDT" for number in range(100)]
    bench = Bench(symbols, refusing("A41/USDT"))
    outcome = bench.outcome
    assert outcome.state is VenueState.COMPLETED
    assert outcome.synced == 99
    assert outcome.rejected_symbols == {"A41/USDT": "unknown symbol A41/USDT (errno 18017)"}
    assert outcome.tries <= 2 * math.ceil(math.log2(100)) + 1
    asked = [symbol for _, part in bench.script.asked[1:] for symbol in part or ()]
    assert set(asked) == set(symbols)


def test_c12_the_search_for_bad_symbols_is_bounded() -> None:
    symbols = [f"A{number}/USDT" for number in range(64)]
    bench = Bench(symbols, refusing(*symbols[::2]))
    outcome = bench.outcome
    assert outcome.tries <= 2 * 6 + 8
    assert set(outcome.rejected_symbols) >= set(symbols[::2])
    assert (outcome.synced or 0) + len(outcome.rejected_symbols) == 64
    assert any("refused together with" in why for why in outcome.rejected_symbols.values())


def test_c12_when_every_symbol_is_refused_the_venue_has_failed() -> None:
    bench = Bench(("FOO/USDT", "BAR/USDT"), refusing("FOO/USDT", "BAR/USDT"))
    assert bench.outcome.state is VenueState.FAILED
    assert set(bench.outcome.rejected_symbols) == {"FOO/USDT", "BAR/USDT"}
    assert bench.outcome.synced is None


@pytest.mark.parametrize("status", [401, 501])
def test_what_is_not_about_the_symbols_is_not_looked_for_among_them(status: int) -> None:
    bench = Bench(("FOO/USDT", "BAR/USDT"), failed(RequestRejected, "refused.", status=status))
    assert (bench.outcome.state, bench.outcome.tries) == (VenueState.FAILED, 1)


def test_a_fault_among_halves_loses_none_of_them() -> None:
    bad = failed(NotFound, "unknown.", status=404, detail="unknown symbol")
    bench = Bench(("A/B", "C/D"), bad, DOWN, done(1, 0, 1), BUSY, bad)
    outcome = bench.outcome
    assert [part for _, part in bench.script.asked] == [
        ["A/B", "C/D"],
        ["A/B"],
        ["A/B"],
        ["C/D"],
        ["C/D"],
    ]
    assert (outcome.state, outcome.synced) == (VenueState.COMPLETED, 1)
    assert outcome.rejected_symbols == {"C/D": "unknown symbol"}


def test_what_was_refreshed_before_a_failure_is_told() -> None:
    bad = failed(NotFound, "unknown.", status=404, detail="unknown symbol")
    bench = Bench(("A/B", "C/D"), bad, done(1, 0, 1), DOWN)
    assert (bench.outcome.state, bench.outcome.synced) == (VenueState.FAILED, 1)
    assert bench.outcome.error.endswith("Before that, 1 of 2 symbols were refreshed.")


def test_a_count_that_is_missing_once_is_not_known() -> None:
    bad = failed(NotFound, "unknown.", status=404)
    bench = Bench(("A/B", "C/D"), bad, done(1, None, 1), done(1, 1, 1))
    assert (bench.outcome.synced, bench.outcome.added, bench.outcome.updated) == (2, None, 2)


def test_c13_what_was_odd_about_the_counts_is_kept() -> None:
    odd = SyncAnswer(None, None, None, ("Cadenza told synced as -1, which is no count.",))
    bench = Bench((), odd)
    assert bench.outcome.state is VenueState.COMPLETED
    assert bench.outcome.notes == ("Cadenza told synced as -1, which is no count.",)


def test_nothing_is_sent_without_the_lease() -> None:
    clock = JumpClock()
    script = Script(clock, done())

    def lost() -> None:
        raise LeaseLost("The lease of this run ended.")

    outcome = Asking("BINANCE", clock=clock).ask(script, lost)
    assert (outcome.state, outcome.tries) == (VenueState.FAILED, 0)
    assert "The lease of this run ended." in outcome.error
    assert script.asked == []


def test_a_service_that_is_never_done_is_left_in_the_end() -> None:
    clock = JumpClock()
    patience = Patience(busy_seconds=math.inf)
    script = Script(clock, BUSY)
    outcome = outcome_of(Asking("BINANCE", patience=patience, clock=clock), script)
    assert (outcome.state, outcome.tries) == (VenueState.FAILED, MOST_ATTEMPTS)
    assert outcome.error.startswith(f"It was tried {MOST_ATTEMPTS} times.")
