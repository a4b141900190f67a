"""A service that is down is waited for once, by one probe, for all workers."""

from __future__ import annotations

import threading

from armillary.sync.outage import Outage
from armillary.sync.outcome import Fate, Outcome
from tests.api.clocks import JumpClock


def failing(outage: Outage, times: int, fate: Fate = Fate.TRANSIENT) -> None:
    for _ in range(times):
        outage.saw(Outcome("update", "a", fate))


def test_a07_single_failures_are_no_outage() -> None:
    outage = Outage(lambda: False, most_seconds=300, clock=JumpClock())
    failing(outage, 9)
    assert outage.wait() == ""
    failing(outage, 1, Fate.REJECTED)
    failing(outage, 9)
    assert outage.wait() == ""


def test_a07_a_service_that_comes_back_is_waited_for_with_growing_pauses() -> None:
    clock, answers = JumpClock(), iter([False, False, False, True])
    outage = Outage(lambda: next(answers), most_seconds=300, clock=clock)
    failing(outage, 10)
    began = clock.monotonic()
    assert outage.wait() == ""
    assert clock.monotonic() - began == 5 + 10 + 20 + 40
    assert outage.wait() == "", "it is over: nobody waits again"


def test_a07_a_service_that_stays_away_ends_the_run_for_all_workers() -> None:
    clock, probes = JumpClock(), []

    def probe() -> bool:
        probes.append(clock.monotonic())
        return False

    outage = Outage(probe, most_seconds=600, clock=clock)
    failing(outage, 10)
    said: list[str] = []
    workers = [threading.Thread(target=lambda: said.append(outage.wait())) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(said) == 8
    assert all("did not answer within 600 seconds more" in words for words in said)
    assert len(probes) <= 14, "no hammering: ten minutes cost a handful of calls"
