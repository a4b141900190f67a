"""When the service is down: stop hammering it, look now and then, go on or give up.

A fault of one record passes through the transport's own attempts. When one record after another
fails for now, it is the service: all workers wait, one of them probes with a single cheap request
at growing intervals, and either everybody goes on or the run stops (``reliability.md`` A07).
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from armillary.clock import Clock, SystemClock
from armillary.sync.outcome import Fate, Outcome

FAILURES_IN_A_ROW = 10
FIRST_PAUSE_SECONDS = 5.0
LONGEST_PAUSE_SECONDS = 60.0


class Outage:
    """Watches the outcomes of all workers of a run.

    Args:
        probe: asks the service something cheap; True when it answers.
        most_seconds: how long a run waits for the service to come back.
        clock: for tests.
    """

    def __init__(
        self, probe: Callable[[], bool], *, most_seconds: float, clock: Clock | None = None
    ) -> None:
        self._probe = probe
        self._most_seconds = most_seconds
        self._clock = clock or SystemClock()
        self._counting = threading.Lock()
        self._probing = threading.Lock()
        self._in_a_row = 0
        self._over = ""

    def saw(self, outcome: Outcome) -> None:
        """Take note of one outcome; anything but a passing fault shows that the service answers."""
        with self._counting:
            self._in_a_row = self._in_a_row + 1 if outcome.fate is Fate.TRANSIENT else 0

    def wait(self) -> str:
        """Wait while the service is down; returns why the run has to stop, or blank."""
        if self._in_a_row < FAILURES_IN_A_ROW:
            return self._over
        with self._probing:
            if self._in_a_row >= FAILURES_IN_A_ROW and not self._over:
                self._wait_for_the_service()
        return self._over

    def _wait_for_the_service(self) -> None:
        began, pause = self._clock.monotonic(), FIRST_PAUSE_SECONDS
        while self._clock.monotonic() - began < self._most_seconds:
            left = began + self._most_seconds - self._clock.monotonic()
            self._clock.sleep(min(pause, left))
            if self._probe():
                with self._counting:
                    self._in_a_row = 0
                return
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
        self._over = (
            f"Ptolemy is down: {FAILURES_IN_A_ROW} records in a row failed for now, and it did not "
            f"answer within {self._most_seconds:.0f} seconds more"
        )
