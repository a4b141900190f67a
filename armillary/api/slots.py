"""This process's slots of a limit that several processes share.

A slot is asked for when a request waits for one, kept while requests follow one another, renewed,
and given back when it is idle, or after a turn if others may be waiting. A thread of its own does
all of that: a slot costs a call to its keeper in some ten seconds, not one per request
(docs/decisions/0020-one-limit-for-several-processes.md).
"""

from __future__ import annotations

import contextvars
import copy
import logging
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from armillary.api.shared_limit import SharedLimit, SlotLender
from armillary.clock import Clock
from armillary.errors import ArmillaryError, ConfigurationError, NoTurn

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Pace:
    """How long things take or may take; only tests change them."""

    loan_seconds: float = 120.0
    """Slots of a process that was killed are lent again after this time."""
    longest_request_seconds: float = 60.0
    """No request starts on a slot that might end before the request does."""
    turn_seconds: float = 10.0
    """A slot held so long is given back, if there is no other free one for others to take."""
    longest_turn_seconds: float = 40.0
    """Turns grow up to this while nobody takes what is given back."""
    gap_seconds: float = 0.8
    """For so long we do not ask for it again: longer than others wait between two questions."""
    ask_seconds: float = 0.3
    idle_seconds: float = 2.0
    """Slots that no request needed for so long are given back."""
    again_seconds: float = 2.0
    """Between two tries to reach a keeper that does not answer."""
    tell_seconds: float = 30.0
    patience_seconds: float = 300.0
    """So long requests wait without a single slot, then the run ends."""
    rest_seconds: float = 5.0
    """So long the end of a run waits for the last slots to be given back."""


RENEWALS_PER_LOAN = 6


@dataclass(slots=True)
class _Slot:
    loan: str
    ends: float
    renew_at: float
    turn_ends: float
    leaving: bool = False


Work = Callable[[SlotLender], None]


