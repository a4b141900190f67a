"""A lease as a process sees it that works for the run which holds it, on whatever machine.

Only the run renews its lease. A batch that was handed to another process looks into the run
records: often enough to notice in time that the run has ended, died, or lost the lease.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from armillary.clock import Clock, SystemClock
from armillary.errors import ConfigurationError, LeaseLost
from armillary.runs.lease import LeaseTicket, lease_of
from armillary.runs.store import RunStore

LOOK_SECONDS = 10.0
"""How old the last look may be: a lease that was given back is noticed within this time."""


class LeaseWatch:
    """The right to write for somebody else, as long as ``check`` does not raise.

    It counts by this machine's clock, as the owner does by its own; the margin with which the next
    run waits (see ``lease.held``) covers both.

    Args:
        store: the run records, the same that the run has.
        ticket: of the lease.
        clock: for tests.
    """

    def __init__(self, store: RunStore, ticket: LeaseTicket, clock: Clock | None = None) -> None:
        self._store = store
        self._ticket = ticket
        self._clock = clock or SystemClock()
        self._expires_at = ticket.expires_at
        self._look_again = self._clock.monotonic()
        self._lost = ""

    def check(self) -> None:
        """Return while the lease lasts; looks into the run records every ten seconds.

        Raises:
            LeaseLost: it is over, another run has it, or it cannot be seen from here.
        """
        over = self._clock.now() >= self._expires_at  # by what was seen last
        if not self._lost and (over or self._clock.monotonic() >= self._look_again):
            self._look()
        if not self._lost and self._clock.now() >= self._expires_at:
            self._lost = self._says(f"ended at {_spoken(self._expires_at)} and was not renewed")
        if self._lost:
            raise LeaseLost(self._lost)

    def _look(self) -> None:
        try:
            found = lease_of(self._store, self._ticket.key, self._ticket.subject)
        except ConfigurationError as error:
            # What was seen last holds until its time is over; then nothing is written any more.
            self._look_again = self._clock.monotonic() + LOOK_SECONDS / 5
            if self._clock.now() + timedelta(seconds=LOOK_SECONDS) >= self._expires_at:
                self._lost = self._says(f"cannot be looked at: {error.message}")
            return
        if found is None:
            self._lost = self._says(
                f"is not to be found at {self._store.place} by this process: the run and those who "
                "work for it need the same run records (ARMILLARY_RUNS)"
            )
            return
        record = found[0]
        if record.nonce != self._ticket.nonce:
            self._lost = self._says(f"was taken over by {record.owner}")
        elif record.released_at is not None:
            self._lost = self._says(f"was given back at {_spoken(record.released_at)}")
        self._expires_at = record.expires_at
        self._look_again = self._clock.monotonic() + LOOK_SECONDS

    def _says(self, what: str) -> str:
        return f"The lease of the run on {self._ticket.subject} {what}."


def _spoken(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M:%S} UTC"
