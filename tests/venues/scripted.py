"""A Cadenza that answers by a script, and driving one venue to its outcome in no time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from armillary.api.cadenza import SyncAnswer
from armillary.errors import ApiError, TransientError
from armillary.venues.asking import MOST_ATTEMPTS, Asking
from armillary.venues.outcome import VenueOutcome
from tests.api.clocks import JumpClock

Answer = SyncAnswer | ApiError | Callable[[Sequence[str] | None], "SyncAnswer | ApiError"]


def done(synced: int | None = 412, added: int | None = 3, updated: int | None = 9) -> SyncAnswer:
    return SyncAnswer(synced, added, updated)


def failed(kind: type[ApiError], message: str, **facts: Any) -> ApiError:
    wait_seconds = facts.pop("wait_seconds", None)
    error = kind(message, method="POST", path="/market/instrument/sync", **facts)
    if isinstance(error, TransientError):
        error.wait_seconds = wait_seconds
    return error


class Script:
    """Answers one after another, the last one for ever; ``asked`` has the time and the symbols."""

    def __init__(self, clock: JumpClock, *answers: Answer) -> None:
        self._clock = clock
        self._answers = list(answers)
        self.asked: list[tuple[float, Sequence[str] | None]] = []

    def sync(self, venue: str, symbols: Sequence[str] | None = None) -> SyncAnswer:
        del venue
        self.asked.append((round(self._clock.passed, 6), symbols))
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if callable(answer):
            answer = answer(symbols)
        if isinstance(answer, ApiError):
            raise answer
        return answer

    @property
    def times(self) -> list[float]:
        return [at for at, _ in self.asked]


def outcome_of(asking: Asking, cadenza: Script) -> VenueOutcome:
    """Attempt after attempt, as the task run does it."""
    for _ in range(MOST_ATTEMPTS + 1):
        asking.wait()
        try:
            return asking.ask(cadenza)
        except TransientError:
            continue
    raise AssertionError("the policy asked for ever")