class Slots:
    """Slots of one limit for the throttle of one token.

    The throttle holds ``changed`` (and so the lock) when it calls ``note``, ``check`` and
    ``usable``; it is notified when there may be more room, or a fault to be told.
    """

    def __init__(self, limit: SharedLimit, clock: Clock, pace: Pace | None = None) -> None:
        self._lock = threading.Lock()
        self.changed = threading.Condition(self._lock)
        self._woken = threading.Condition(self._lock)
        self._limit = limit
        self._clock = clock
        self._pace = pace or Pace()
        self._held: list[_Slot] = []
        self._going_back = 0
        self._in_use = 0
        self._wanted = 0
        self._peak = 0
        self._window_ends = 0.0
        self._ask_at = 0.0
        self._turn_seconds = self._pace.turn_seconds
        self._offered = False
        self._dry_since: float | None = None
        self._told = False
        self._trouble = ""
        self._fault: ArmillaryError | None = None
        self._keeper: threading.Thread | None = None

    def usable(self) -> int:
        """How many requests may be under way."""
        latest = self._clock.monotonic() + self._pace.longest_request_seconds
        return sum(1 for slot in self._held if not slot.leaving and slot.ends > latest)

    def note(self, in_use: int, wanted: int) -> None:
        """Take note of how many requests are under way, and how many would like to be."""
        more = wanted > self._wanted
        self._in_use, self._wanted = in_use, wanted
        self._peak = max(self._peak, wanted)
        if wanted <= in_use:
            self._fault = None  # everybody who waited has heard it
        if wanted and self._keeper is None:
            self._start()
        elif more or any(slot.leaving for slot in self._held):
            self._woken.notify()

    def check(self) -> None:
        """Return while it is worth waiting for a slot.

        Raises:
            ConfigurationError: there is no such limit, or it is none of requests under way.
            NoTurn: no slot was to be had for minutes.
        """
        if self._fault is not None:
            raise copy.copy(self._fault)  # each thread gets a traceback of its own

    def rest(self) -> None:
        """Give back what no request needs, now; waits some seconds at most."""
        with self._lock:
            self._peak = self._wanted
            self._window_ends = 0.0
            self._woken.notify()
            self.changed.wait_for(self._is_at_rest, self._pace.rest_seconds)

    def _is_at_rest(self) -> bool:
        return self._keeper is None or len(self._held) + self._going_back <= self._wanted

    # The keeper: everything below runs in its thread.

    def _start(self) -> None:
        self._window_ends = self._clock.monotonic() + self._pace.idle_seconds
        self._dry_since = None
        # Which server to ask may be known in the context of whoever asks first alone.
        keep = partial(contextvars.copy_context().run, self._keep)
        self._keeper = threading.Thread(
            target=keep, name=f"slots of {self._limit.name}", daemon=True
        )
        self._keeper.start()

    def _keep(self) -> None:
        try:
            with self._limit.open() as lender:
                while (work := self._next_work()) is not None:
                    work(lender)
        except ArmillaryError as error:
            self._end(error)
        except Exception as error:  # noqa: BLE001 - requests wait for this thread: they must hear
            self._end(NoTurn(f"Slots of {self._limit.name!r} cannot be kept: {error!r}."))

    def _end(self, error: ArmillaryError) -> None:
        with self._lock:
            self._keeper = None
            self._fail(error)

    def _fail(self, error: ArmillaryError) -> None:
        if self._wanted > self._in_use:
            self._fault = error
            self.changed.notify_all()

    def _next_work(self) -> Work | None:
        """What to do next, once it is due; None when nobody needs a slot any more."""
        with self._lock:
            while True:
                now = self._clock.monotonic()
                self._drop_ended(now)
                self._thin_out(now)
                self._judge_patience(now)
                work = self._due(now)
                if work is not None:
                    return work
                if not self._held and not self._wanted:
                    self._keeper = None
                    self.changed.notify_all()
                    return None
                self._woken.wait(max(0.01, self._next_event() - now))

    def _due(self, now: float) -> Work | None:
        for slot in self._held:
            if slot.leaving and self._in_use < len(self._held):
                self._held.remove(slot)
                self._going_back += 1
                return partial(self._give_back, slot)
        for slot in self._held:
            if slot.renew_at <= now:
                return partial(self._renew, slot)
        for slot in self._held:
            if slot.turn_ends <= now and not slot.leaving:
                return partial(self._offer, slot)
        if self._wanted > len(self._held) and self._ask_at <= now:
            return self._ask
        return None

    def _next_event(self) -> float:
        moments = [self._window_ends]
        moments += [slot.renew_at for slot in self._held]
        moments += [slot.turn_ends for slot in self._held if not slot.leaving]
        if self._wanted > len(self._held):
            moments.append(self._ask_at)
        return min(moments)

    def _drop_ended(self, now: float) -> None:
        for slot in [slot for slot in self._held if slot.ends <= now]:
            self._held.remove(slot)
            logger.warning(
                "A slot of %r ended: it could not be renewed in time. %s",
                self._limit.name,
                self._trouble,
            )

    def _thin_out(self, now: float) -> None:
        if now < self._window_ends:
            return
        staying = [slot for slot in self._held if not slot.leaving]
        for slot in staying[max(self._peak, self._wanted) :]:
            slot.leaving = True
        self._peak = self._wanted
        self._window_ends = now + self._pace.idle_seconds

    def _judge_patience(self, now: float) -> None:
        if not self._wanted or self.usable():
            self._dry_since, self._told = None, False
            return
        if self._dry_since is None:
            self._dry_since = now
        waited = now - self._dry_since
        why = self._trouble or "all of them are taken by other processes."
        if waited >= self._pace.patience_seconds:
            message = f"No slot of {self._limit.name!r} was to be had for {waited:.0f} seconds: "
            # A keeper that does not answer has a default advice; full slots need the limit's own.
            advice = None if self._trouble else self._limit.advice
            self._dry_since = None
            self._fail(NoTurn(message + why, next_step=advice))
        elif waited >= self._pace.tell_seconds and not self._told:
            self._told = True
            logger.warning("Waiting for a slot of %r: %s", self._limit.name, why)

    def _ask(self, lender: SlotLender) -> None:
        asked = self._clock.monotonic()
        loan, trouble, wait = None, "", self._pace.ask_seconds
        try:
            has_room = lender.look().has_room
            self._learn(has_room)
            if has_room:
                loan = lender.lend(self._pace.loan_seconds)
        except NoTurn as error:
            trouble, wait = error.message, self._pace.again_seconds
        except ConfigurationError as error:
            wait = self._pace.again_seconds
            with self._lock:
                self._fail(error)
        with self._lock:
            self._trouble = trouble
            self._ask_at = self._clock.monotonic() + wait * random.uniform(0.8, 1.2)  # noqa: S311
            if loan is not None:
                self._ask_at = 0.0
                self._held.append(self._begun(loan, asked))
                self.changed.notify_all()

    def _learn(self, has_room: bool) -> None:
        """Whether somebody took the slot that was given back: then turns are short."""
        if self._offered:
            longer = min(2 * self._turn_seconds, self._pace.longest_turn_seconds)
            self._turn_seconds = longer if has_room else self._pace.turn_seconds
            self._offered = False

    def _begun(self, loan: str, asked: float) -> _Slot:
        # Turns of slots taken together end one after another, so that work goes on.
        turn = self._turn_seconds * random.uniform(0.2, 1.0)  # noqa: S311 - no secret
        ends = asked + self._pace.loan_seconds
        renew_at = asked + self._pace.loan_seconds / RENEWALS_PER_LOAN
        return _Slot(loan, ends, renew_at, asked + turn)

    def _renew(self, slot: _Slot, lender: SlotLender) -> None:
        asked = self._clock.monotonic()
        try:
            known = lender.renew(slot.loan, self._pace.loan_seconds)
        except (NoTurn, ConfigurationError) as error:
            with self._lock:
                self._trouble = error.message
                slot.renew_at = self._clock.monotonic() + self._pace.again_seconds
            return
        with self._lock:
            self._trouble = ""
            if known:
                slot.ends = asked + self._pace.loan_seconds
                slot.renew_at = asked + self._pace.loan_seconds / RENEWALS_PER_LOAN
                self.changed.notify_all()
            else:
                self._held.remove(slot)
                logger.warning(
                    "A slot of %r was forgotten by its keeper. %s",
                    self._limit.name,
                    self._limit.advice,
                )

    def _offer(self, slot: _Slot, lender: SlotLender) -> None:
        """End a turn: where there is a free slot, nobody waits for this one."""
        try:
            full = not lender.look().has_room
        except (NoTurn, ConfigurationError):
            full = False
        with self._lock:
            slot.leaving = full
            slot.turn_ends = self._clock.monotonic() + self._turn_seconds

    def _give_back(self, slot: _Slot, lender: SlotLender) -> None:
        try:
            lender.take_back(slot.loan)
        except (NoTurn, ConfigurationError) as error:
            logger.warning(
                "A slot of %r could not be given back and ends by itself: %s",
                self._limit.name,
                error.message,
            )
        with self._lock:
            self._going_back -= 1
            if self._wanted > len(self._held):
                self._offered = True
                self._ask_at = self._clock.monotonic() + self._pace.gap_seconds
            self.changed.notify_all()
