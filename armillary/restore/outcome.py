"""What came of a restore: the state by policy, and the result scripts read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Literal

from armillary.errors import ArmillaryError

OnExisting = Literal["skip", "update", "fail"]


class State(StrEnum):
    """The states a restore ends in; the exit codes and automations go by these names."""

    COMPLETED = "Completed"
    PLANNED = "Planned"
    PLANNED_WITHHELD = "PlannedWithheld"
    """Planned; as it stands, nothing would be imported."""
    ALREADY_RUNNING = "AlreadyRunning"
    """Another restore into the workspace holds the lease: nothing was done."""
    PARTIAL = "Partial"
    """Rows are missing, or differ from the backup and were left as they are."""
    FAILED = "Failed"


EXIT_CODES = {
    State.COMPLETED: 0,
    State.PLANNED: 0,
    State.PLANNED_WITHHELD: 4,
    State.ALREADY_RUNNING: 0,
    State.PARTIAL: 1,
    State.FAILED: 1,
}
"""What the command exits with."""

HEADLINES = {
    State.COMPLETED: "Everything asked for is in the workspace as it is in the backup.",
    State.PLANNED: "Nothing was written. This is what a restore would do.",
    State.PLANNED_WITHHELD: "Nothing was written, and nothing would be: the reasons are below.",
    State.ALREADY_RUNNING: "Nothing was done: another restore into this workspace is under way.",
    State.PARTIAL: "The workspace is not all as the backup has it; what is not is listed below.",
    State.FAILED: "The restore stopped before its end; what was imported stays.",
}


@dataclass(frozen=True)
class Difference:
    """One field of one row that is in both and not the same."""

    resource_type: str
    row: str
    """Its natural key, as a person reads it."""
    field: str
    backup: str | None
    workspace: str | None


@dataclass(frozen=True)
class TypeResult:
    """One resource type of a restore; every row of the backup that was chosen is in one count.

    rows = equal + differs + absent, as planned; and after an apply
    absent = imported + failed.
    """

    resource_type: str
    rows: int
    """Chosen rows of the backup."""
    equal: int = 0
    """In the workspace already, as the backup has them."""
    differs: int = 0
    """In the workspace, and not as the backup has them."""
    absent: int = 0
    """Not in the workspace, and so to be imported."""
    orphans: int = 0
    """Of the absent: what they belong to is neither in the backup nor in the workspace."""
    extra: int = 0
    """In the workspace and not in the backup: left alone."""
    archive: int = 0
    """Rows that are archived in the backup and to be archived once they are there."""
    parts: int = 0
    """Files that were imported, or are expected to be."""
    imported: int = 0
    """Not there before, there now as the backup has them; the workspace was read back."""
    updated: int = 0
    """There before, and brought to what the backup has."""
    skipped: int = 0
    """There before and different, and left so."""
    failed: int = 0
    """Wanted, and not there or not as the backup has them."""
    calls: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class Calls:
    """API calls."""

    forecast: int | None = None
    used: int = 0
    remaining: int | None = None


@dataclass(frozen=True)
class FailedRow:
    """A row that could not be restored, and why."""

    resource_type: str
    row: str
    reason: str


@dataclass(frozen=True)
class RestoreResult:
    """The result of a restore; its keys are public (design of the command's ``--json``)."""

    state: State
    mode: Literal["plan", "apply"]
    backup_id: str
    workspace: str
    """Restored into."""
    source: str
    """The workspace that the backup is of."""
    on_existing: OnExisting | None
    types: tuple[TypeResult, ...]
    missing: tuple[str, ...] = ()
    """What a person must create first."""
    refusals: tuple[str, ...] = ()
    """Other reasons why nothing would be imported."""
    stopped: str = ""
    """Why it ended before its end, and what to do; blank when it did not."""
    differences: tuple[Difference, ...] = ()
    """Examples of what differs; ``differs`` counts all."""
    failures: tuple[FailedRow, ...] = ()
    """Examples of what failed; the run record has all."""
    notes: tuple[str, ...] = ()
    calls: Calls = field(default_factory=Calls)
    items: int = 0
    """Database items that the rows to import cost."""
    items_left: int | None = None
    seconds: float = 0.0
    continued: bool = False
    """Whether it went on with what an interrupted run had begun."""
    record: str = ""
    """Where the run's record lies, with the rows that failed."""
    run_id: str = ""

    @property
    def exit_code(self) -> int:
        """Of the command."""
        return EXIT_CODES[self.state]

    @property
    def rows(self) -> int:
        """Chosen rows of all types."""
        return sum(kind.rows for kind in self.types)

    def as_dict(self) -> dict[str, Any]:
        """As plain JSON values; by resource type what scripts ask for most."""
        told = {**asdict(self), "state": self.state.value}
        for name in ("imported", "updated", "failed", "skipped", "differs", "parts"):
            told[name] = {kind.resource_type: getattr(kind, name) for kind in self.types}
        return told


class RestoreFailed(ArmillaryError):
    """A restore ended in a failed state; ``result`` says what was done nevertheless."""

    def __init__(self, message: str, result: RestoreResult) -> None:
        self.result = result
        super().__init__(message)


def planned_state(missing: Sequence[str], refusals: Sequence[str]) -> State:
    """Of a restore that only planned."""
    return State.PLANNED_WITHHELD if missing or refusals else State.PLANNED


def final_state(types: Sequence[TypeResult], not_restored: Sequence[str]) -> State:
    """Of a restore that applied.

    Args:
        types: what came of each.
        not_restored: what the API offers no way to bring back.
    """
    short = any(kind.failed or kind.skipped for kind in types)
    return State.PARTIAL if short or not_restored else State.COMPLETED


def failed_message(result: RestoreResult) -> str:
    """One line for a log and a state."""
    counts = [
        f"{kind.resource_type}: {words}" for kind in result.types if (words := _short_words(kind))
    ]
    first = [f"{row.resource_type} {row.row}: {row.reason}" for row in result.failures[:3]]
    return " ".join(
        [
            f"Restore of {result.backup_id} into {result.workspace}. "
            f"{result.stopped or HEADLINES[result.state]}",
            *(f"{words}." for words in counts),
            *(f"{words.removesuffix('.')}." for words in first),
        ]
    )


def _short_words(kind: TypeResult) -> str:
    said = []
    if kind.failed:
        said.append(f"{kind.failed:,} of {kind.rows:,} rows failed")
    if kind.skipped:
        said.append(f"{kind.skipped:,} differ and were left as they are")
    return ", ".join(said)
