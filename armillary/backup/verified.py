"""What a verification found, for people and for scripts."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from armillary.backup.outcome import size
from armillary.errors import ArmillaryError
from armillary.markdown import plain

Depth = Literal["present", "content", "restore"]

EXIT_CODES = {"Completed": 0, "Partial": 1, "Failed": 1}

SHOWN = 3
"""Problems in one line; the report has all."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong."""

    resource_type: str
    """Or ``manifest``, or ``schemas``."""
    key: str
    """In the bucket, below its prefix; blank where no file is at fault."""
    what: str
    """For a person: what is wrong, and what can be done if anything can."""

    @property
    def subject(self) -> str:
        """What it is about, for a person."""
        return self.key or self.resource_type


@dataclass(frozen=True)
class Recovery:
    """What a restore drill showed."""

    sample: int | Literal["all"]
    """Instruments that were chosen, with all that hangs on them."""
    workspace: str
    """Restored into, and cleared."""
    rows: dict[str, int]
    """By type: rows that went in and came out the same."""
    wanted: dict[str, int]
    """By type: rows that were chosen."""
    seconds: dict[str, float]
    """By type: the measured time of recovery, comparing included."""
    calls: int
    differences: tuple[str, ...]
    """Examples of what did not come out the same."""
    left_over: tuple[str, ...]
    """What could not be removed, in sentences."""


@dataclass(frozen=True)
class Verified:
    """What a verification found."""

    backup_id: str
    place: str
    depth: Depth
    state: Literal["Completed", "Partial", "Failed"]
    """``Partial``: all that is there is whole, but the backup itself is PARTIAL."""
    proven: bool
    """Whether a restore has proven it, this time or before."""
    files: int
    """Files of the manifest, all of which were looked at."""
    files_read: int
    """Files read to the last byte."""
    bytes_read: int
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]
    """What is no problem but has to be known, such as what was not checked."""
    recovery: Recovery | None = None
    """Of depth ``restore``."""

    @property
    def without_manifest(self) -> bool:
        """Whether nobody knows what was written, because the manifest cannot be believed."""
        return any(problem.resource_type == "manifest" for problem in self.problems)

    @property
    def exit_code(self) -> int:
        """Of the command."""
        return EXIT_CODES[self.state]

    def as_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self)


class VerificationFailed(ArmillaryError):
    """A backup is not what was written, or was PARTIAL from the beginning."""

    def __init__(self, message: str, result: Verified) -> None:
        self.result = result
        super().__init__(message)


def verified_message(result: Verified) -> str:
    """One line for a log and a state: the headline, and the first problems."""
    problems = " ".join(f"{it.subject}: {it.what}" for it in result.problems[:SHOWN])
    more = len(result.problems) - SHOWN
    problems += f" And {more:,} more." if more > 0 else ""
    return f"{headline(result)} {problems}".strip()


def headline(result: Verified) -> str:
    """What was found, without the problems."""
    if result.without_manifest:
        return f"Backup {result.backup_id} cannot be verified."
    looked = _looked(result)
    words = {
        "Completed": "is what was written",
        "Partial": "is what was written, but was never complete",
        "Failed": "is not what was written",
    }
    if result.recovery is not None:
        words["Completed"] = "is proven: it was restored and came out the same"
        words["Failed"] = "is NOT proven: what was restored did not come out the same"
    return f"Backup {result.backup_id} {words[result.state]} ({looked})."


def _looked(result: Verified) -> str:
    if result.recovery is not None:
        told = result.recovery
        what = "all instruments" if told.sample == "all" else f"{told.sample:,} instruments"
        return (
            f"{sum(told.rows.values()):,} of {sum(told.wanted.values()):,} rows, {what}, in "
            f"{sum(told.seconds.values()):,.0f} s with {told.calls:,} calls"
        )
    return (
        f"{result.files_read} of {result.files} files read back, {size(result.bytes_read)}"
        if result.depth != "present"
        else f"{result.files} files looked at from outside"
    )


def summary(result: Verified) -> str:
    """The whole finding as markdown."""
    parts = [f"# Backup {result.backup_id}: {result.state}", verified_message(result)]
    if result.problems:
        rows = ["| file | what is wrong |", "|---|---|"]
        rows += [f"| `{it.subject}` | {plain(it.what)} |" for it in result.problems]
        parts.append("\n".join(rows))
    if result.recovery is not None:
        parts += _recovered(result.recovery)
    parts += [f"Note: {note}" for note in result.notes]
    parts.append("Proven by a restore." if result.proven else "Not proven by a restore.")
    parts.append(f"Place: `{result.place}`")
    return "\n\n".join(parts)


def recovered_rows(told: Recovery) -> list[dict[str, str]]:
    """A row for each type: what was chosen, what came out the same, how long it took."""
    return [
        {
            "type": kind,
            "rows": f"{count:,}",
            "came out the same": f"{told.rows[kind]:,}",
            "seconds": f"{told.seconds[kind]:,.1f}",
        }
        for kind, count in told.wanted.items()
    ]


def _recovered(told: Recovery) -> list[str]:
    """What went in and came out, by type."""
    rows = ["| type | rows | came out the same | seconds |", "|---|---:|---:|---:|"]
    rows += [f"| {' | '.join(row.values())} |" for row in recovered_rows(told)]
    parts = [f"## Restored into `{told.workspace}`", "\n".join(rows)]
    if told.differences:
        parts.append("## What differs\n\n" + "\n".join(f"- {plain(d)}" for d in told.differences))
    return [*parts, *told.left_over]
