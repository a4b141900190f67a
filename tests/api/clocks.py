"""A clock that waits an hour in no time."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

START = datetime(2026, 11, 20, 2, 0, tzinfo=UTC)


class JumpClock:
    """Time stands still except in ``sleep``, which jumps; ``slept`` lists the jumps."""

    def __init__(self) -> None:
        self.slept: list[float] = []
        self._passed = 0.0
        self._lock = threading.Lock()

    def now(self) -> datetime:
        return START + timedelta(seconds=self._passed)

    def monotonic(self) -> float:
        return 1000.0 + self._passed

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.slept.append(seconds)
            self._passed += seconds

    @property
    def passed(self) -> float:
        return self._passed


class TodaysClock(JumpClock):
    """Waits in no time, and starts now: the simulator's jobs bear its own time."""

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self._passed)
