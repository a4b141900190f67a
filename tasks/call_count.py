"""Counting the API calls of one run."""

from __future__ import annotations

from armillary.api.meter import Meter


class CallCount:
    """Calls since a run began; the meter itself counts for the whole process."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._before = dict(meter.by_call)
        self._used_before = meter.used
        self._elsewhere = 0
        self._told_elsewhere: int | None = None

    def add(self, used: int, remaining: int | None) -> None:
        """Count calls that another process made for this run.

        Args:
            used: how many.
            remaining: how many it was told are left; None where it was not told.
        """
        self._elsewhere += used
        if remaining is not None:
            self._told_elsewhere = min(remaining, self._told_elsewhere or remaining)

    @property
    def used(self) -> int:
        """Calls of this run."""
        return self._meter.used - self._used_before + self._elsewhere

    @property
    def remaining(self) -> int | None:
        """Calls left in the billing period, where Ptolemy tells."""
        here = self._meter.remaining
        told = [] if here is None else [max(0, here - self._elsewhere)]
        if self._told_elsewhere is not None:
            told.append(self._told_elsewhere)
        return min(told, default=None)

    def by_item(self) -> dict[str, int]:
        """Calls of this run by method and path."""
        return {
            " ".join(call): count - self._before.get(call, 0)
            for call, count in self._meter.by_call.items()
            if count > self._before.get(call, 0)
        }
