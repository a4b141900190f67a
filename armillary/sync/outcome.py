"""What became of each planned change, and the state a run ends in.

Always: planned = applied + rejected + withheld + not_attempted + unknown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from armillary.errors import ArmillaryError
from armillary.sync.plan import KINDS


class Fate(StrEnum):
    """What became of one planned change."""

    APPLIED = "applied"
    REJECTED = "rejected"
    """Ptolemy refuses this record; a repeat cannot help."""
    TRANSIENT = "transient"
    """Failed for now: the record gets another try before the run ends."""
    UNKNOWN = "unknown"
    """Tried until patience ended; it may or may not have been carried out."""
    NOT_ATTEMPTED = "not_attempted"


@dataclass(frozen=True)
class Echo:
    """A value that was read back otherwise than it was written (``reliability.md`` A33)."""

    field: str
    wanted: str
    stored: str


@dataclass(frozen=True)
class Outcome:
    """What became of one planned change."""

    kind: str
    identifier: str
    fate: Fate
    reason: str = ""
    id: str | None = None
    """UUID of the record, where the answer told it."""
    status: int | None = None
    echoes: tuple[Echo, ...] = ()


class State(StrEnum):
    """The states a sync ends in; the exit codes and automations go by these names."""

    COMPLETED = "Completed"
    ALREADY_RUNNING = "AlreadyRunning"
    """Another run holds the lease: nothing was done."""
    PLANNED = "Planned"
    PLANNED_WITHHELD = "PlannedWithheld"
    COMPLETED_WITH_REJECTS = "CompletedWithRejects"
    WITHHELD = "Withheld"
    TOO_MANY_REJECTS = "TooManyRejects"
    FAILED = "Failed"


EXIT_CODES = {
    State.COMPLETED: 0,
    State.ALREADY_RUNNING: 0,
    State.PLANNED: 0,
    State.COMPLETED_WITH_REJECTS: 3,
    State.PLANNED_WITHHELD: 4,
    State.WITHHELD: 4,
    State.TOO_MANY_REJECTS: 1,
    State.FAILED: 1,
}
"""What the command exits with."""

FAILED_STATES = frozenset({State.TOO_MANY_REJECTS, State.FAILED})


@dataclass(frozen=True)
class Calls:
    """API calls of one run."""

    forecast: int
    used: int
    remaining: int | None
    deliveries: int | None
    guide: int
    month: int = 0
    """What ``forecast.RUNS_A_MONTH`` such runs would take, deliveries included."""


@dataclass(frozen=True)
class SyncResult:
    """The result of a sync; its keys are public (design of the command's ``--json``)."""

    state: State
    mode: str
    feed: str
    workspace: str
    planned: dict[str, int]
    unchanged: int
    applied: dict[str, int]
    rejected: int
    rejected_rows: int
    withheld: dict[str, int]
    held: int
    not_attempted: int
    unknown: int
    calls: Calls
    digest: str
    run_id: str
    record: str = ""
    """Where the run record lies."""
    renames: dict[str, int] = field(default_factory=lambda: {"planned": 0, "applied": 0})
    """Updates that give an instrument another identifier; they are counted as updates, too."""
    missing_kept: int = 0
    stopped: str = ""
    """Why the run ended early; blank when it did not."""
    withheld_fields: dict[str, int] = field(default_factory=dict)
    """Fields that a guard withholds, and in how many records; the rest of those records goes on."""
    withheld_because: dict[str, str] = field(default_factory=dict)
    """By kind of change, or by ``field <key>``."""
    rejected_because: dict[str, int] = field(default_factory=dict)
    rejected_examples: dict[str, str] = field(default_factory=dict)
    """One change or row for each of those reasons."""
    approve_command: str = ""
    """What a person types to let through what was withheld; blank when nothing can be."""
    unknown_because: dict[str, int] = field(default_factory=dict)
    route: dict[str, Any] | None = None
    """Which way changes are written, and why; None where nobody chose."""
    warnings: tuple[str, ...] = ()
    changes: tuple[dict[str, Any], ...] = ()
    """The first planned changes, as a person reads them; archives first."""
    problems: tuple[dict[str, Any], ...] = ()
    """The first rejected and held records with their reasons."""

    def as_dict(self) -> dict[str, Any]:
        """The result as plain JSON values."""
        return asdict(self)

    @property
    def exit_code(self) -> int:
        """What the command exits with."""
        return EXIT_CODES[self.state]


class SyncFailed(ArmillaryError):
    """A sync ended in a failed state; ``result`` says how far it came."""

    def __init__(self, message: str, result: SyncResult, *, next_step: str = "") -> None:
        self.result = result
        super().__init__(message, next_step=next_step)


@dataclass(frozen=True)
class Tally:
    """Outcomes counted by fate, and by kind where they were applied."""

    applied: dict[str, int]
    rejected: int
    unknown: int
    not_attempted: int
    reasons: dict[str, int]
    """Why changes were rejected, with how often each reason came, most frequent first."""
    unknown_reasons: dict[str, int] = field(default_factory=dict)
    """Why changes are unknown, likewise."""


def tally(outcomes: Iterable[Outcome]) -> Tally:
    """Count outcomes; a change still transient at the end of a run is unknown."""
    applied = dict.fromkeys(KINDS, 0)
    fates: Counter[Fate] = Counter()
    rejected: Counter[str] = Counter()
    unknown: Counter[str] = Counter()
    for outcome in outcomes:
        fates[outcome.fate] += 1
        if outcome.fate is Fate.APPLIED:
            applied[outcome.kind] += 1
        elif outcome.fate is Fate.REJECTED:
            rejected[outcome.reason] += 1
        elif outcome.fate is not Fate.NOT_ATTEMPTED:
            unknown[outcome.reason] += 1
    return Tally(
        applied=applied,
        rejected=fates[Fate.REJECTED],
        unknown=fates[Fate.UNKNOWN] + fates[Fate.TRANSIENT],
        not_attempted=fates[Fate.NOT_ATTEMPTED],
        reasons=dict(rejected.most_common()),
        unknown_reasons=dict(unknown.most_common()),
    )


def final_state(
    *,
    mode: str,
    counted: Tally,
    withheld: Sequence[str],
    rejected_rows: int,
    stopped: str,
    stopped_by_rejects: bool,
) -> State:
    """The state by policy, never by futures: the worst that is true wins."""
    if stopped_by_rejects:
        return State.TOO_MANY_REJECTS
    if stopped:
        return State.FAILED
    if mode == "plan":
        return State.PLANNED_WITHHELD if withheld else State.PLANNED
    unfinished = counted.unknown or counted.not_attempted
    rejected = counted.rejected or rejected_rows
    verdicts = [
        (unfinished, State.FAILED),
        (withheld, State.WITHHELD),
        (rejected, State.COMPLETED_WITH_REJECTS),
    ]
    return next((state for true, state in verdicts if true), State.COMPLETED)
