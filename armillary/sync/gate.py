"""What every write passes, in whichever process it is made.

A run stops writing when its breaker opens, when the service stays down, when the calls that others
need are reached, or when its lease is over: asked before each write, never after.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from armillary.errors import LeaseLost
from armillary.sync.breaker import Breaker
from armillary.sync.outage import Outage
from armillary.sync.outcome import Outcome


class Checked(Protocol):
    """A lease, or another process's view of one."""

    def check(self) -> None:
        """Return while it lasts; raises LeaseLost."""
        ...


class Gate:
    """What every write passes: it opens for the next one, or says why there is none.

    Args:
        breaker: judges the outcomes.
        lease: has to last.
        outage: waits while the service is down.
        short_of_calls: why no further call may be spent; blank if one may.
    """

    def __init__(
        self,
        breaker: Breaker,
        lease: Checked,
        outage: Outage,
        short_of_calls: Callable[[], str],
    ) -> None:
        self.breaker = breaker
        self._lease = lease
        self._outage = outage
        self._short_of_calls = short_of_calls

    def short(self) -> str:
        """Why no further call may be spent; blank if one may."""
        return self._short_of_calls()

    def may_write(self) -> bool:
        """Whether the next write may start: nothing stopped the run, and the lease is ours.

        Waits while the service is down.
        """
        short = self.short() if not self.breaker.stopped else ""
        if short:
            self.breaker.halt(short)
        down = self._outage.wait() if not self.breaker.stopped else ""
        if down:
            self.breaker.halt(down)
        if not self.breaker.stopped:
            try:
                self._lease.check()
            except LeaseLost as lost:
                self.breaker.halt(str(lost))
        return not self.breaker.stopped

    def saw(self, outcome: Outcome) -> int:
        """Note one outcome; returns how many there were."""
        self._outage.saw(outcome)
        return self.breaker.saw(outcome)
