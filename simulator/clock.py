"""The simulator's own clock: real time plus what it was advanced by."""

from __future__ import annotations

import time
from datetime import UTC, datetime


class SimulatorClock:
    """Wall and monotonic time that a test moves forward without waiting."""

    def __init__(self, *, frozen: bool = False) -> None:
        self._ahead = 0.0
        self._frozen_at = (time.time(), time.monotonic()) if frozen else None

    def now(self) -> float:
        """Seconds since 1970, advances included; whole microseconds, as answers tell them."""
        return round((self._frozen_at[0] if self._frozen_at else time.time()) + self._ahead, 6)

    def monotonic(self) -> float:
        """Seconds since some start, advances included."""
        return (self._frozen_at[1] if self._frozen_at else time.monotonic()) + self._ahead

    def advance(self, seconds: float) -> None:
        """Move forward by ``seconds``."""
        self._ahead += seconds


def timestamp(seconds: float) -> str:
    """ISO 8601 in UTC with ``Z`` (contract section 6); microseconds where there are any."""
    return datetime.fromtimestamp(seconds, UTC).isoformat().removesuffix("+00:00") + "Z"
