"""One venue's turn in a run: its lease, all its attempts, and what is remembered of it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

from armillary import progress
from armillary.api.cadenza import Venue
from armillary.clock import Clock, SystemClock
from armillary.errors import ArmillaryError, ConfigurationError, LeaseHeld, TransientError
from armillary.runs.lease import LIFE_SECONDS, Lease, held
from armillary.runs.store import RunStore
from armillary.venues.asking import Asking, Syncs
from armillary.venues.memory import VenueMemory, recall, records_of, remember, shrunk
from armillary.venues.outcome import VenueOutcome, VenueState
from armillary.venues.patience import Halt, Patience


@dataclass(frozen=True)
class Round:
    """What the venues of one run have in common."""

    environment: str
    run_id: str
    store: RunStore
    total: int = 1
    """How many venues have a turn, for who shows the progress."""
    lease_seconds: float = LIFE_SECONDS
    patience: Patience = field(default_factory=Patience)
    halt: Halt = field(default_factory=Halt)
    clock: Clock = field(default_factory=SystemClock)
    ended: Iterator[int] = field(default_factory=lambda: itertools.count(1), repr=False)

    def turn(self, venue: Venue, symbols: tuple[str, ...] = ()) -> Turn:
        """The turn of one venue."""
        asking = Asking(
            venue.name, symbols, halt=self.halt, patience=self.patience, clock=self.clock
        )
        return Turn(self, asking, venue.status)


class Turn:
    """Holds the lease of its venue from the first attempt to the last, waits included.

    So two runs never refresh one venue at once. Made by ``Round.turn``; the attempts come one
    after another. ``close`` it when no further attempt will come.
    """

    def __init__(self, of: Round, asking: Asking, status: str) -> None:
        self.asking = asking
        self.venue = asking.venue
        self._round = of
        self._status = status
        self._held = ExitStack()
        self._lease: Lease | None = None
        self._before: VenueMemory | None = None
        self.is_asking = False
        """Whether Cadenza is at it right now."""

    @property
    def wait_seconds(self) -> float:
        """What the last attempt left to wait before the next."""
        return self.asking.wait_seconds

    def wait(self) -> None:
        """Before an attempt: wait as long as the last one asked for, or until the run stops."""
        self.asking.wait()

    def attempt(self, cadenza: Syncs) -> VenueOutcome:
        """One attempt; whatever it comes to is an outcome, unless another attempt is due.

        Raises:
            TransientError: another attempt is due after ``wait``; the lease stays.
        """
        try:
            outcome = self._asked(cadenza)
        except TransientError:
            raise
        except BaseException:
            self.close()
            raise
        self.close()
        progress.say("venues", next(self._round.ended), self._round.total)
        return replace(outcome, status=self._status)

    def broke_off(self, answer: object) -> VenueOutcome:
        """The outcome when the attempts ended with something else than one."""
        self.close()
        said = str(answer) if isinstance(answer, ArmillaryError) else repr(answer)
        state = VenueState.FAILED
        if self._lease is not None:
            state = VenueState.UNKNOWN
            said = f"The refresh broke off, and what came of it is not known: {said}"
        return VenueOutcome(
            self.venue, state, error=said, status=self._status, symbols=self.asking.symbols
        )

    def close(self) -> None:
        """Give the lease back, if it is held."""
        self._held.close()

    def _asked(self, cadenza: Syncs) -> VenueOutcome:
        if self._round.halt.why:
            return self.asking.halted()
        try:
            lease = self._lease or self._begin()
        except LeaseHeld as other:
            return VenueOutcome(
                self.venue,
                VenueState.ALREADY_RUNNING,
                symbols=self.asking.symbols,
                error=str(other),
            )
        except ConfigurationError as error:
            return self.asking.over(error)
        self.is_asking = True
        try:
            outcome = self.asking.ask(cadenza, lease.check)
        finally:
            self.is_asking = False
        return self._remembered(outcome)

    def _begin(self) -> Lease:
        self.asking.start()
        life_seconds = self._round.lease_seconds
        lease = self._held.enter_context(
            held(
                self._round.store,
                records_of(self._round.environment),
                f"venue-{self.venue}",
                owner=f"run {self._round.run_id}",
                life_seconds=life_seconds,
                margin_seconds=life_seconds / 4,
                subject=f"venue {self.venue} of Cadenza {self._round.environment}",
            )
        )
        self._before = recall(self._round.store, self._round.environment, self.venue)
        self._lease = lease
        return lease

    def _remembered(self, outcome: VenueOutcome) -> VenueOutcome:
        """Compare a whole refresh with the last one, and leave its number for the next."""
        if outcome.symbols or not outcome.done or outcome.synced is None:
            return outcome
        found = VenueMemory(outcome.synced, self._round.run_id, self._round.clock.now())
        told = [
            shrunk(self._before, outcome.synced),
            remember(self._round.store, self._round.environment, self.venue, found),
        ]
        return replace(outcome, notes=(*outcome.notes, *(note for note in told if note)))
