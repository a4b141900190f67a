"""Counting calls, because every one is paid for (contract section 17)."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from armillary.errors import RunStopped

REMAINING = "x-ratelimit-remaining"

_WHOLE = re.compile(r"\s*([+-]?\d{1,18})(\.0*)?\s*")


@dataclass(frozen=True)
class MeterReading:
    """What was used at one moment; ``by_call`` as in ``{("PATCH", "/instruments/{id}"): 12}``."""

    used: int
    remaining: int | None
    by_call: Mapping[tuple[str, str], int]


class Meter:
    """Counts every attempt of every request, of all threads.

    Args:
        max_calls: the call after this many is not made, or None for no such limit.
    """

    def __init__(self, max_calls: int | None = None) -> None:
        self.max_calls = max_calls
        self._lock = threading.Lock()
        self._used = 0
        self._by_call: Counter[tuple[str, str]] = Counter()
        self._told: tuple[int, int] | None = None
        self._told_by = 0

    @property
    def used(self) -> int:
        """Calls made so far."""
        return self._used

    @property
    def remaining(self) -> int | None:
        """Calls left in the billing period; None until an answer has told.

        Answers after the last one that told are subtracted (``reliability.md`` A36).
        """
        with self._lock:
            if self._told is None:
                return None
            left, used_then = self._told
            return max(0, left - (self._used - used_then))

    @property
    def by_call(self) -> dict[tuple[str, str], int]:
        """Calls made so far, by method and path template."""
        with self._lock:
            return dict(self._by_call)

    def snapshot(self) -> MeterReading:
        """All of the above at one moment."""
        remaining = self.remaining
        with self._lock:
            return MeterReading(self._used, remaining, dict(self._by_call))

    def spend(self, method: str, template: str) -> int:
        """Count one call that is about to be made; returns its number.

        Raises:
            RunStopped: it would be one more than ``max_calls``; it was not made.
        """
        with self._lock:
            if self.max_calls is not None and self._used >= self.max_calls:
                raise RunStopped(
                    f"The budget of {self.max_calls} calls is used up; {method} {template} was not "
                    "made.",
                    next_step="Raise the budget, then start the run again: it goes on from here.",
                )
            self._used += 1
            self._by_call[method, template] += 1
            return self._used

    def hear(self, headers: Mapping[str, str], number: int) -> int | None:
        """Note what the answer to a call tells about the calls left.

        Answers overtake one another; what an earlier call was told no longer counts.

        Returns:
            The number this answer told, None if it did not tell.
        """
        left = whole_number(headers.get(REMAINING, ""))
        if left is not None:
            with self._lock:
                if number > self._told_by:
                    self._told_by = number
                    self._told = (left, self._used)
        return left


def whole_number(text: str) -> int | None:
    """The number a header holds, at least 0; None when it holds none."""
    match = _WHOLE.fullmatch(text)
    return max(0, int(match[1])) if match else None
