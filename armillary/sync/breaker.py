"""When to stop writing: a run in which nearly everything fails must not go through a whole plan."""

from __future__ import annotations

import threading
from collections import Counter

from armillary.sync.outcome import Fate, Outcome

EQUAL_FIRST_ERRORS = 10
FIRST_WRITES = 100
MAX_FIRST_SHARE = 0.2


class Breaker:
    """Watches the outcomes of all workers of a run and says when to stop (A18).

    It opens when the first ten writes fail alike, when more than a fifth of the first hundred are
    rejected, when rejects pass the feed's own limit, or when a fault concerns every record.

    Args:
        planned: how many changes the run makes.
        max_reject_share: the feed's own limit.
        seen: outcomes that another breaker of the same run has seen before this one.
        rejected: how many of those were rejects.
    """

    def __init__(
        self, planned: int, max_reject_share: float, *, seen: int = 0, rejected: int = 0
    ) -> None:
        self._lock = threading.Lock()
        self._most_rejects = max(max_reject_share * planned, EQUAL_FIRST_ERRORS)
        self._seen = seen
        self._rejected = rejected
        self._first_reasons: Counter[str] = Counter()
        self.stopped = ""
        self.by_rejects = False

    @property
    def seen(self) -> int:
        """How many outcomes it has seen."""
        return self._seen

    @property
    def rejected(self) -> int:
        """How many of them were rejects."""
        return self._rejected

    def saw(self, outcome: Outcome) -> int:
        """Take note of one outcome; returns how many there were."""
        with self._lock:
            self._seen += 1
            if outcome.fate is Fate.REJECTED:
                self._rejected += 1
                if self._seen <= EQUAL_FIRST_ERRORS:
                    self._first_reasons[f"{outcome.kind} {outcome.status}"] += 1
                self._judge(outcome)
            return self._seen

    def halt(self, why: str) -> None:
        """Stop for a reason that concerns every record: token, quota, lease, a lost record."""
        with self._lock:
            self.stopped = self.stopped or why

    def _judge(self, last: Outcome) -> None:
        if self.stopped:
            return
        alike = max(self._first_reasons.values(), default=0)
        why = ""
        if alike >= EQUAL_FIRST_ERRORS:
            why = f"the first {EQUAL_FIRST_ERRORS} writes failed alike"
        elif self._seen <= FIRST_WRITES and self._rejected > MAX_FIRST_SHARE * FIRST_WRITES:
            why = f"{self._rejected} of the first {self._seen} writes were rejected"
        elif self._rejected > self._most_rejects:
            why = f"{self._rejected} writes were rejected, more than the feed allows"
        if why:
            self.stopped = f"{why}; the last: {last.kind} {last.identifier}: {last.reason}"
            self.by_rejects = True
