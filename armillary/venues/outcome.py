"""What became of each venue, and the state a refresh ends in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from armillary.errors import ArmillaryError


class VenueState(StrEnum):
    """What became of one venue."""

    COMPLETED = "completed"
    FAILED = "failed"
    """Asked for, and not refreshed."""
    UNKNOWN = "unknown"
    """No usable answer came: it may or may not have been carried out."""
    ALREADY_RUNNING = "already_running"
    """Another run is refreshing it: this one left it alone."""
    SKIPPED = "skipped"
    """Not ONLINE, and not asked for by name."""
    NOT_ATTEMPTED = "not_attempted"
    """The run stopped before its turn came."""


@dataclass(frozen=True)
class VenueOutcome:
    """What became of one venue."""

    venue: str
    state: VenueState
    synced: int | None = None
    """How many instruments Cadenza says it took over; None where it does not say (contract D7)."""
    added: int | None = None
    updated: int | None = None
    seconds: float = 0.0
    """From its turn to its end, with all waits."""
    tries: int = 0
    """How often Cadenza was asked."""
    error: str = ""
    request_id: str | None = None
    """Of the request that failed, for the service's support."""
    status: str = ""
    """As the venue list had it before."""
    symbols: tuple[str, ...] = ()
    """What the refresh was limited to; empty for the whole venue."""
    rejected_symbols: dict[str, str] = field(default_factory=dict)
    """Symbols that were refused, with the reason."""
    notes: tuple[str, ...] = ()

    @property
    def reason(self) -> str:
        """The error with the id of its request, once."""
        if not self.request_id or self.request_id in self.error:
            return self.error
        return f"{self.error} (request {self.request_id})"

    @property
    def done(self) -> bool:
        """Whether everything asked for of this venue was carried out."""
        return self.state is VenueState.COMPLETED and not self.rejected_symbols


class State(StrEnum):
    """The states a refresh ends in; the exit codes and automations go by these names."""

    COMPLETED = "Completed"
    ALREADY_RUNNING = "AlreadyRunning"
    """Another run is refreshing the same venues: nothing was done."""
    PARTIAL = "Partial"
    """Some venues, or some symbols, were not refreshed."""
    FAILED = "Failed"
    """No venue was refreshed."""


EXIT_CODES = {
    State.COMPLETED: 0,
    State.ALREADY_RUNNING: 0,
    State.PARTIAL: 1,
    State.FAILED: 1,
}
"""What the command exits with."""

FAILED_STATES = frozenset({State.PARTIAL, State.FAILED})

HEADLINES = {
    State.COMPLETED: "Done: Cadenza's copies of the venues are fresh.",
    State.ALREADY_RUNNING: "Nothing was done: another run is refreshing these venues.",
    State.PARTIAL: "Not everything is refreshed; what is missing is listed below.",
    State.FAILED: "No venue was refreshed; the reasons are below.",
}

LEFT_ALONE = frozenset({VenueState.SKIPPED, VenueState.ALREADY_RUNNING})
"""Venues in these states do not make a run a failed one."""

TO_REPEAT = frozenset({VenueState.FAILED, VenueState.UNKNOWN, VenueState.NOT_ATTEMPTED})


@dataclass(frozen=True)
class VenuesResult:
    """The result of a refresh; its keys are public (design of the command's ``--json``)."""

    state: State
    environment: str
    """``production``, ``UAT``, or the host of any other."""
    venues: tuple[VenueOutcome, ...]
    calls: int
    """Requests to Cadenza, log-in and venue list included."""
    seconds: float
    run_id: str
    stopped: str = ""
    """Why the run stopped before every venue had its turn; blank when it did not."""
    again_command: str = ""
    """What a person types to refresh only what is missing; blank when nothing is."""
    notes: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """What the command exits with."""
        return EXIT_CODES[self.state]

    def count(self, state: VenueState) -> int:
        """How many venues ended so."""
        return sum(outcome.state is state for outcome in self.venues)

    def as_dict(self) -> dict[str, Any]:
        """The result as plain JSON values."""
        told = {**asdict(self), "state": self.state.value}
        for venue in told["venues"]:
            venue["state"] = venue["state"].value
        return told


class VenuesFailed(ArmillaryError):
    """A refresh ended in a failed state; ``result`` says what was done nevertheless."""

    def __init__(self, message: str, result: VenuesResult) -> None:
        self.result = result
        super().__init__(message)


class VenueFailed(ArmillaryError):
    """One venue was not, or not wholly, refreshed; ``outcome`` says why. The others go on."""

    def __init__(self, outcome: VenueOutcome) -> None:
        self.outcome = outcome
        super().__init__(venue_message(outcome))


def final_state(outcomes: Sequence[VenueOutcome]) -> State:
    """The state by policy, never by futures: what another run is at is no failure of this one."""
    concerned = [outcome for outcome in outcomes if outcome.state is not VenueState.SKIPPED]
    completed = any(outcome.state is VenueState.COMPLETED for outcome in concerned)
    if all(outcome.done or outcome.state in LEFT_ALONE for outcome in concerned):
        return State.COMPLETED if completed or not concerned else State.ALREADY_RUNNING
    return State.PARTIAL if completed else State.FAILED


def venue_message(outcome: VenueOutcome) -> str:
    """What became of one venue, in one line."""
    words = outcome.state.value.replace("_", " ")
    said = f"{outcome.venue}: {outcome.error or words}"
    if not outcome.rejected_symbols or outcome.state is not VenueState.COMPLETED:
        return said
    named = "; ".join(f"{symbol}: {why}" for symbol, why in outcome.rejected_symbols.items())
    return f"{outcome.venue}: some symbols were refused, the others are refreshed. {named}"


def failed_message(result: VenuesResult) -> str:
    """One line for a log and a state."""
    short = [outcome for outcome in result.venues if _falls_short(outcome)]
    return " ".join(
        [
            f"Venues in {result.environment}: {counted(result)}.",
            *([f"The run stopped: {result.stopped}"] if result.stopped else []),
            *(venue_message(outcome) for outcome in short),
        ]
    )


def counted(result: VenuesResult) -> str:
    """How many venues ended in which state."""
    return ", ".join(
        f"{count:,} {state.value.replace('_', ' ')}"
        for state in VenueState
        if (count := result.count(state))
    )


def _falls_short(outcome: VenueOutcome) -> bool:
    asked = outcome.state in {VenueState.FAILED, VenueState.UNKNOWN}
    return asked or bool(outcome.rejected_symbols)
