"""API calls, database items, and the burst limit (contract section 17)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from math import ceil

from simulator.clock import SimulatorClock
from simulator.config import Config
from simulator.exchange import Refusal


class Bucket:
    """A token bucket."""

    def __init__(self, clock: SimulatorClock, size: int) -> None:
        self._clock = clock
        self._level = float(size)
        self._at = clock.monotonic()

    def take(self, per_second: float, size: int) -> float:
        """Take one; the seconds to wait when there is none, else 0."""
        now = self._clock.monotonic()
        self._level = min(size, self._level + (now - self._at) * per_second)
        self._at = now
        if self._level >= 1:
            self._level -= 1
            return 0.0
        return (1 - self._level) / per_second


class Quota:
    """What a workspace has used up."""

    def __init__(self, clock: SimulatorClock) -> None:
        self._clock = clock
        self._buckets: dict[str, Bucket] = {}
        self.calls_used = 0
        self.items_used = 0

    def remaining(self, config: Config) -> int:
        """API calls left in the billing period."""
        return max(0, config.api_calls - self.calls_used)

    def call(self, config: Config, caller: str) -> Refusal | None:
        """Count one request of a token; the 429 it is answered with, if any."""
        exhausted = self.calls_used >= config.api_calls
        self.calls_used += 1
        if exhausted and not config.overage and config.rate_429 != "burst":
            return Refusal(
                429, "The API calls of the billing period are used up", code="quota_exhausted"
            )
        if config.burst_per_second is None or config.rate_429 == "quota":
            return None
        bucket = self._buckets.setdefault(caller, Bucket(self._clock, config.burst_size))
        wait = bucket.take(config.burst_per_second, config.burst_size)
        return self._burst(config, wait) if wait else None

    def delivery(self) -> None:
        """Count a webhook delivery (section 16)."""
        self.calls_used += 1

    def take_items(self, config: Config, count: int) -> None:
        """Count new database items.

        Raises:
            Refusal: 403 when they do not fit and overage is off.
        """
        if (
            config.items is not None
            and not config.overage
            and self.items_used + count > config.items
        ):
            raise Refusal(403, "The item quota is used up", code="item_quota")
        self.items_used += count

    def give_items(self, count: int) -> None:
        """Items were deleted for good."""
        self.items_used -= count

    def _burst(self, config: Config, wait: float) -> Refusal:
        headers = {}
        if config.retry_after == "seconds":
            headers["Retry-After"] = str(ceil(wait))
        elif config.retry_after == "date":
            until = datetime.fromtimestamp(self._clock.now() + wait, UTC) + timedelta(seconds=1)
            headers["Retry-After"] = format_datetime(until, usegmt=True)
        return Refusal(429, "Too many requests", code="burst", headers=headers)
