"""Asking Cadenza to refresh one venue: what each answer, or none, means for the next attempt.

A refresh may run long, has no job id and no progress (contract section 7). Repeating one is safe
in effect but costly, so it is never repeated without a pause, and never while another one of the
same venue is known to run.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Protocol

from armillary.api.cadenza import SyncAnswer
from armillary.clock import Clock, SystemClock
from armillary.errors import (
    AccessDenied,
    AnswerLost,
    ApiError,
    ArmillaryError,
    NoTurn,
    QuotaExhausted,
    RateLimited,
    RequestRejected,
    TransientError,
    VenueBusy,
)
from armillary.venues.outcome import VenueOutcome, VenueState
from armillary.venues.patience import Halt, Patience

WAIT_STEP_SECONDS = 1.0
"""A wait is cut into steps, so that it ends when the run stops."""

MOST_ATTEMPTS = 31
"""Of one venue, whatever comes: more would mean a service that answers something new each time."""

MORE_CALLS_TO_ISOLATE = 8

CONCERNS_ALL = (AccessDenied, RateLimited, QuotaExhausted, NoTurn)
"""What is refused to one venue for these reasons is refused to all: they share the token."""

NOT_THE_SYMBOLS = frozenset({401, 501})
"""Exchange credentials, or no refresh for this exchange at all: fewer symbols change nothing."""


class Syncs(Protocol):
    """What is needed of the Cadenza client."""

    def sync(self, venue: str, symbols: Sequence[str] | None = None) -> SyncAnswer:
        """Have one venue refreshed: one attempt, never repeated."""
        ...


class Asking:
    """The refresh of one venue over several attempts.

    Args:
        venue: its name in Cadenza's list.
        symbols: what to limit it to; empty means the whole venue.
        halt: shared with the other venues of the run.
        patience: for tests.
        clock: for tests.
    """

    def __init__(
        self,
        venue: str,
        symbols: Sequence[str] = (),
        *,
        halt: Halt | None = None,
        patience: Patience | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.venue = venue
        self.symbols = tuple(symbols)
        self.halt = halt or Halt()
        self.wait_seconds = 0.0
        """What the last attempt left to wait before the next."""
        self._patience = patience or Patience()
        self._clock = clock or SystemClock()
        self._began = self._clock.monotonic()
        self._parts: list[tuple[str, ...]] = [self.symbols]
        self._most_calls = 2 * math.ceil(math.log2(len(self.symbols) or 1)) + MORE_CALLS_TO_ISOLATE
        self._answers: list[SyncAnswer] = []
        self._rejected: dict[str, str] = {}
        self._refusal: RequestRejected | None = None
        self._notes: list[str] = []
        self._attempts = 0
        self._calls = 0
        self._cuts = 0
        self._next_request()

    def _next_request(self) -> None:
        self._failures = 0
        self._lost = 0
        self._lost_wait = 0.0
        self._busy_since: float | None = None
        self._busy_wait = self._patience.first_busy_wait_seconds

    def start(self) -> None:
        """Its turn has come: ``seconds`` of the outcome count from here."""
        self._began = self._clock.monotonic()

    def wait(self) -> None:
        """Before an attempt: wait as long as the last one asked for, or until the run stops."""
        until = self._clock.monotonic() + self.wait_seconds
        while (left := until - self._clock.monotonic()) > 0 and not self.halt.why:
            self._clock.sleep(min(left, WAIT_STEP_SECONDS))
        self.wait_seconds = 0.0

    def ask(self, cadenza: Syncs, may_ask: Callable[[], None] = lambda: None) -> VenueOutcome:
        """One attempt; whatever it comes to is an outcome, unless another attempt is due.

        Args:
            cadenza: the client.
            may_ask: called before each request; raises when none may be sent any more.

        Raises:
            TransientError: another attempt is due after ``wait``.
        """
        self._attempts += 1
        while self._parts:
            if self.halt.why:
                return self.halted()
            part = self._parts[-1]
            try:
                may_ask()
                self._calls += 1
                answer = cadenza.sync(self.venue, list(part) or None)
            except TransientError as error:
                return self._again_or_over(error)
            except RequestRejected as error:
                self._refused(part, error)
            except ArmillaryError as error:
                if isinstance(error, CONCERNS_ALL):
                    self.halt.stop(str(error))
                return self.over(error)
            else:
                self._answers.append(answer)
                self._parts.pop()
                self._note_what_it_took()
                self._next_request()
        return self._all_asked()

    def halted(self) -> VenueOutcome:
        """The outcome of a venue whose run stopped; one that was asked before is not untouched."""
        if not self._calls:
            return self._outcome(VenueState.NOT_ATTEMPTED, self.halt.why)
        return self._short(f"The run stopped before it could be asked again: {self.halt.why}")

    def over(self, error: BaseException) -> VenueOutcome:
        """The outcome after an error that no further attempt can help."""
        return self._short(str(error), error)

    def _again_or_over(self, error: TransientError) -> VenueOutcome:
        if isinstance(error, VenueBusy):
            wait, given_up = self._after_busy(error)
        elif isinstance(error, AnswerLost):
            wait, given_up = self._after_loss(error)
        else:
            wait, given_up = self._after_failure(error)
        if not given_up and self._attempts >= MOST_ATTEMPTS:
            given_up = f"It was tried {self._attempts} times."
        if given_up:
            return self._short(f"{given_up} The last time: {_said(error)}", error)
        self.wait_seconds = wait
        raise error

    def _after_busy(self, error: TransientError) -> tuple[float, str]:
        now = self._clock.monotonic()
        self._busy_since = now if self._busy_since is None else self._busy_since
        left = self._patience.busy_seconds - (now - self._busy_since)
        if left <= 0:
            return 0.0, (
                f"Another refresh of the venue is under way and did not end within "
                f"{self._patience.busy_seconds:,.0f} seconds."
            )
        wait = max(self._busy_wait, error.wait_seconds or 0.0)
        self._busy_wait = min(2 * self._busy_wait, self._patience.longest_busy_wait_seconds)
        return min(wait, left), ""

    def _after_loss(self, error: TransientError) -> tuple[float, str]:
        self._lost += 1
        if self._lost > 1:
            return 0.0, "It was asked twice, and both times no answer came."
        asked = min(error.wait_seconds or 0.0, self._patience.longest_asked_wait_seconds)
        self._lost_wait = max(self._patience.unknown_wait_seconds, asked)
        return self._lost_wait, ""

    def _after_failure(self, error: TransientError) -> tuple[float, str]:
        self._failures += 1
        asked = error.wait_seconds
        if asked is not None and asked > self._patience.longest_asked_wait_seconds:
            return 0.0, f"It asks to wait {asked:,.0f} seconds: longer than a run waits."
        if self._failures >= self._patience.tries:
            return 0.0, f"{self._failures} tries failed."
        doubled = self._patience.first_wait_seconds * 2.0 ** (self._failures - 1)
        return (doubled if asked is None else asked), ""

    def _refused(self, part: tuple[str, ...], error: RequestRejected) -> None:
        """Cut the symbols in halves to find the bad ones, as long as the calls suffice (C12)."""
        self._parts.pop()
        self._next_request()
        enough = self._calls + len(self._parts) + 2 <= self._most_calls
        if len(part) > 1 and enough and error.status not in NOT_THE_SYMBOLS:
            middle = (len(part) + 1) // 2
            self._parts += [part[middle:], part[:middle]]
            return
        why = _refusal(error)
        if len(part) > 1:
            why = f"refused together with {len(part) - 1} others: {why}"
        self._refusal = error
        self._rejected |= dict.fromkeys(part, why)

    def _all_asked(self) -> VenueOutcome:
        if self._refusal is not None and not self._answers:
            return self.over(self._refusal)
        return self._outcome(VenueState.COMPLETED)

    def _note_what_it_took(self) -> None:
        if self._lost:
            self._notes.append(
                "The first answer was lost; it was asked once more after "
                f"{self._lost_wait:,.0f} seconds."
            )
        if self._busy_since is not None:
            waited = self._clock.monotonic() - self._busy_since
            self._notes.append(f"Another refresh of it was waited for, {waited:,.0f} seconds.")

    def _short(self, why: str, error: BaseException | None = None) -> VenueOutcome:
        """Not, or not wholly, refreshed; unknown when an answer was lost on the way."""
        done = len(self.symbols) - sum(map(len, self._parts)) - len(self._rejected)
        if self._answers and self.symbols:
            why = f"{why} Before that, {done:,} of {len(self.symbols):,} symbols were refreshed."
        if not self._lost:
            return self._outcome(VenueState.FAILED, why, error)
        maybe = "It may have been carried out nevertheless: refreshing it again does no harm."
        return self._outcome(VenueState.UNKNOWN, f"{why} {maybe}", error)

    def _outcome(
        self, state: VenueState, why: str = "", error: BaseException | None = None
    ) -> VenueOutcome:
        notes = [note for answer in self._answers for note in answer.notes]
        return VenueOutcome(
            venue=self.venue,
            state=state,
            synced=_summed([answer.synced for answer in self._answers]),
            added=_summed([answer.added for answer in self._answers]),
            updated=_summed([answer.updated for answer in self._answers]),
            seconds=round(self._clock.monotonic() - self._began, 3),
            tries=self._calls,
            error=why,
            request_id=error.request_id if isinstance(error, ApiError) else None,
            symbols=self.symbols,
            rejected_symbols=dict(self._rejected),
            notes=tuple(dict.fromkeys([*self._notes, *notes])),
        )


def _said(error: ArmillaryError) -> str:
    """What happened, without the advice: the next attempt is settled here."""
    return str(error).removesuffix(error.advice).strip()


def _refusal(error: RequestRejected) -> str:
    """Why, in Cadenza's words where it has any."""
    return error.detail or error.message


def _summed(counts: Sequence[int | None]) -> int | None:
    """Together; None when one of them is not known (contract D7)."""
    known = [count for count in counts if count is not None]
    return sum(known) if known and len(known) == len(counts) else None
