"""Counting the API calls of one run."""

from __future__ import annotations

from armillary.api.meter import Meter


class CallCount:
    """Calls since a run began; the meter itself counts for the whole process."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._before = dict(meter.by_call)
        self._used_before = meter.used

    @property
    def used(self) -> int:
        """Calls of this run."""
        return self._meter.used - self._used_before

    @property
    def remaining(self) -> int | None:
        """Calls left in the billing period, where Ptolemy tells."""
        return self._meter.remaining

    def by_item(self) -> dict[str, int]:
        """Calls of this run by method and path."""
        return {
            " ".join(call): count - self._before.get(call, 0)
            for call, count in self._meter.by_call.items()
            if count > self._before.get(call, 0)
        }
