"""Accounting and states: planned = applied + rejected + withheld + not attempted + unknown."""

from __future__ import annotations

import pytest

from armillary.sync.breaker import Breaker
from armillary.sync.forecast import forecast, shortage
from armillary.sync.outcome import EXIT_CODES, Fate, Outcome, State, Tally, final_state, tally
from tests.sync.build import feed, ground, instrument, plan, record, workspace


def outcome(
    fate: Fate, kind: str = "update", reason: str = "", status: int | None = None
) -> Outcome:
    return Outcome(kind, "a", fate, reason, status=status)


NONE = Tally(applied={}, rejected=0, unknown=0, not_attempted=0, reasons={})


@pytest.mark.parametrize(
    ("mode", "counted", "withheld", "rows", "stopped", "rejects", "state"),
    [
        ("apply", NONE, [], 0, "", False, State.COMPLETED),
        ("apply", NONE, [], 1, "", False, State.COMPLETED_WITH_REJECTS),
        ("apply", NONE, ["archive"], 1, "", False, State.WITHHELD),
        ("plan", NONE, [], 1, "", False, State.PLANNED),
        ("plan", NONE, ["archive"], 0, "", False, State.PLANNED_WITHHELD),
        ("apply", NONE, ["archive"], 0, "401", False, State.FAILED),
        ("apply", NONE, [], 0, "many", True, State.TOO_MANY_REJECTS),
        ("plan", NONE, [], 9, "many", True, State.TOO_MANY_REJECTS),
        ("apply", Tally({}, 0, 1, 0, {}), [], 0, "", False, State.FAILED),
        ("apply", Tally({}, 0, 0, 1, {}), [], 0, "", False, State.FAILED),
        ("apply", Tally({}, 1, 0, 0, {}), [], 0, "", False, State.COMPLETED_WITH_REJECTS),
    ],
)  # fmt: skip
def test_the_worst_that_is_true_names_the_state(
    mode: str,
    counted: Tally,
    withheld: list[str],
    rows: int,
    stopped: str,
    rejects: bool,
    state: State,
) -> None:
    found = final_state(
        mode=mode, counted=counted, withheld=withheld, rejected_rows=rows, stopped=stopped,
        stopped_by_rejects=rejects,
    )  # fmt: skip
    assert found is state


def test_every_state_has_an_exit_code() -> None:
    assert set(EXIT_CODES) == set(State)


def test_what_is_still_transient_at_the_end_is_unknown() -> None:
    counted = tally([outcome(Fate.TRANSIENT), outcome(Fate.UNKNOWN), outcome(Fate.APPLIED)])
    assert (counted.unknown, counted.applied["update"]) == (2, 1)


def test_a18_ten_equal_first_errors_stop_the_run() -> None:
    breaker = Breaker(planned=10_000, max_reject_share=0.05)
    for _ in range(9):
        breaker.saw(outcome(Fate.REJECTED, reason="no such field", status=422))
    assert not breaker.stopped
    breaker.saw(outcome(Fate.REJECTED, reason="no such field", status=422))
    assert breaker.by_rejects
    assert breaker.stopped.startswith("the first 10 writes failed alike; the last: update a")


def test_a18_a_fifth_of_the_first_hundred_stops_the_run() -> None:
    breaker = Breaker(planned=10_000, max_reject_share=0.05)
    for number in range(80):
        breaker.saw(outcome(Fate.APPLIED if number % 4 else Fate.REJECTED, status=400 + number))
    assert not breaker.stopped
    breaker.saw(outcome(Fate.REJECTED))
    assert breaker.stopped.startswith("21 of the first 81 writes were rejected")


def test_scattered_rejects_go_on_until_the_feeds_limit() -> None:
    breaker = Breaker(planned=1000, max_reject_share=0.05)
    for number in range(1000):
        breaker.saw(outcome(Fate.REJECTED if number % 21 == 20 else Fate.APPLIED))
    assert not breaker.stopped
    for _ in range(4):
        breaker.saw(outcome(Fate.REJECTED))
    assert "more than the feed allows" in breaker.stopped


def test_a_fault_that_concerns_every_record_stops_at_once_and_is_no_reject() -> None:
    breaker = Breaker(planned=10, max_reject_share=0.05)
    breaker.halt("no calls are left")
    breaker.halt("another reason")
    assert breaker.stopped == "no calls are left"
    assert not breaker.by_rejects


def test_a_forecast_itemises_and_counts_deliveries() -> None:
    made = plan(
        feed(record("new"), record("upd", lot_size="2")),
        workspace(instrument("upd", lot_size="1"), instrument("gone")),
    )
    facts = ground(deliveries={"create": 2, "update": 1, "archive": 0, "restore": 0})
    applied = made.changes.filter(made.changes["kind"] != "archive")
    cost = forecast(made, facts, reading={"POST /instruments/filter": 3}, to_apply=applied)
    assert cost.writing == {"create": 1, "update": 1}
    assert (cost.calls, cost.deliveries, cost.still_to_spend, cost.guide) == (5, 3, 5, 4)
    assert shortage(cost, remaining=5, reserve_calls=0) == ""
    assert shortage(cost, remaining=None, reserve_calls=9) == ""
    assert shortage(cost, remaining=14, reserve_calls=10) == (
        "the plan needs 5 more calls, and 14 are left in the billing period, of which 10 are "
        "reserved (reserve_calls)"
    )
