"""One request on its way through its attempts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

import httpx

from armillary.clock import Clock


class Repeat(Enum):
    """How often a request may be sent."""

    READ = "read"
    """Changes nothing: as often as it takes."""
    SAME_EFFECT = "same effect"
    """PATCH, DELETE, restore: once more ends in the same state (``reliability.md`` A12)."""
    ONCE = "once"
    """A second one could make a second record or job: again only if nothing was sent."""


@dataclass(slots=True)
class Call:
    """What a request is, and what has happened to it so far.

    ``path`` is for people (no query), ``template`` for counting (``/instruments/{id}``).
    """

    method: str
    path: str
    template: str
    repeat: Repeat
    build: Callable[[], httpx.Request]
    timeout_seconds: float
    read_timeout_seconds: float
    started: float
    attempt: int = 0
    waited_seconds: float = 0.0
    """For its turn and for the rate limit; not counted against the window of the attempts."""
    asked_wait: float = 0.0
    limited_times: int = 0
    limited_seconds: float = 0.0
    ticket: int = 0
    number: int = 0
    lost: bool = False
    """It was sent at least once and may have been carried out, but no usable answer came."""

    def spent(self, clock: Clock) -> float:
        """Seconds since the first attempt, without those spent waiting for a turn."""
        return clock.monotonic() - self.started - self.waited_seconds
